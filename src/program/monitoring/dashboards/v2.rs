//! A dashboard in the schema of Grafana's new dashboards, as a resource.

use super::incidents;
use super::layout::{self, Place};
use super::links::{self, ADDRESSES};
use super::look;
use super::model::{Dashboard, Panel, Row, Target};
use super::variables::{self, Variable};
use serde_json::{Map, Value, json};

const API: &str = "dashboard.grafana.app/v2";
/// The version of every plugin's query, as the schema names the first.
const QUERY: &str = "v0";

/// The dashboard, as a resource.
pub(super) fn document(dashboard: &Dashboard) -> Value {
    json!({
        "apiVersion": API,
        "kind": "Dashboard",
        "metadata": {"name": dashboard.uid},
        "spec": {
            "title": dashboard.title,
            "description": dashboard.description,
            "tags": ["saga-tracker"],
            "editable": true,
            "preload": false,
            "cursorSync": "Crosshair",
            "annotations": [annotation()],
            "links": [links::to_each_other()],
            "variables": variables(dashboard),
            "elements": elements(dashboard),
            "layout": {"kind": "RowsLayout", "spec": {"rows": rows(dashboard)}},
            "timeSettings": {
                "from": "now-6h",
                "to": "now",
                "timezone": "browser",
                "autoRefresh": "30s",
                "autoRefreshIntervals": ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"],
                "hideTimepicker": false,
                "fiscalYearStartMonth": 0,
            },
        },
    })
}

fn query(kind: &str, variable: &str, spec: &Value) -> Value {
    json!({
        "kind": "DataQuery",
        "group": kind,
        "version": QUERY,
        "datasource": {"name": format!("${{{variable}}}")},
        "spec": spec,
    })
}

fn annotation() -> Value {
    let asked = json!({"expr": incidents::query().text(), "refId": "Anno"});
    json!({
        "kind": "AnnotationQuery",
        "spec": {
            "name": incidents::NAME,
            "enable": true,
            "hide": false,
            "iconColor": "red",
            "query": query("prometheus", "datasource", &asked),
            "legacyOptions": {
                "titleFormat": "{{alertname}}",
                "textFormat": "{{severity}} {{saga_type}}",
                "step": "60s",
            },
        },
    })
}

fn variables(dashboard: &Dashboard) -> Vec<Value> {
    let addresses = ADDRESSES.iter().map(|address| {
        json!({
            "kind": "TextVariable",
            "spec": {
                "name": address.name,
                "label": address.label,
                "query": address.default,
                "current": {"text": address.default, "value": address.default},
                "hide": "hideVariable",
                "skipUrlSync": false,
            },
        })
    });
    let chosen = variables::of(dashboard);
    chosen.iter().map(variable).chain(addresses).collect()
}

fn variable(variable: &Variable) -> Value {
    match variable {
        Variable::Source { name, label, plugin } => json!({
            "kind": "DatasourceVariable",
            "spec": {
                "name": name,
                "label": label,
                "pluginId": plugin,
                "current": {"text": "default", "value": "default"},
                "options": [],
                "hide": "dontHide",
                "includeAll": false,
                "multi": false,
                "allowCustomValue": true,
                "refresh": "onDashboardLoad",
                "regex": "",
                "skipUrlSync": false,
            },
        }),
        Variable::Label {
            name,
            label,
            query: asked,
        } => json!({
            "kind": "QueryVariable",
            "spec": {
                "name": name,
                "label": label,
                "query": query("prometheus", "datasource", &json!({"query": asked, "refId": "A"})),
                "definition": asked,
                "current": {"text": ["All"], "value": ["$__all"]},
                "options": [],
                "hide": "dontHide",
                "includeAll": true,
                "allValue": ".*",
                "multi": true,
                "allowCustomValue": true,
                "refresh": "onTimeRangeChanged",
                "regex": "",
                "sort": "alphabeticalAsc",
                "skipUrlSync": false,
            },
        }),
    }
}

fn name(id: usize) -> String {
    format!("panel-{id}")
}

fn elements(dashboard: &Dashboard) -> Map<String, Value> {
    let panels = (1..).zip(dashboard.panels());
    panels.map(|(id, panel)| (name(id), element(id, panel))).collect()
}

fn element(id: usize, panel: &Panel) -> Value {
    let queries = panel.targets.iter().zip('A'..);
    let queries: Vec<Value> = queries
        .map(|(target, letter)| of_target(target, letter, panel))
        .collect();
    let transformations = look::transformations(panel).into_iter().map(
        |(group, options)| json!({"kind": "Transformation", "group": group, "spec": {"options": options}}),
    );
    let options = panel
        .last
        .map_or_else(|| json!({}), |last| json!({"timeFrom": last}));
    json!({
        "kind": "Panel",
        "spec": {
            "id": id,
            "title": panel.title,
            "description": panel.description,
            "links": [],
            "data": {
                "kind": "QueryGroup",
                "spec": {
                    "queries": queries,
                    "transformations": transformations.collect::<Vec<_>>(),
                    "queryOptions": options,
                },
            },
            "vizConfig": {
                "kind": "VizConfig",
                "group": look::plugin(panel.look),
                "version": "",
                "spec": {"options": look::options(panel), "fieldConfig": look::field_config(panel)},
            },
        },
    })
}

fn of_target(target: &Target, letter: char, panel: &Panel) -> Value {
    let (kind, variable) = look::source(target);
    let asked = look::question(target, panel.look);
    json!({
        "kind": "PanelQuery",
        "spec": {"refId": letter.to_string(), "hidden": false, "query": query(kind, variable, &asked)},
    })
}

fn rows(dashboard: &Dashboard) -> Vec<Value> {
    let mut ids = 1..;
    dashboard.rows.iter().map(|of| row(of, &mut ids)).collect()
}

fn row(row: &Row, ids: &mut impl Iterator<Item = usize>) -> Value {
    let (places, _) = layout::of_row(row, 0);
    let items: Vec<Value> = places
        .into_iter()
        .zip(ids)
        .map(|(place, id)| item(id, place))
        .collect();
    json!({
        "kind": "RowsLayoutRow",
        "spec": {
            "title": row.title,
            "collapse": false,
            "layout": {"kind": "GridLayout", "spec": {"items": items}},
        },
    })
}

fn item(id: usize, place: Place) -> Value {
    json!({
        "kind": "GridLayoutItem",
        "spec": {
            "x": place.x,
            "y": place.y,
            "width": place.width,
            "height": place.height,
            "element": {"kind": "ElementReference", "name": name(id)},
        },
    })
}
