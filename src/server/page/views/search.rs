//! Sagas that match.

use super::super::address::{self, Params};
use super::super::definition;
use super::super::failure::Failure;
use super::super::line;
use super::super::values::{add_took, list, or_null, text, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/api/v1/sagas";
const STUCK: &str = "/api/v1/sagas/stuck";

/// Filters of a search that have one value.
const SINGLE: [&str; 10] = [
    "orderId",
    "sagaType",
    "status",
    "fromDate",
    "toDate",
    "producerService",
    "traceId",
    "rule",
    "asOf",
    "knownAt",
];
/// Filters that may have several.
const SEVERAL: [&str; 2] = ["step", "withoutStep"];
/// Filters that stuck sagas are searched by, too.
const OF_STUCK: [&str; 5] = ["sagaType", "fromDate", "toDate", "asOf", "knownAt"];

const COLUMNS: [&str; 12] = [
    "status", "saga", "type", "order", "lastStep", "reason", "started", "updated", "took", "events", "marks",
    "trace",
];
/// What is shown unless the address says otherwise.
const SHOWN: [&str; 9] = [
    "status", "saga", "type", "lastStep", "reason", "started", "took", "events", "marks",
];

const SORT: &str = "startedAt,desc";
const SIZE: &str = "50";
/// Steps and services that are offered as choices.
const MAX_CHOICES: usize = 200;

/// A built in search: sagas that are stuck, by the rules of `GET /api/v1/sagas/stuck`.
fn stuck_rule(preset: Option<&str>) -> Option<Option<&'static str>> {
    match preset? {
        "stuck" => Some(None),
        "uncompensated" => Some(Some("COMPENSATION_OVERDUE")),
        _ => None,
    }
}

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let preset = visit.param("preset").map(str::to_owned);
    let (sort, size) = (
        visit.param("sort").unwrap_or(SORT),
        visit.param("size").unwrap_or(SIZE),
    );
    let mut result = match stuck_rule(preset.as_deref()) {
        Some(rule) => stuck(&visit, rule, size).await?,
        None if preset.as_deref() == Some("anomalies") => broken_rules(&visit, size).await?,
        None => search(&visit, sort, size).await?,
    };
    add_took(&mut result["content"]);
    let definitions = visit.get("/api/v1/definitions", &[], &Params::new()).await?;
    let mut filter: serde_json::Map<String, Value> = SINGLE
        .iter()
        .map(|name| ((*name).to_owned(), or_null(visit.param(name))))
        .collect();
    for name in SEVERAL {
        filter.insert(name.to_owned(), json!(visit.all(name)));
    }
    let size: u64 = size.parse().unwrap_or_default();
    let data = json!({
        "filter": filter,
        "sort": sort,
        "size": size,
        "columns": columns(visit.param("columns")),
        "preset": preset,
        "presets": presets(&visit),
        "result": result,
        "known": {
            "steps": known_steps(&definitions),
            "services": definitions["services"].as_object().into_iter().flatten().map(|(name, _)| name).take(MAX_CHOICES).collect::<Vec<_>>(),
            "rules": visit.page.shapes().words(PATH, "rule"),
        },
        "topics": visit.topics(),
    });
    visit.show("search", "search.html", data).await
}

async fn search(visit: &Visit, sort: &str, size: &str) -> Result<Value, Failure> {
    let names: Vec<&str> = SINGLE
        .into_iter()
        .chain(SEVERAL)
        .chain(["page", "cursor"])
        .collect();
    let asked = with(with(visit.given(&names), "sort", sort), "size", size);
    let answer = visit.get(PATH, &[], &asked).await?;
    visit.show_call(PATH, &[], &asked, command(visit, sort, size));
    Ok(answer)
}

async fn stuck(visit: &Visit, rule: Option<&str>, size: &str) -> Result<Value, Failure> {
    let names: Vec<&str> = OF_STUCK.into_iter().chain(["page"]).collect();
    let asked = with(
        with(visit.given(&names), "size", size),
        "rule",
        rule.unwrap_or_default(),
    );
    let mut answer = visit.get(STUCK, &[], &asked).await?;
    answer["nextCursor"] = Value::Null;
    let flags = [
        ("--type", visit.param("sagaType")),
        ("--from", visit.param("fromDate")),
        ("--to", visit.param("toDate")),
        ("--as-of", visit.param("asOf")),
        ("--known-at", visit.param("knownAt")),
        ("--rule", rule),
        ("--page", visit.param("page")),
        ("--size", Some(size)),
    ];
    visit.show_call(STUCK, &[], &asked, line::command("stuck", &[], flags));
    Ok(answer)
}

/// Sagas that break any rule of their definition.
async fn broken_rules(visit: &Visit, size: &str) -> Result<Value, Failure> {
    const PATH: &str = "/api/v1/conformance";
    let asked = with(visit.given(&["sagaType", "rule", "page"]), "size", size);
    let answer = visit.get(PATH, &[], &asked).await?;
    // A saga stands once for each rule that it breaks.
    let mut seen = BTreeSet::new();
    let sagas: Vec<Value> = list(&answer["content"])
        .iter()
        .map(|broken| broken["saga"].clone())
        .filter(|saga| seen.insert(text(&saga["sagaId"]).to_owned()))
        .collect();
    let flags = [
        ("--type", visit.param("sagaType")),
        ("--rule", visit.param("rule")),
        ("--page", visit.param("page")),
        ("--size", Some(size)),
    ];
    visit.show_call(PATH, &[], &asked, line::command("conformance", &[], flags));
    Ok(json!({"content": sagas, "page": answer["page"], "nextCursor": null}))
}

/// The search on the command line; a page by cursor has none.
fn command(visit: &Visit, sort: &str, size: &str) -> Option<String> {
    if visit.param("cursor").is_some() {
        return None;
    }
    let single = [
        ("--order", "orderId"),
        ("--type", "sagaType"),
        ("--status", "status"),
        ("--from", "fromDate"),
        ("--to", "toDate"),
        ("--producer-service", "producerService"),
        ("--trace-id", "traceId"),
        ("--rule", "rule"),
        ("--as-of", "asOf"),
        ("--known-at", "knownAt"),
    ];
    let single = single.into_iter().map(|(flag, name)| (flag, visit.param(name)));
    let steps = visit
        .all("step")
        .iter()
        .map(|step| ("--step", Some(step.as_str())));
    let without = visit.all("withoutStep").iter();
    let without = without.map(|step| ("--without-step", Some(step.as_str())));
    let sort = (sort != SORT).then_some(sort);
    let rest = [
        ("--sort", sort),
        ("--page", visit.param("page")),
        ("--size", Some(size)),
    ];
    line::command("search", &[], single.chain(steps).chain(without).chain(rest))
}

fn columns(asked: Option<&str>) -> Vec<&str> {
    let Some(asked) = asked else {
        return SHOWN.to_vec();
    };
    let asked = asked.split(',').filter(|name| COLUMNS.contains(name));
    let columns: Vec<&str> = asked.collect();
    // Without any there would be nothing to open a saga by.
    if columns.is_empty() { vec!["saga"] } else { columns }
}

/// The built in searches and those that are configured.
fn presets(visit: &Visit) -> Vec<Value> {
    let base = visit.page.base();
    let built_in = [
        ("failed", "status=FAILED"),
        ("stuck", "preset=stuck"),
        ("uncompensated", "preset=uncompensated"),
        ("anomalies", "preset=anomalies"),
    ];
    let built_in = built_in
        .into_iter()
        .map(|(key, query)| json!({"key": key, "label": null, "href": format!("{base}/ui/search?{query}")}));
    let configured = visit.page.settings().searches.iter().map(|(label, query)| {
        let query = address::query_of(&address::params_of(query.trim_start_matches('?')));
        json!({"key": label, "label": label, "href": format!("{base}/ui/search{query}")})
    });
    built_in.chain(configured).collect()
}

/// Steps that definitions name, and those in use that none does.
fn known_steps(definitions: &Value) -> Vec<String> {
    let types = definitions["types"].as_object().into_iter().flatten();
    let mut steps: BTreeSet<String> = types.flat_map(|(_, of)| definition::steps(of)).collect();
    let unknown = list(&definitions["unknownSteps"]).iter();
    steps.extend(unknown.map(|step| text(&step["step"]).to_owned()));
    let names = steps.into_iter().filter(|step| !step.ends_with('*'));
    names.take(MAX_CHOICES).collect()
}
