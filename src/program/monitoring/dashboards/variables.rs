//! What a dashboard can be narrowed by.

use super::model::Dashboard;
use crate::server::metrics::catalogue::{BUILD_INFO, SAGAS_ENTERED};

/// What somebody who looks may choose.
pub(super) enum Variable {
    /// A data source of a kind.
    Source {
        name: &'static str,
        label: &'static str,
        plugin: &'static str,
    },
    /// Values of a label.
    Label {
        name: &'static str,
        label: &'static str,
        query: String,
    },
}

/// The dashboard's, in the order in which they depend on each other.
pub(super) fn of(dashboard: &Dashboard) -> Vec<Variable> {
    let mut variables = vec![
        Variable::Source {
            name: "datasource",
            label: "Prometheus",
            plugin: "prometheus",
        },
        Variable::Source {
            name: "infinity",
            label: "Tracker's API",
            plugin: "yesoreyeram-infinity-datasource",
        },
        Variable::Label {
            name: "job",
            label: "Job",
            query: format!("label_values({}, job)", BUILD_INFO.name),
        },
        Variable::Label {
            name: "instance",
            label: "Replica",
            query: format!("label_values({}{{job=~\"$job\"}}, instance)", BUILD_INFO.name),
        },
    ];
    if dashboard.by_type {
        variables.push(Variable::Label {
            name: "saga_type",
            label: "Saga type",
            query: format!("label_values({}{{job=~\"$job\"}}, saga_type)", SAGAS_ENTERED.name),
        });
    }
    variables
}
