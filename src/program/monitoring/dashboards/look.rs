//! How a panel looks, in the words that both of Grafana's schemas have in common.

use super::links::Link;
use super::model::{Column, ColumnKind, GREEN, Limit, Look, Panel, STATUSES, Target};
use serde_json::{Map, Value, json};

/// The plugin that draws it.
pub(super) fn plugin(look: Look) -> &'static str {
    match look {
        Look::Number => "stat",
        Look::Lines | Look::StackedBars => "timeseries",
        Look::Trends | Look::Table => "table",
        Look::Lanes => "state-timeline",
        Look::Alerts => "alertlist",
    }
}

/// The plugin's options.
pub(super) fn options(panel: &Panel) -> Value {
    match panel.look {
        Look::Number => json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": if is_named(panel) { "name" } else { "value" },
        }),
        Look::Lines | Look::StackedBars => json!({
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Look::Trends | Look::Table => {
            json!({"showHeader": true, "cellHeight": "sm", "sortBy": newest_first(panel)})
        }
        Look::Lanes => json!({
            "mergeValues": true,
            "showValue": "never",
            "rowHeight": 0.9,
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false},
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Look::Alerts => json!({
            "viewMode": "list",
            "groupMode": "default",
            "groupBy": [],
            "maxItems": 50,
            "sortOrder": 3,
            "dashboardAlerts": false,
            "alertName": "Saga",
            "alertInstanceLabelFilter": "",
            "stateFilter": {"firing": true, "pending": true, "noData": false, "normal": false, "error": true},
        }),
    }
}

/// Rows of Prometheus have no order of their own; those of the API come in the one that was asked for.
fn newest_first(panel: &Panel) -> Value {
    let times = listed(panel)
        .iter()
        .filter(|column| column.kind == ColumnKind::Time);
    let sorted = times.map(|column| json!({"displayName": column.title, "desc": true}));
    sorted.take(1).collect()
}

/// The columns of a table that Prometheus is asked for.
fn listed(panel: &Panel) -> &'static [Column] {
    let targets = panel.targets.iter();
    let mut columns = targets.filter_map(|target| match target {
        Target::Prometheus { columns, .. } if !columns.is_empty() => Some(*columns),
        _ => None,
    });
    columns.next().unwrap_or(&[])
}

/// Whether the name of the series says more than its value.
fn is_named(panel: &Panel) -> bool {
    panel
        .targets
        .iter()
        .any(|target| matches!(target, Target::Prometheus { legend, .. } if !legend.is_empty()))
}

/// How its fields are shown.
pub(super) fn field_config(panel: &Panel) -> Value {
    json!({"defaults": defaults(panel), "overrides": overrides(panel)})
}

fn defaults(panel: &Panel) -> Value {
    let color = match panel.look {
        Look::Number | Look::Lanes => "thresholds",
        _ => "palette-classic",
    };
    json!({
        "unit": panel.unit,
        "color": {"mode": color},
        "custom": custom(panel),
        "thresholds": {"mode": "absolute", "steps": steps(panel)},
    })
}

fn steps(panel: &Panel) -> Value {
    let first = json!({"value": null, "color": GREEN});
    let more = panel.limits.iter();
    let more = more.map(|(limit, color)| json!({"value": value_of(*limit), "color": color}));
    std::iter::once(first).chain(more).collect()
}

fn value_of(limit: Limit) -> Value {
    match limit {
        Limit::At(value) => value.into(),
        Limit::Of(parameter) => parameter.token().into(),
    }
}

fn custom(panel: &Panel) -> Value {
    let limits = if panel.limits.is_empty() { "off" } else { "line" };
    match panel.look {
        Look::Lines => json!({
            "drawStyle": "line",
            "fillOpacity": 8,
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": false,
            "thresholdsStyle": {"mode": limits},
        }),
        Look::StackedBars => json!({
            "drawStyle": "bars",
            "fillOpacity": 80,
            "lineWidth": 0,
            "stacking": {"group": "A", "mode": "normal"},
        }),
        Look::Lanes => json!({"fillOpacity": 70, "lineWidth": 0}),
        Look::Trends | Look::Table => json!({"align": "auto", "filterable": true}),
        Look::Number | Look::Alerts => json!({}),
    }
}

fn overrides(panel: &Panel) -> Value {
    let mut overrides: Vec<Value> = STATUSES
        .iter()
        .filter(|_| names_statuses(panel))
        .map(|(status, color)| {
            let color = json!({"mode": "fixed", "fixedColor": color});
            by_name(status, &json!([{"id": "color", "value": color}]))
        })
        .collect();
    if panel.look == Look::Trends {
        let cell = json!([{"id": "custom.cellOptions", "value": {"type": "sparkline"}}]);
        overrides.push(json!({
            "matcher": {"id": "byRegexp", "options": "/^Trend/"},
            "properties": cell,
        }));
    }
    for target in &panel.targets {
        let columns = target.columns();
        overrides.extend(columns.iter().filter_map(|column| of_column(column, columns)));
    }
    overrides.into()
}

fn names_statuses(panel: &Panel) -> bool {
    panel
        .targets
        .iter()
        .any(|target| matches!(target, Target::Prometheus { legend, .. } if *legend == "{{status}}"))
}

fn by_name(name: &str, properties: &Value) -> Value {
    json!({"matcher": {"id": "byName", "options": name}, "properties": properties})
}

fn of_column(column: &Column, all: &[Column]) -> Option<Value> {
    let titles: Vec<_> = all
        .iter()
        .map(|column| (placeholder(column.field), column.title))
        .collect();
    let mut properties = Vec::new();
    if !column.links.is_empty() {
        let links = column.links.iter().map(|link| data_link(link, &titles));
        properties.push(json!({"id": "links", "value": links.collect::<Vec<_>>()}));
    }
    if column.kind == ColumnKind::Time {
        properties.push(json!({"id": "unit", "value": "dateTimeAsIso"}));
    }
    (!properties.is_empty()).then(|| by_name(column.title, &properties.into()))
}

/// How templates of links call a field of the API.
fn placeholder(field: &str) -> &str {
    match field {
        "lastTraceId" => "traceId",
        "name" => "reason",
        other => other,
    }
}

fn data_link(link: &Link, titles: &[(&str, &str)]) -> Value {
    json!({"title": link.title, "url": link.in_dashboard(titles), "targetBlank": true})
}

/// What becomes of the data before it is shown, as Grafana's transformations: name and options.
pub(super) fn transformations(panel: &Panel) -> Vec<(&'static str, Value)> {
    match panel.look {
        Look::Trends => vec![("timeSeriesTable", json!({"A": {"timeField": "Time"}}))],
        _ if listed(panel).is_empty() => Vec::new(),
        _ => vec![("organize", arranged(listed(panel)))],
    }
}

/// Labels and value by their titles, in the order of the columns; the time of the question is not worth one.
fn arranged(columns: &[Column]) -> Value {
    let places = columns.iter().zip(0..);
    let places: Map<String, Value> = places
        .map(|(column, place): (_, u32)| (column.field.to_owned(), place.into()))
        .collect();
    let titles = columns.iter();
    let titles: Map<String, Value> = titles
        .map(|column| (column.field.to_owned(), column.title.into()))
        .collect();
    json!({"excludeByName": {"Time": true}, "indexByName": places, "renameByName": titles})
}

/// The type of data source that a target asks, and the variable that says which.
pub(super) fn source(target: &Target) -> (&'static str, &'static str) {
    match target {
        Target::Prometheus { .. } => ("prometheus", "datasource"),
        Target::Api { .. } => ("yesoreyeram-infinity-datasource", "infinity"),
    }
}

/// What it is asked.
pub(super) fn question(target: &Target, look: Look) -> Value {
    match target {
        Target::Prometheus { query, legend, .. } => {
            let at_once = look == Look::Table;
            json!({
                "editorMode": "code",
                "expr": query.text(),
                "legendFormat": legend,
                "instant": at_once,
                "range": !at_once,
                "format": if at_once { "table" } else { "time_series" },
            })
        }
        Target::Api { path, root, columns } => {
            let columns = columns.iter().map(|column| {
                let kind = match column.kind {
                    ColumnKind::Text => "string",
                    ColumnKind::Number => "number",
                    ColumnKind::Time => "timestamp",
                };
                json!({"selector": column.field, "text": column.title, "type": kind})
            });
            json!({
                "type": "json",
                "source": "url",
                "parser": "backend",
                "format": "table",
                "url": path,
                "url_options": {"method": "GET", "data": ""},
                "root_selector": root,
                "columns": columns.collect::<Vec<_>>(),
                "filters": [],
            })
        }
    }
}
