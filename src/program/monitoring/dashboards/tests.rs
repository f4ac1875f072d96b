//! Lint: what Grafana would show wrongly, or not at all, and says nothing about.

use super::layout::COLUMNS;
use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn classic_documents() -> Vec<Value> {
    all().iter().map(classic::document).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a Vec<Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("{pointer} is no list"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// The panels without the headings of rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "/panels")
        .iter()
        .filter(|panel| panel["type"] != "row")
        .collect()
}

fn each_panel(check: impl Fn(&Value)) {
    for dashboard in &classic_documents() {
        panels(dashboard).into_iter().for_each(&check);
    }
}

#[test]
fn every_panel_has_a_title_a_description_and_a_unit() {
    each_panel(|panel| {
        for words in ["title", "description"] {
            assert!(!text(panel, words).is_empty(), "{panel}");
        }
        assert!(
            !text(&panel["fieldConfig"]["defaults"], "unit").is_empty(),
            "{panel}"
        );
    });
}

#[test]
fn titles_are_unique_within_a_row() {
    for dashboard in all() {
        for row in &dashboard.rows {
            let titles: BTreeSet<&str> = row.panels.iter().map(|panel| panel.title).collect();
            assert_eq!(titles.len(), row.panels.len(), "{}", row.title);
        }
    }
}

#[test]
fn numbers_with_several_series_have_a_legend() {
    each_panel(|panel| {
        let targets = list(panel, "/targets");
        let prometheus = targets.iter().filter(|target| target["expr"].is_string());
        if panel["type"] == "timeseries" || panel["type"] == "state-timeline" {
            for target in prometheus {
                assert!(!text(target, "legendFormat").is_empty(), "{panel}");
            }
        }
    });
}

#[test]
fn panels_lie_within_the_grid_and_not_on_each_other() {
    for dashboard in &classic_documents() {
        let mut taken = BTreeSet::new();
        for panel in list(dashboard, "/panels") {
            let place = &panel["gridPos"];
            let side = |name: &str| u32::try_from(place[name].as_u64().unwrap()).unwrap();
            let (x, y, width, height) = (side("x"), side("y"), side("w"), side("h"));
            assert!(width > 0 && height > 0 && x + width <= COLUMNS, "{panel}");
            for cell in (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y))) {
                assert!(taken.insert(cell), "{} lies on another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn ids_are_unique_and_dashboards_have_fixed_ones() {
    let dashboards = classic_documents();
    let uids: BTreeSet<&str> = dashboards
        .iter()
        .map(|dashboard| text(dashboard, "uid"))
        .collect();
    assert_eq!(
        uids,
        BTreeSet::from(["saga-tracker-process", "saga-tracker-sagas"])
    );
    for dashboard in &dashboards {
        let all = list(dashboard, "/panels");
        let ids: BTreeSet<u64> = all.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), all.len());
    }
    assert!(
        all()
            .iter()
            .any(|dashboard| dashboard.file == "saga-tracker-dashboard.json")
    );
}

#[test]
fn every_source_of_data_is_a_variable() {
    each_panel(|panel| {
        let sources = list(panel, "/targets").iter().map(|target| &target["datasource"]);
        for source in sources.chain([&panel["datasource"]]) {
            let expected = match text(source, "type") {
                "prometheus" => "${datasource}",
                "yesoreyeram-infinity-datasource" => "${infinity}",
                other => panic!("{other}"),
            };
            assert_eq!(text(source, "uid"), expected);
        }
    });
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// The names behind `$` and inside `${…}`.
fn variables_of(text: &str) -> Vec<&str> {
    let behind = text.split('$').skip(1);
    let names = behind.map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_variable_that_is_named_is_there() {
    for dashboard in &classic_documents() {
        let declared: BTreeSet<&str> = list(dashboard, "/templating/list")
            .iter()
            .map(|variable| text(variable, "name"))
            .collect();
        let mut all = Vec::new();
        texts(dashboard, &mut all);
        for name in all.into_iter().flat_map(variables_of) {
            let of_grafana = name.starts_with("__");
            assert!(of_grafana || declared.contains(name), "${name} is no variable");
        }
    }
}

#[test]
fn links_fill_in_columns_that_their_table_has() {
    each_panel(|panel| {
        let columns: BTreeSet<&str> = list(panel, "/targets")
            .iter()
            .filter_map(|target| target["columns"].as_array())
            .flatten()
            .map(|column| text(column, "text"))
            .collect();
        for wanted in list(panel, "/fieldConfig/overrides") {
            let mut all = Vec::new();
            texts(wanted, &mut all);
            for url in all
                .into_iter()
                .filter(|text| text.contains("://") || text.starts_with("${") || text.starts_with('/'))
            {
                for field in url.split("__data.fields[\"").skip(1) {
                    let field = field.split('"').next().unwrap();
                    assert!(columns.contains(field), "{url}");
                }
                assert!(!url.contains("{sagaId}") && !url.contains("{traceId}"), "{url}");
            }
        }
    });
}

#[test]
fn tables_of_sagas_ask_calls_that_the_api_has_for_fields_that_it_answers() {
    let api: Value = serde_json::from_str(include_str!("../../../../proto/openapi.json")).unwrap();
    let schemas = api["components"]["schemas"].to_string();
    each_panel(|panel| {
        for target in list(panel, "/targets")
            .iter()
            .filter(|target| target["url"].is_string())
        {
            let (path, query) = text(target, "url").split_once('?').unwrap();
            let parameters = list(&api["paths"][path], "/get/parameters");
            for parameter in query.split('&').map(|pair| pair.split('=').next().unwrap()) {
                assert!(
                    parameters.iter().any(|known| known["name"] == parameter),
                    "{path} {parameter}"
                );
            }
            for column in list(target, "/columns") {
                for field in text(column, "selector").split('.') {
                    assert!(schemas.contains(&format!("\"{field}\":{{")), "{field}");
                }
            }
        }
    });
}

#[test]
fn both_schemas_show_the_same_panels_with_the_same_questions() {
    for dashboard in all() {
        let (old, new) = (classic::document(&dashboard), v2::document(&dashboard));
        let elements = new["spec"]["elements"].as_object().unwrap();
        let old_panels = panels(&old);
        assert_eq!(elements.len(), old_panels.len());
        for panel in old_panels {
            let element = &elements[&format!("panel-{}", panel["id"])]["spec"];
            assert_eq!(element["title"], panel["title"]);
            assert_eq!(element["vizConfig"]["spec"]["options"], panel["options"]);
            let asked = list(element, "/data/spec/queries").iter();
            let asked: Vec<&Value> = asked
                .map(|query| &query["spec"]["query"]["spec"]["expr"])
                .collect();
            let expected: Vec<&Value> = list(panel, "/targets")
                .iter()
                .map(|target| &target["expr"])
                .collect();
            assert_eq!(asked, expected);
        }
    }
}

#[test]
fn every_element_of_the_new_schema_has_one_place() {
    for dashboard in all() {
        let document = v2::document(&dashboard);
        let rows = list(&document, "/spec/layout/spec/rows").iter();
        let mut placed: Vec<&str> = rows
            .flat_map(|row| list(row, "/spec/layout/spec/items"))
            .map(|item| text(&item["spec"]["element"], "name"))
            .collect();
        placed.sort_unstable();
        let mut elements: Vec<&str> = document["spec"]["elements"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        elements.sort_unstable();
        assert_eq!(placed, elements);
    }
}

/// The panels of this title, with tokens for parameters.
fn titled(title: &str) -> Vec<String> {
    let documents = classic_documents();
    let found = documents
        .iter()
        .flat_map(panels)
        .filter(|panel| panel["title"] == title);
    found.map(Value::to_string).collect()
}

#[test]
fn limits_are_those_that_alerts_have() {
    use crate::program::monitoring::parameters::*;
    let expected: [(&str, &[Parameter]); 11] = [
        ("Failure rate", &[FAILURE_RATIO]),
        ("Failure rate by type", &[FAILURE_RATIO]),
        ("Failures in 5 minutes", &[FAILURE_SPIKE_SIGMA]),
        ("Compensation rate by type", &[COMPENSATION_RATIO]),
        ("Between steps, p95", &[STEP_SLOW_SECONDS]),
        ("Lag", &[LAG_INFO, LAG_WARNING]),
        ("Delay, p95", &[PROCESSING_SLOW_SECONDS]),
        ("Errors", &[API_ERROR_RATIO]),
        ("Latency, p99", &[API_SLOW_SECONDS]),
        ("Success, 3 days", &[SUCCESS_BUDGET]),
        ("Burn rate", &[SUCCESS_BUDGET, DELAY_BUDGET]),
    ];
    for (title, parameters) in expected {
        let panels = titled(title);
        assert!(!panels.is_empty(), "{title}");
        for (panel, parameter) in panels
            .iter()
            .flat_map(|panel| parameters.iter().map(move |of| (panel, of)))
        {
            assert!(panel.contains(&parameter.token()), "{title}: {}", parameter.name);
        }
    }
}

#[test]
fn a_stuck_saga_leads_to_the_runbook_of_its_rule() {
    for (rule, section) in [
        ("PAST_DEADLINE", "sagapastdeadline"),
        ("COMPENSATION_OVERDUE", "sagacompensationoverdue"),
    ] {
        let documents = classic_documents();
        let asked = format!("/api/v1/sagas/stuck?rule={rule}&");
        let tables: Vec<String> = documents
            .iter()
            .flat_map(panels)
            .map(Value::to_string)
            .filter(|panel| panel.contains(&asked))
            .collect();
        assert_eq!(tables.len(), 1, "{rule}");
        assert!(tables[0].contains(&format!("alerts.md#{section}\"")), "{rule}");
    }
}

#[test]
fn of_several_jobs_the_worst_counts_for_an_objective() {
    for title in ["Success, 3 days", "Within 5 s, 3 days", "Compensated, 30 days"] {
        for panel in titled(title) {
            assert!(panel.contains("\"expr\":\"min "), "{title}");
        }
    }
}

#[test]
fn statuses_have_their_own_colours() {
    let dashboards = classic_documents();
    let by_status = panels(&dashboards[0])
        .into_iter()
        .find(|panel| panel["title"] == "Sagas by status")
        .unwrap();
    let failed = list(by_status, "/fieldConfig/overrides")
        .iter()
        .find(|of| of["matcher"]["options"] == "FAILED")
        .unwrap();
    assert_eq!(
        failed["properties"][0]["value"],
        json!({"mode": "fixed", "fixedColor": model::RED})
    );
}
