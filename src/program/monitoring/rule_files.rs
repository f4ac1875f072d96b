//! The rules as files that Prometheus loads, and as those that Grafana evaluates itself.

use super::alerts::{Alert, Subject};
use super::parameters::{GRAFANA_URL, Parameter, RUNBOOK_URL, RUNBOOK_URL_KO, TRACKER_URL, filled};
use super::recordings;
use super::yaml;
use serde_json::{Value, json};

/// Dashboards by whom they are for, as paths of Grafana.
pub(super) fn dashboard_path(subject: Subject) -> &'static str {
    match subject {
        Subject::Sagas => "/d/saga-tracker-sagas",
        Subject::Tracker => "/d/saga-tracker-process",
    }
}

/// How often alerts are evaluated.
const INTERVAL: &str = "30s";

/// The groups of recording rules, with tokens for parameters.
pub(super) fn recording_groups() -> Value {
    let groups = recordings::groups().into_iter().map(|group| {
        let rules = group.recordings.iter();
        let rules = rules.map(|rule| json!({"record": rule.name, "expr": rule.query.text()}));
        json!({"name": group.name, "interval": group.interval, "rules": rules.collect::<Vec<_>>()})
    });
    json!({"groups": groups.collect::<Vec<_>>()})
}

/// The groups of alerts, with tokens for parameters.
pub(super) fn alert_groups() -> Value {
    let groups = Subject::ALL.map(|subject| {
        let rules: Vec<Value> = subject
            .alerts()
            .iter()
            .map(|alert| rule(subject, alert))
            .collect();
        json!({"name": group_name(subject), "interval": INTERVAL, "rules": rules})
    });
    json!({"groups": groups})
}

fn group_name(subject: Subject) -> String {
    format!("saga-tracker.alerts.{}", subject.as_str())
}

fn rule(subject: Subject, alert: &Alert) -> Value {
    json!({
        "alert": alert.name,
        "expr": alert.query.text(),
        "for": alert.pending,
        "keep_firing_for": alert.keep,
        "labels": labels(subject, alert),
        "annotations": annotations(subject, alert),
    })
}

fn labels(subject: Subject, alert: &Alert) -> Value {
    json!({"severity": alert.severity.as_str(), "subject": subject.as_str()})
}

fn annotations(subject: Subject, alert: &Alert) -> Value {
    let section = alert.name.to_ascii_lowercase();
    let below = |of: &Parameter, path: &str| format!("{}{path}", of.token());
    let mut annotations = json!({
        "summary": alert.english.summary,
        "description": alert.english.description,
        "summary_ko": alert.korean.summary,
        "description_ko": alert.korean.description,
        "runbook_url": below(&RUNBOOK_URL, &format!("#{section}")),
        "runbook_url_ko": below(&RUNBOOK_URL_KO, &format!("#{section}")),
        "dashboard_url": below(&GRAFANA_URL, dashboard_path(subject)),
    });
    if let Some(path) = &alert.page {
        annotations["page_url"] = below(&TRACKER_URL, path).into();
    }
    annotations
}

const HEAD: &str = "# Generated: saga-tracker monitoring --out deploy/monitoring. mixin.libsonnet makes the same with \
                    other numbers.\n";

/// A file for Prometheus.
pub(super) fn for_prometheus(groups: &Value) -> String {
    format!("{HEAD}{}", yaml::document(&filled(groups)))
}

/// The data source that Grafana's own evaluation asks.
const DATASOURCE_UID: &str = "saga-tracker-prometheus";

/// A file that Grafana provisions alert rules from, for those who have no Prometheus that evaluates them. Recording
/// rules stay Prometheus' all the same.
pub(super) fn for_grafana() -> String {
    let groups = Subject::ALL.map(|subject| {
        let rules: Vec<Value> = subject
            .alerts()
            .iter()
            .map(|alert| grafana_rule(subject, alert))
            .collect();
        json!({
            "orgId": 1,
            "folder": "Saga Tracker",
            "name": group_name(subject),
            "interval": INTERVAL,
            "rules": rules,
        })
    });
    let file = filled(&json!({"apiVersion": 1, "groups": groups}));
    format!("{HEAD}{}", yaml::document(&file).replace('$', "$$"))
}

/// A query that has a series for whatever is wrong, its value whatever it is; a number made of it that says so.
fn grafana_rule(subject: Subject, alert: &Alert) -> Value {
    let query = json!({
        "refId": "A",
        "datasourceUid": DATASOURCE_UID,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": DATASOURCE_UID},
            "editorMode": "code",
            "expr": alert.query.text(),
            "instant": true,
            "range": false,
        },
    });
    let exists = json!({
        "refId": "B",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {
            "refId": "B",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "type": "math",
            "expression": "is_number($A) || is_nan($A) || is_inf($A)",
        },
    });
    let mut rule = json!({
        "uid": uid(alert.name),
        "title": alert.name,
        "condition": "B",
        "data": [query, exists],
        "for": alert.pending,
        "keepFiringFor": alert.keep,
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": labels(subject, alert),
        "annotations": annotations(subject, alert),
    });
    if let Some(annotations) = rule["annotations"].as_object_mut() {
        for text in annotations.values_mut() {
            *text = text
                .as_str()
                .unwrap_or("")
                .replace("$value", "$values.A.Value")
                .into();
        }
    }
    rule
}

/// SagaFailureSpike as saga-failure-spike.
fn uid(name: &str) -> String {
    let mut uid = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !uid.is_empty() {
            uid.push('-');
        }
        uid.push(letter.to_ascii_lowercase());
    }
    uid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grafanas_rules_escape_what_it_would_take_for_the_environment() {
        let text = for_grafana();
        assert!(text.contains("{{ $$labels.saga_type }}"));
        assert!(text.contains("$$values.A.Value"));
        assert!(!text.replace("$$", "").contains('$'));
        assert!(!text.contains("@{"));
    }

    #[test]
    fn an_identifier_is_short_enough_for_grafana() {
        assert_eq!(uid("SagaFailureSpike"), "saga-failure-spike");
        for alert in Subject::ALL.into_iter().flat_map(Subject::alerts) {
            assert!(uid(alert.name).len() <= 40, "{}", alert.name);
        }
    }
}
