//! Dead letters: groups that share a cause, and the letters that match.

use super::super::command_line;
use super::super::failure::Failure;
use super::super::values::{list, or_null, params, with};
use super::super::visit::Visit;
use super::turns;
use axum::response::Response;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/dead-letters";
const GROUPS: &str = "/api/v1/dead-letters/groups";
const COUNT: &str = "/api/v1/dead-letters/count";
const REDRIVES: &str = "/api/v1/dead-letters/redrives";

const FILTERS: [&str; 8] = [
    "reason", "topic", "step", "sagaId", "eventId", "state", "fromDate", "toDate",
];
const SIZE: &str = "50";
/// Redrives that are shown below.
const LATEST: usize = 5;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let by = match visit.param("by") {
        Some("step") => "step",
        Some("topic") => "topic",
        _ => "reason",
    };
    let filter = visit.given(&FILTERS);
    let of_letters = with(
        with(filter.clone(), "size", SIZE),
        "cursor",
        visit.param("cursor").unwrap_or_default(),
    );
    let of_groups = with(filter.clone(), "by", by);
    let none = params(&[]);
    let (letters, groups, count, redrives) = tokio::join!(
        visit.get(PATH, &[], &of_letters),
        visit.get(GROUPS, &[], &of_groups),
        visit.get(COUNT, &[], &filter),
        visit.get(REDRIVES, &[], &none),
    );
    visit.show_call(
        PATH,
        &[],
        &of_letters,
        command(&visit, "dead-letters list", [("--limit", Some(SIZE))]),
    );
    visit.show_call(
        GROUPS,
        &[],
        &of_groups,
        command(&visit, "dead-letters count", [("--by", Some(by))]),
    );
    let filter: serde_json::Map<String, Value> = FILTERS
        .iter()
        .map(|name| ((*name).to_owned(), or_null(visit.param(name))))
        .collect();
    let redrives = redrives?;
    let latest: Vec<Value> = list(&redrives["redrives"]).iter().take(LATEST).cloned().collect();
    let latest = turns::marked(&visit, &latest).await?;
    let data = json!({
        "filter": filter,
        "by": by,
        "groups": groups?,
        "letters": letters?,
        "count": count?,
        "redrives": latest,
        "publishes": true,
    });
    visit.show("letters", "letters.html", data).await
}

/// The same on the command line; a list behind a cursor has none.
fn command<const N: usize>(
    visit: &Visit,
    name: &str,
    more: [(&'static str, Option<&'static str>); N],
) -> Option<String> {
    if visit.param("cursor").is_some() {
        return None;
    }
    let flags = [
        ("--reason", "reason"),
        ("--from-topic", "topic"),
        ("--step", "step"),
        ("--saga", "sagaId"),
        ("--event", "eventId"),
        ("--state", "state"),
        ("--from", "fromDate"),
        ("--to", "toDate"),
    ];
    let flags = flags.into_iter().map(|(flag, name)| (flag, visit.param(name)));
    command_line::command(name, &[], flags.chain(more))
}
