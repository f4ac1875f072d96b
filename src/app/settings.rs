//! What the configuration means for each room.

use crate::api::ServerSettings;
use crate::config::Config;
use crate::metrics::MetricsSettings;

pub(super) fn server(config: &Config) -> ServerSettings {
    config.server.api(&config.health)
}

pub(super) fn metrics(config: &Config) -> MetricsSettings {
    config.metrics.clone()
}
