//! Sagas that match.

use super::super::address::{self, Params};
use super::super::command_line;
use super::super::definition;
use super::super::failure::Failure;
use super::super::format;
use super::super::values::{add_took, list, or_null, text, with};
use super::super::visit::Visit;
use crate::server::api::{Detail, MAX_STEPS};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/api/v1/sagas";
const CONFORMANCE: &str = "/api/v1/conformance";

/// Filters of a search that have one value, and their flags on the command line.
const SINGLE: [(&str, &str); 12] = [
    ("orderId", "--order"),
    ("sagaType", "--type"),
    ("status", "--status"),
    ("fromDate", "--from"),
    ("toDate", "--to"),
    ("producerService", "--producer-service"),
    ("traceId", "--trace-id"),
    ("rule", "--rule"),
    ("stuck", "--stuck"),
    ("compensation", "--compensation"),
    ("asOf", "--as-of"),
    ("knownAt", "--known-at"),
];
/// Filters that may have several.
const SEVERAL: [(&str, &str); 2] = [("step", "--step"), ("withoutStep", "--without-step")];
/// Filters of those that break any rule.
const OF_VIOLATIONS: [&str; 2] = ["sagaType", "rule"];
/// What says how the list is shown, and by whom.
const SHOWING: [&str; 12] = [
    "preset", "columns", "sort", "size", "page", "cursor", "lang", "zone", "theme", "density", "keys", "wall",
];
/// The built in search for sagas that break any rule of their definition, which is a call of its own.
const VIOLATIONS: &str = "violations";
/// The built in searches.
const BUILT_IN: [(&str, &str); 5] = [
    ("failed", "status=FAILED"),
    ("owed", "status=FAILED&compensation=OWED"),
    ("stuck", "stuck=true"),
    ("overdue", "stuck=COMPENSATION_OVERDUE"),
    (VIOLATIONS, "preset=violations"),
];

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
/// Bytes of an address that each row repeats in its links, at most.
const MAX_REPEATED: usize = 2_000;
/// Characters of what says how the list is shown; a cursor has the most, for an id stands in it.
const MAX_SHOWING: usize = 2_000;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let preset = visit.param("preset").map(str::to_owned);
    let (sort, size) = (
        visit.param("sort").unwrap_or(SORT),
        visit.param("size").unwrap_or(SIZE),
    );
    let faults = faults(&visit.params);
    if !faults.is_empty() {
        return Err(Failure::asked(faults));
    }
    let mut result = match preset {
        Some(_) => broken_rules(&visit, size).await?,
        None => search(&visit, sort, size).await?,
    };
    add_took(&mut result["content"]);
    let definitions = visit.get("/api/v1/definitions", &[], &Params::new()).await?;
    let mut filter: serde_json::Map<String, Value> = SINGLE
        .iter()
        .map(|(name, _)| ((*name).to_owned(), or_null(visit.param(name))))
        .collect();
    for (name, _) in SEVERAL {
        filter.insert(name.to_owned(), json!(visit.all(name)));
    }
    let size: u64 = size.parse().unwrap_or_default();
    let data = json!({
        "filter": filter,
        "sort": sort,
        "size": size,
        "columns": columns(visit.param("columns")),
        "narrows": narrows(&visit.params, preset.as_deref()),
        "preset": preset,
        "presets": presets(&visit),
        "result": result,
        "known": {
            "steps": known_steps(&definitions),
            "services": definitions["services"].as_object().into_iter().flatten().map(|(name, _)| name).take(MAX_CHOICES).collect::<Vec<_>>(),
            "rules": visit.page.shapes().words(PATH, "rule"),
            "stuck": visit.page.shapes().words(PATH, "stuck"),
            "compensations": visit.page.shapes().words(PATH, "compensation"),
        },
        "topics": visit.topics(),
    });
    visit.show("search", "search.html", data).await
}

async fn search(visit: &Visit, sort: &str, size: &str) -> Result<Value, Failure> {
    let names = SINGLE.iter().chain(&SEVERAL).map(|(name, _)| *name);
    let names: Vec<&str> = names.chain(["page", "cursor"]).collect();
    let asked = with(with(visit.given(&names), "sort", sort), "size", size);
    let answer = visit.get(PATH, &[], &asked).await?;
    visit.show_call(PATH, &[], &asked, command(visit, sort, size));
    Ok(answer)
}

/// Sagas that break any rule of their definition.
async fn broken_rules(visit: &Visit, size: &str) -> Result<Value, Failure> {
    let asked = with(visit.given(&["sagaType", "rule", "page"]), "size", size);
    let answer = visit.get(CONFORMANCE, &[], &asked).await?;
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
    visit.show_call(
        CONFORMANCE,
        &[],
        &asked,
        command_line::command("conformance", &[], flags),
    );
    Ok(json!({"content": sagas, "page": answer["page"], "nextCursor": null}))
}

/// The search on the command line; a page by cursor has none.
fn command(visit: &Visit, sort: &str, size: &str) -> Option<String> {
    if visit.param("cursor").is_some() {
        return None;
    }
    let single = SINGLE.into_iter().map(|(name, flag)| (flag, visit.param(name)));
    let several = SEVERAL.into_iter().flat_map(|(name, flag)| {
        let values = visit.all(name).iter();
        values.map(move |value| (flag, Some(value.as_str())))
    });
    let sort = (sort != SORT).then_some(sort);
    let rest = [
        ("--sort", sort),
        ("--page", visit.param("page")),
        ("--size", Some(size)),
    ];
    command_line::command("search", &[], single.chain(several).chain(rest))
}

fn columns(asked: Option<&str>) -> Vec<&str> {
    let Some(asked) = asked else {
        return SHOWN.to_vec();
    };
    let mut columns: Vec<&str> = Vec::new();
    for name in asked.split(',').filter(|name| COLUMNS.contains(name)) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    // Without any there would be nothing to open a saga by.
    if columns.is_empty() { vec!["saga"] } else { columns }
}

/// What of the address the list that it asks for does not take: left out in silence, it would list other sagas.
fn faults(params: &Params) -> Vec<Detail> {
    let given = |name: &str| params.iter().find(|(known, _)| known == name);
    let preset = given("preset").and_then(|(_, values)| values.first());
    let mut faults = Vec::new();
    let mut fault = |parameter: &str, found: &str, accepted: String| {
        faults.push(Detail {
            parameter: format::shortened(parameter),
            found: format::shortened(found),
            accepted,
        });
    };
    if let Some(preset) = preset.filter(|preset| *preset != VIOLATIONS) {
        fault("preset", preset, VIOLATIONS.to_owned());
    }
    let filters: Vec<&str> = match preset {
        Some(_) => OF_VIOLATIONS.to_vec(),
        None => SINGLE.iter().chain(&SEVERAL).map(|(name, _)| *name).collect(),
    };
    for (name, values) in params {
        let is_long = |value: &&String| value.chars().nth(MAX_SHOWING).is_some();
        if let Some(long) = values
            .iter()
            .find(is_long)
            .filter(|_| SHOWING.contains(&name.as_str()))
        {
            fault(name, long, format!("up to {MAX_SHOWING} characters"));
        }
        if !filters.contains(&name.as_str()) && !SHOWING.contains(&name.as_str()) {
            let found = values.first().map_or("", String::as_str);
            fault(name, found, format!("the filters {}", filters.join(", ")));
        }
    }
    faults
}

/// The filters that a cell of a row may add.
fn narrows(params: &Params, preset: Option<&str>) -> Vec<&'static str> {
    if address::query_of(params).len() > MAX_REPEATED {
        return Vec::new();
    }
    if preset.is_some() {
        return vec!["sagaType"];
    }
    let steps = params
        .iter()
        .filter(|(name, _)| *name == "step")
        .map(|(_, values)| values.len())
        .sum::<usize>();
    let has_room = steps < MAX_STEPS;
    ["status", "sagaType"]
        .into_iter()
        .chain(has_room.then_some("step"))
        .collect()
}

/// The built in searches and those that are configured.
fn presets(visit: &Visit) -> Vec<Value> {
    let base = visit.page.base();
    let built_in = BUILT_IN
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_stands_once() {
        let many = "saga,".repeat(2_000) + "took,nothing,took";
        assert_eq!(columns(Some(&many)), ["saga", "took"]);
        assert_eq!(columns(Some("nothing")), ["saga"]);
        assert_eq!(columns(None), SHOWN);
    }

    #[test]
    fn a_filter_that_a_list_does_not_take_is_refused() {
        let refused = |query: &str| {
            let faults = faults(&address::params_of(query)).into_iter();
            faults.map(|fault| fault.parameter).collect::<Vec<_>>()
        };
        let all = "orderId=O&stuck=true&compensation=OWED&step=A&step=B&withoutStep=C&sort=updatedAt&lang=ko&wall=1";
        assert!(refused(all).is_empty());
        assert_eq!(refused("stuk=true"), ["stuk"]);
        assert_eq!(
            refused("preset=violations&sagaType=T&rule=OUT_OF_ORDER&page=2"),
            [""; 0]
        );
        assert_eq!(
            refused("preset=violations&step=A&step=B&status=FAILED"),
            ["step", "status"]
        );
        assert_eq!(refused("preset=stuck"), ["preset"]);
    }

    #[test]
    fn an_address_that_is_long_is_not_repeated_in_every_row() {
        let of = |query: &str, preset| narrows(&address::params_of(query), preset);
        assert_eq!(of("status=FAILED", None), ["status", "sagaType", "step"]);
        assert_eq!(of(&"step=A&".repeat(10), None), ["status", "sagaType"]);
        assert_eq!(of("preset=violations", Some(VIOLATIONS)), ["sagaType"]);
        assert_eq!(of(&format!("columns={}", "*".repeat(2_000)), None), [""; 0]);
        let long = address::params_of(&format!("columns={}", "*".repeat(2_001)));
        assert_eq!(faults(&long)[0].parameter, "columns");
    }

    #[test]
    fn a_built_in_search_is_one_that_the_list_takes() {
        for (key, query) in BUILT_IN {
            assert!(faults(&address::params_of(query)).is_empty(), "{key}");
        }
    }
}
