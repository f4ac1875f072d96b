//! The mixin: the rules with what operators may set as `_config`, and the dashboards, in the way that users of
//! kube-prometheus import them.

use super::alerts::Subject;
use super::dashboards::{self, Dashboard};
use super::parameters::{ALL, Setting, as_format, number};
use super::rule_files;
use super::text::indent;
use serde_json::{Map, Value};

const HEAD: &str = "\
// Generated: saga-tracker monitoring --out deploy/monitoring.
//
//   local saga = (import 'mixin.libsonnet') + { _config+:: { lagWarning: 5000 } };
//   saga.prometheusAlerts, saga.prometheusRules, saga.grafanaDashboards
{
  _config+:: {
";

/// The file, which imports the dashboards beside it.
pub(super) fn libsonnet(dashboards: &[Dashboard]) -> String {
    let mut text = HEAD.to_owned();
    for parameter in ALL {
        let value = match parameter.default {
            Setting::Number(number) => number.to_owned(),
            Setting::Text(text) => Value::from(text).to_string(),
        };
        line(&mut text, &format!("    // {}.", parameter.help));
        line(&mut text, &format!("    {}: {value},", parameter.name));
    }
    line(
        &mut text,
        "    // How long an alert has to be true before it fires, and goes on afterwards.",
    );
    for (name, by_alert) in durations() {
        line(&mut text, &format!("    {name}: {{"));
        for (alert, duration) in by_alert {
            line(&mut text, &format!("      {alert}: {duration:?},"));
        }
        line(&mut text, "    },");
    }
    line(&mut text, "    dashboardTags: [\"saga-tracker\"],");
    line(&mut text, "    dashboardPrefix: \"\",");
    line(&mut text, "    dashboardRefresh: \"30s\",");
    line(&mut text, "  },");
    line(&mut text, "  local config = $._config,");
    line(&mut text, "");
    line(&mut text, "  grafanaDashboards+:: {");
    for dashboard in dashboards {
        write_dashboard(dashboard, &mut text);
    }
    line(&mut text, "  },");
    for (name, groups) in [
        ("prometheusAlerts", rule_files::alert_groups()),
        ("prometheusRules", rule_files::recording_groups()),
    ] {
        line(&mut text, "");
        text.push_str(&format!("  {name}+:: {{\n    groups+: "));
        write(&groups["groups"], 2, &mut text);
        line(&mut text, ",\n  },");
    }
    line(&mut text, "}");
    text
}

/// The dashboard's file, and over it what parameters make of its panels, by their ids.
fn write_dashboard(dashboard: &Dashboard, to: &mut String) {
    let name = dashboard.file;
    let import = format!("dashboards/{name}");
    line(to, &format!("    {name:?}: (import {import:?}) + {{"));
    let panels = dashboards::panels(dashboard);
    let panels = panels
        .iter()
        .filter_map(|panel| Some((panel["id"].to_string(), with_parameters(panel)?)));
    to.push_str("      local configured = ");
    write(&Value::Object(panels.collect()), 3, to);
    line(to, ",");
    line(
        to,
        "      local of(panel) = std.get(configured, std.toString(panel.id), {}),",
    );
    line(
        to,
        "      panels: [std.mergePatch(panel, of(panel)) for panel in super.panels],",
    );
    line(to, "      title: config.dashboardPrefix + super.title,");
    line(to, "      tags: config.dashboardTags,");
    line(to, "      refresh: config.dashboardRefresh,");
    line(to, "    },");
}

/// The parts of a value that have parameters; of lists the whole.
fn with_parameters(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => as_format(text).1.then(|| value.clone()),
        Value::Array(list) => {
            let any = list.iter().any(|item| with_parameters(item).is_some());
            any.then(|| value.clone())
        }
        Value::Object(map) => {
            let parts = map.iter();
            let parts = parts.filter_map(|(key, value)| Some((key.clone(), with_parameters(value)?)));
            let parts: Map<String, Value> = parts.collect();
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        _ => None,
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

type Durations = Vec<(&'static str, &'static str)>;

fn durations() -> [(&'static str, Durations); 2] {
    let alerts: Vec<_> = Subject::ALL.into_iter().flat_map(Subject::alerts).collect();
    let pending = alerts.iter().map(|alert| (alert.name, alert.pending)).collect();
    let keep = alerts.iter().map(|alert| (alert.name, alert.keep)).collect();
    [("pendingFor", pending), ("keepFiringFor", keep)]
}

fn write(value: &Value, depth: usize, to: &mut String) {
    match value {
        Value::Object(map) => write_map(map, depth, to),
        Value::Array(list) => {
            to.push_str("[\n");
            for item in list {
                indent(depth + 1, to);
                write(item, depth + 1, to);
                to.push_str(",\n");
            }
            indent(depth, to);
            to.push(']');
        }
        Value::String(text) => to.push_str(&expression(text)),
        other => to.push_str(&other.to_string()),
    }
}

fn write_map(map: &Map<String, Value>, depth: usize, to: &mut String) {
    to.push_str("{\n");
    let alert = map.get("alert").and_then(Value::as_str);
    for (key, value) in map {
        indent(depth + 1, to);
        let configured = match (alert, key.as_str()) {
            (Some(alert), "for") => Some(format!("config.pendingFor.{alert}")),
            (Some(alert), "keep_firing_for") => Some(format!("config.keepFiringFor.{alert}")),
            _ => None,
        };
        to.push_str(&format!("{key:?}: "));
        match configured {
            Some(configured) => to.push_str(&configured),
            None => write(value, depth + 1, to),
        }
        to.push_str(",\n");
    }
    indent(depth, to);
    to.push('}');
}

/// A text, filled in where it has parameters.
fn expression(text: &str) -> String {
    if let Some(parameter) = number(text) {
        return format!("config.{}", parameter.name);
    }
    let (format, has_any) = as_format(text);
    if has_any {
        format!("{} % config", Value::from(format))
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_with_parameters_is_a_format_and_others_are_as_they_are() {
        assert_eq!(expression("100 %"), "\"100 %\"");
        assert_eq!(expression("@{lagInfo}"), "config.lagInfo");
        assert_eq!(
            expression("up > @{lagInfo} and 5 %"),
            "\"up > %(lagInfo)s and 5 %%\" % config"
        );
    }

    #[test]
    fn of_a_panel_what_has_parameters_is_written_anew() {
        let panel = json!({
            "title": "Lag",
            "description": "above @{lagInfo}",
            "fieldConfig": {"unit": "s", "steps": [{"value": null}, {"value": "@{lagInfo}"}]},
        });
        let expected = json!({
            "description": "above @{lagInfo}",
            "fieldConfig": {"steps": [{"value": null}, {"value": "@{lagInfo}"}]},
        });
        assert_eq!(with_parameters(&panel), Some(expected));
        assert_eq!(with_parameters(&json!({"title": "Lag"})), None);
    }

    #[test]
    fn every_parameter_is_used() {
        let text = libsonnet(&[]);
        for parameter in ALL {
            assert!(
                text.contains(&format!("%({})s", parameter.name)),
                "{}",
                parameter.name
            );
        }
        assert!(!text.contains("@{"));
    }
}
