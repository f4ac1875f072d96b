//! A dashboard in the schema that Grafana has had since its beginnings.

use super::incidents;
use super::layout::{self, Place};
use super::links::{self, ADDRESSES};
use super::look;
use super::model::{Dashboard, Panel};
use super::variables::{self, Variable};
use serde_json::{Value, json};

/// The schema's version; newer Grafana brings it up to date by itself.
const SCHEMA: u32 = 38;

/// The dashboard, as Grafana imports and provisions it.
pub(super) fn document(dashboard: &Dashboard) -> Value {
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["saga-tracker"],
        "schemaVersion": SCHEMA,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [annotation()]},
        "links": [links::to_each_other()],
        "templating": {"list": variables(dashboard)},
        "panels": panels(dashboard),
    })
}

fn datasource(kind: &str, variable: &str) -> Value {
    json!({"type": kind, "uid": format!("${{{variable}}}")})
}

fn annotation() -> Value {
    json!({
        "name": incidents::NAME,
        "datasource": datasource("prometheus", "datasource"),
        "enable": true,
        "hide": false,
        "iconColor": "red",
        "expr": incidents::query().text(),
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{saga_type}}",
        "step": "60s",
    })
}

fn variables(dashboard: &Dashboard) -> Vec<Value> {
    let addresses = ADDRESSES.iter().map(|address| {
        json!({
            "name": address.name,
            "label": address.label,
            "type": "textbox",
            "query": address.default,
            "current": {"text": address.default, "value": address.default},
            "options": [],
            "hide": 2,
            "skipUrlSync": false,
        })
    });
    let chosen = variables::of(dashboard);
    chosen.iter().map(variable).chain(addresses).collect()
}

fn variable(variable: &Variable) -> Value {
    match variable {
        Variable::Source { name, label, plugin } => json!({
            "name": name,
            "label": label,
            "type": "datasource",
            "query": plugin,
            "current": {"text": "default", "value": "default"},
            "options": [],
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "refresh": 1,
            "regex": "",
            "skipUrlSync": false,
        }),
        Variable::Label { name, label, query } => json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": datasource("prometheus", "datasource"),
            "query": {"query": query, "refId": "A"},
            "current": {"text": ["All"], "value": ["$__all"]},
            "options": [],
            "hide": 0,
            "includeAll": true,
            "allValue": ".*",
            "multi": true,
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "skipUrlSync": false,
        }),
    }
}

pub(super) fn panels(dashboard: &Dashboard) -> Vec<Value> {
    let (mut panels, mut top) = (Vec::new(), 0);
    // Rows have numbers behind those of panels, which stand in links.
    let mut heading = 1000;
    for row in &dashboard.rows {
        heading += 1;
        panels.push(json!({
            "id": heading,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": layout::COLUMNS, "h": 1},
        }));
        let (places, next) = layout::of_row(row, top + 1);
        for (panel, place) in row.panels.iter().zip(places) {
            let id = 1 + panels.iter().filter(|panel| panel["type"] != "row").count();
            panels.push(of_panel(id, panel, place));
        }
        top = next;
    }
    panels
}

fn of_panel(id: usize, panel: &Panel, place: Place) -> Value {
    let mut value = json!({
        "id": id,
        "type": look::plugin(panel.look),
        "title": panel.title,
        "description": panel.description,
        "gridPos": {"x": place.x, "y": place.y, "w": place.width, "h": place.height},
        "options": look::options(panel),
        "fieldConfig": look::field_config(panel),
        "targets": targets(panel),
        "transformations": transformations(panel),
    });
    let (kind, variable) = panel
        .targets
        .first()
        .map_or(("prometheus", "datasource"), look::source);
    value["datasource"] = datasource(kind, variable);
    if let Some(last) = panel.last {
        value["timeFrom"] = last.into();
    }
    value
}

fn targets(panel: &Panel) -> Vec<Value> {
    let targets = panel.targets.iter().zip('A'..);
    let targets = targets.map(|(target, letter)| {
        let (kind, variable) = look::source(target);
        let mut question = look::question(target, panel.look);
        question["refId"] = letter.to_string().into();
        question["datasource"] = datasource(kind, variable);
        question
    });
    targets.collect()
}

fn transformations(panel: &Panel) -> Vec<Value> {
    let transformations = look::transformations(panel).into_iter();
    transformations
        .map(|(id, options)| json!({"id": id, "options": options}))
        .collect()
}
