//! Dashboards, alerts and recording rules, made from the metric declarations: an expression that names a metric or a
//! label that is not declared is refused, so none of them can be wrong about a name.
//!
//! What they are made for stands in `deploy/monitoring`; a test holds those files to this code. No metric is declared
//! or counted here.

mod alerts;
mod dashboards;
mod mixin;
mod parameters;
mod promql;
mod recordings;
mod rule_files;
mod text;
mod yaml;

use alerts::Subject;
use dashboards::Dashboard;

/// A file by its path below `deploy/monitoring`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its path.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A dashboard or a rule names what is not declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these expressions name what no metric declares:\n{}", .0.join("\n"))]
pub struct Undeclared(pub Vec<String>);

/// Files that are written by hand, because nothing in them follows from metrics.
macro_rules! by_hand {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../deploy/monitoring/", $path)))),*]
    };
}

const BY_HAND: [(&str, &str); 7] = by_hand![
    "README.md",
    "alertmanager/alertmanager.yml",
    "alertmanager/saga-tracker.tmpl",
    "grafana/provisioning/alerting/contact-points.yml",
    "grafana/provisioning/alerting/notification-policies.yml",
    "grafana/provisioning/dashboards/saga-tracker.yml",
    "grafana/provisioning/datasources/saga-tracker.yml",
];

/// All files.
///
/// # Errors
/// [`Undeclared`], with every fault.
pub fn artefacts() -> Result<Vec<Artefact>, Undeclared> {
    let dashboards = dashboards::all();
    let faults = faults(&dashboards);
    if !faults.is_empty() {
        return Err(Undeclared(faults));
    }
    let mut files = made(&dashboards);
    files.extend(BY_HAND.map(|(path, text)| file(path, text.to_owned())));
    Ok(files)
}

fn made(dashboards: &[Dashboard]) -> Vec<Artefact> {
    let mut files = vec![
        file("mixin.libsonnet", mixin::libsonnet(dashboards)),
        file("links.toml", dashboards::links_toml()),
        file(
            "prometheus/saga-tracker-rules.yml",
            rule_files::for_prometheus(&rule_files::recording_groups()),
        ),
        file(
            "prometheus/saga-tracker-alerts.yml",
            rule_files::for_prometheus(&rule_files::alert_groups()),
        ),
        file(
            "grafana/provisioning/alerting/rules.yml",
            rule_files::for_grafana(),
        ),
    ];
    for dashboard in dashboards {
        let path = |folder: &str| format!("{folder}/{}", dashboard.file);
        files.push(file(path("dashboards"), dashboards::classic(dashboard)));
        files.push(file(path("dashboards-v2"), dashboards::v2(dashboard)));
    }
    files
}

fn file(path: impl Into<String>, text: String) -> Artefact {
    Artefact {
        path: path.into(),
        text,
    }
}

fn faults(dashboards: &[Dashboard]) -> Vec<String> {
    let of_dashboards = dashboards.iter().flat_map(Dashboard::faults);
    let recordings = recordings::groups()
        .into_iter()
        .flat_map(|group| group.recordings);
    let of_recordings = recordings.flat_map(|recording| named(&recording.name, recording.query.faults()));
    let alerts = Subject::ALL.into_iter().flat_map(Subject::alerts);
    let of_alerts = alerts.flat_map(|alert| named(alert.name, alert.query.faults()));
    of_dashboards.chain(of_recordings).chain(of_alerts).collect()
}

fn named(name: &str, faults: &[String]) -> Vec<String> {
    faults.iter().map(|fault| format!("{name}: {fault}")).collect()
}

#[cfg(test)]
mod tests;
