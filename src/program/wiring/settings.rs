//! What the configuration means for each room.

use crate::program::config::Config;
use crate::server::api::ServerSettings;
use crate::server::metrics::MetricsSettings;

pub(super) fn server(config: &Config) -> ServerSettings {
    config.server.api(&config.health)
}

pub(super) fn metrics(config: &Config) -> MetricsSettings {
    config.metrics.clone()
}
