//! What the configuration means for each room.

use crate::api::ServerSettings;
use crate::api::health::HealthSettings;
use crate::config::Config;
use crate::metrics::MetricsSettings;

pub(super) fn server(config: &Config) -> ServerSettings {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    ServerSettings {
        address: config.server.bind,
        port: config.server.port,
        header_timeout_ms: config.server.header_timeout_ms,
        request_timeout_ms: config.server.request_timeout_ms,
        max_body_bytes: config.server.body_limit_bytes,
        max_header_bytes: size(config.server.header_limit_bytes),
        max_connections: size(config.server.max_connections),
        shutdown_grace_ms: config.server.shutdown_grace_ms,
        health: HealthSettings {
            kafka_down_after_ms: config.health.kafka_down_after_ms,
            min_free_disk_bytes: config.health.disk_free_min_bytes,
        },
        ..ServerSettings::default()
    }
}

pub(super) fn metrics(config: &Config) -> MetricsSettings {
    MetricsSettings {
        max_steps: usize::try_from(config.metrics.max_steps).unwrap_or(usize::MAX),
    }
}
