//! What goes on, and where to look first.

use super::super::command_line;
use super::super::failure::Failure;
use super::super::graph;
use super::super::values::{add_took, int, list, params, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::{Value, json};

/// What "newest", "steps" and "flow" may be about.
const RANGES: [&str; 3] = ["5m", "1h", "24h"];
const OVERVIEW: &str = "/api/v1/overview";

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let range = visit.param("range").unwrap_or(RANGES[0]);
    let overview = overview(&visit, range).await?;
    if is_empty(&overview) && visit.param("type").is_none() {
        return empty(&visit).await;
    }
    visit
        .show("overview", "overview.html", json!({"overview": overview}))
        .await
}

/// Whether nothing has come: no saga, no dead letter, no record of any other kind.
fn is_empty(overview: &Value) -> bool {
    let consumed = match overview["ledger"]["offsets"].as_u64() {
        Some(offsets) => offsets > 0,
        None => overview["cursor"]
            .as_object()
            .is_some_and(|cursor| cursor.values().any(|next| int(next) > 0)),
    };
    overview["total"] == 0 && overview["deadLetters"]["open"] == 0 && !consumed
}

/// The one call that tells all of it, at one moment.
async fn overview(visit: &Visit, range: &str) -> Result<Value, Failure> {
    let asked = with(visit.given(&["type"]), "range", range);
    let none = params(&[]);
    let (overview, definitions) = tokio::join!(
        visit.get(OVERVIEW, &[], &asked),
        visit.get("/api/v1/definitions", &[], &none)
    );
    let (mut overview, definitions) = (overview?, definitions?);
    let flags = [("--type", visit.param("type"))];
    visit.show_call(OVERVIEW, &[], &asked, command_line::command("stats", &[], flags));
    add_took(&mut overview["newestFailed"]);
    add_change(&mut overview["steps"]);
    overview["ranges"] = json!(RANGES);
    let flow = overview["flow"].take();
    if !list(&flow["steps"]).is_empty() {
        let (whole, left_out) = (flow["whole"] == true, int(&flow["leftOut"]));
        let drawn = visit.draw(move || {
            let saga_type = flow["sagaType"].as_str().unwrap_or_default();
            graph::drawn(&flow, &definitions, saga_type, &flow["period"])
        });
        let mut drawn = drawn.await?;
        drawn["whole"] = whole.into();
        drawn["leftOut"] = left_out.into();
        overview["flow"] = drawn;
    }
    Ok(overview)
}

/// Adds to each pair of steps by how many percent it takes longer than at the same time of the day before.
fn add_change(steps: &mut Value) {
    for step in steps.as_array_mut().into_iter().flatten() {
        let before = step["p95SecondsBefore"].as_f64().filter(|before| *before > 0.0);
        let now = step["p95Seconds"].as_f64();
        let change = now.zip(before).map(|(now, before)| (now / before - 1.0) * 100.0);
        step["change"] = change.map(|percent| percent.round() as i64).into();
    }
}

/// How to point a producer here.
async fn empty(visit: &Visit) -> Result<Response, Failure> {
    let progress = visit.get("/internal/v1/progress", &[], &params(&[])).await?;
    let of = visit.page.deployment();
    let data = json!({
        "kafka": {"bootstrapServers": of.brokers, "topic": of.topic, "groupId": of.group},
        "registry": of.registry,
        "progress": progress,
    });
    visit.show("overview", "empty.html", data).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_where_there_was_something_before() {
        let mut steps = json!([
            {"p95Seconds": 6.0, "p95SecondsBefore": 2.0},
            {"p95Seconds": 0.9, "p95SecondsBefore": 1.0},
            {"p95Seconds": 0.9, "p95SecondsBefore": 0.0},
            {"p95Seconds": 0.9, "p95SecondsBefore": null},
        ]);
        add_change(&mut steps);
        let changes: Vec<&Value> = list(&steps).iter().map(|step| &step["change"]).collect();
        assert_eq!(changes, [&json!(200), &json!(-10), &Value::Null, &Value::Null]);
    }

    #[test]
    fn nothing_has_come_while_no_record_was_consumed() {
        let overview = |letters: u64, ledger: Value, next: u64| {
            is_empty(&json!({
                "total": 0, "deadLetters": {"open": letters}, "ledger": ledger, "cursor": {"0": 0, "1": next},
            }))
        };
        let ledger = |offsets: u64| json!({"offsets": offsets});
        assert!(overview(0, ledger(0), 0) && overview(0, Value::Null, 0));
        assert!(!overview(1, ledger(0), 0), "dead letters");
        assert!(!overview(0, ledger(3), 3) && !overview(0, Value::Null, 3));
        assert!(
            overview(0, ledger(0), 3),
            "what was not there when it began is not missed"
        );
    }
}
