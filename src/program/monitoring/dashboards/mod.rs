//! The dashboards: one about the shop's sagas, one about the tracker, each in both of Grafana's schemas.

mod classic;
mod incidents;
mod layout;
mod links;
mod look;
mod model;
mod sagas;
mod tracker;
mod v2;
mod variables;

#[cfg(test)]
pub(crate) use links::SEARCHES;
pub(crate) use links::toml as links_toml;
pub(crate) use model::Dashboard;

use super::parameters::filled;
use serde_json::Value;

/// All of them.
pub(super) fn all() -> Vec<Dashboard> {
    vec![sagas::dashboard(), tracker::dashboard()]
}

/// In the schema that all versions of Grafana read.
pub(super) fn classic(dashboard: &Dashboard) -> String {
    text(&classic::document(dashboard))
}

/// Its panels in that schema, with tokens for parameters.
pub(super) fn panels(dashboard: &Dashboard) -> Vec<Value> {
    classic::panels(dashboard)
}

/// In the schema of new dashboards.
pub(super) fn v2(dashboard: &Dashboard) -> String {
    text(&v2::document(dashboard))
}

fn text(value: &Value) -> String {
    format!("{:#}\n", filled(value))
}

#[cfg(test)]
mod tests;
