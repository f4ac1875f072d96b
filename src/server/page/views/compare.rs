//! Two sagas on one scale, or one beside what is usual for its type.

use super::super::command_line;
use super::super::definition;
use super::super::failure::Failure;
use super::super::values::{int, list, params, text};
use super::super::visit::Visit;
use super::events::{self, Event};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/api/v1/sagas/{sagaId}";
/// What stands for the medians of a type.
const TYPICAL: &str = "typical";
/// Steps that are compared at most.
const MOST_COMPARED: usize = 500;
/// Fields of two sagas that are told when they are not the same.
const FIELDS: [&str; 9] = [
    "sagaType",
    "currentStatus",
    "lastStep",
    "stepCount",
    "failedStep",
    "failureReason",
    "duplicates",
    "conflicts",
    "anomalyCount",
];

/// One of the two: what is said of it, and its events.
struct Side {
    told: Value,
    saga: Value,
    events: Vec<Event>,
}

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let align = match visit.param("align") {
        Some("failure") => "failure",
        _ => "start",
    };
    let (mut a, mut b) = (None, None);
    if let (Some(first), Some(second)) = (visit.param("a"), visit.param("b")) {
        let first = of_saga(&visit, first).await?;
        b = Some(match second {
            TYPICAL => typical(&visit, text(&first.saga["sagaType"])).await?,
            second => of_saga(&visit, second).await?,
        });
        a = Some(first);
    }
    let told = |side: &Option<Side>| side.as_ref().map_or(Value::Null, |side| side.told.clone());
    let mut data = json!({"a": told(&a), "b": told(&b), "align": align, "rows": [], "span": {"from": 0, "to": 1}, "fields": []});
    if let (Some(a), Some(b)) = (a, b) {
        let compared = visit.draw(move || {
            let rows = rows(&a, &b, align);
            (span(&rows), fields(&a, &b), rows)
        });
        let (span, fields, rows) = compared.await?;
        data["span"] = span;
        data["fields"] = fields.into();
        data["rows"] = rows.into();
    }
    visit.show("compare", "compare.html", data).await
}

async fn of_saga(visit: &Visit, id: &str) -> Result<Side, Failure> {
    let (none, ids) = (params(&[]), [id]);
    let (saga, events) = tokio::join!(
        visit.get(PATH, &ids, &none),
        events::first(visit, id, MOST_COMPARED)
    );
    let (saga, (_, events)) = (saga?, events?);
    Ok(Side {
        told: json!({
            "sagaId": saga["sagaId"],
            "typical": false,
            "sagaType": saga["sagaType"],
            "currentStatus": saga["currentStatus"],
            "startedAt": saga["startedAt"],
            "sagas": null,
        }),
        events,
        saga,
    })
}

/// The way that most sagas of a type take, each step as long behind the one before as the median.
async fn typical(visit: &Visit, saga_type: &str) -> Result<Side, Failure> {
    const FLOW: &str = "/api/v1/flow";
    let asked = params(&[("sagaType", saga_type)]);
    let none = params(&[]);
    let (flow, definitions) = tokio::join!(
        visit.get(FLOW, &[], &asked),
        visit.get("/api/v1/definitions", &[], &none)
    );
    let (flow, definitions) = (flow?, definitions?);
    visit.show_call(
        FLOW,
        &[],
        &asked,
        command_line::command("flow", &[], [("--type", Some(saga_type))]),
    );
    let of = &definitions["types"][saga_type];
    let first = list(&flow["steps"]).iter().max_by_key(|step| int(&step["first"]));
    let mut events = Vec::new();
    let mut seen = BTreeSet::new();
    let (mut next, mut at) = (first.map(|step| text(&step["step"]).to_owned()), 0.0);
    while let Some(step) = next.take() {
        if !seen.insert(step.clone()) {
            break;
        }
        events.push(Event {
            id: None,
            status: definition::status(of, &step, events.is_empty()).to_owned(),
            at: at as i64,
            service: None,
            step: step.clone(),
        });
        let after = list(&flow["edges"])
            .iter()
            .filter(|edge| edge["from"] == step.as_str());
        let most = after.max_by_key(|edge| int(&edge["count"]));
        // Sagas that end here, and those that go on.
        let ends = list(&flow["steps"]).iter().find(|of| of["step"] == step.as_str());
        let ends = ends.map_or(0, |of| int(&of["last"]));
        if let Some(edge) = most.filter(|edge| int(&edge["count"]) >= ends) {
            at += edge["p50Seconds"].as_f64().unwrap_or_default() * 1_000.0;
            next = Some(text(&edge["to"]).to_owned());
        }
    }
    Ok(Side {
        told: json!({
            "sagaId": null,
            "typical": true,
            "sagaType": saga_type,
            "currentStatus": null,
            "startedAt": null,
            "sagas": flow["sagas"],
        }),
        events,
        saga: Value::Null,
    })
}

/// What stands at nought: the first event, or the first one that failed.
fn zero(side: &Side, align: &str) -> i64 {
    let failed = side.events.iter().find(|event| event.status == "FAILED");
    match align {
        "failure" => failed.map_or(0, |event| event.at),
        _ => 0,
    }
}

/// In the order of the one; what only the other has stands after what came before it there.
fn rows(a: &Side, b: &Side, align: &str) -> Vec<Value> {
    let (zero_a, zero_b) = (zero(a, align), zero(b, align));
    let at = |side: &Side, place: usize, zero: i64| {
        let event = &side.events[place];
        let before = place.checked_sub(1).map(|before| side.events[before].at);
        json!({
            "id": event.id,
            "status": event.status,
            "offsetMillis": event.at - zero,
            "tookMillis": before.map(|before| event.at - before),
            "service": event.service,
        })
    };
    let mut rows = Vec::new();
    let mut diverged = false;
    for (place_a, place_b) in pairs(&a.events, &b.events) {
        let one = place_a.map(|place| at(a, place, zero_a));
        let other = place_b.map(|place| at(b, place, zero_b));
        let step = place_a.map(|place| &a.events[place].step);
        let step = step.or(place_b.map(|place| &b.events[place].step));
        let same = one
            .as_ref()
            .zip(other.as_ref())
            .is_some_and(|(one, other)| one["status"] == other["status"]);
        let delta = one.as_ref().zip(other.as_ref());
        let delta = delta.map(|(one, other)| int(&one["offsetMillis"]) - int(&other["offsetMillis"]));
        rows.push(json!({
            "step": step,
            "a": one,
            "b": other,
            "deltaMillis": delta,
            "diverges": !same && !diverged,
        }));
        diverged |= !same;
    }
    rows
}

/// Places of steps that stand beside each other: the longest run of steps that both have, in order.
fn pairs(a: &[Event], b: &[Event]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut longest = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = if a[i].step == b[j].step {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i].step == b[j].step {
            pairs.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            pairs.push((Some(i), None));
            i += 1;
        } else {
            pairs.push((None, Some(j)));
            j += 1;
        }
    }
    pairs
}

fn span(rows: &[Value]) -> Value {
    let offsets = rows.iter().flat_map(|row| [&row["a"], &row["b"]]);
    let offsets: Vec<i64> = offsets.filter_map(|at| at["offsetMillis"].as_i64()).collect();
    let from = offsets.iter().min().copied().unwrap_or(0);
    let to = offsets.iter().max().copied().unwrap_or(0);
    json!({"from": from, "to": to.max(from + 1)})
}

fn fields(a: &Side, b: &Side) -> Vec<Value> {
    if a.saga.is_null() || b.saga.is_null() {
        return Vec::new();
    }
    let shown = |value: &Value| match value {
        Value::Null => Value::Null,
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    };
    let differing = FIELDS.iter().filter(|field| a.saga[**field] != b.saga[**field]);
    differing
        .map(|field| json!({"field": field, "a": shown(&a.saga[*field]), "b": shown(&b.saga[*field])}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(events: &[(&str, &str, i64)]) -> Side {
        let event = |(step, status, at): &(&str, &str, i64)| Event {
            id: Some(1),
            step: (*step).to_owned(),
            status: (*status).to_owned(),
            at: *at,
            service: None,
        };
        Side {
            told: Value::Null,
            saga: Value::Null,
            events: events.iter().map(event).collect(),
        }
    }

    fn steps(rows: &[Value]) -> Vec<(&str, bool, bool, bool)> {
        let row = |row: &'_ Value| {
            (
                row["a"].is_object(),
                row["b"].is_object(),
                row["diverges"] == true,
            )
        };
        rows.iter()
            .map(|of| (text(&of["step"]), row(of).0, row(of).1, row(of).2))
            .collect()
    }

    #[test]
    fn the_first_step_that_differs_is_marked() {
        let a = side(&[
            ("A", "STARTED", 0),
            ("B", "IN_PROGRESS", 10),
            ("X", "FAILED", 20),
            ("C", "COMPENSATED", 30),
        ]);
        let b = side(&[
            ("A", "STARTED", 0),
            ("B", "IN_PROGRESS", 5),
            ("D", "COMPLETED", 15),
        ]);
        let rows = rows(&a, &b, "start");
        assert_eq!(
            steps(&rows),
            [
                ("A", true, true, false),
                ("B", true, true, false),
                ("X", true, false, true),
                ("C", true, false, false),
                ("D", false, true, false)
            ]
        );
        assert_eq!(rows[1]["deltaMillis"], 5);
        assert_eq!(span(&rows), json!({"from": 0, "to": 30}));
    }

    #[test]
    fn aligned_by_failure_it_stands_at_nought() {
        let a = side(&[("A", "STARTED", 0), ("X", "FAILED", 20)]);
        let rows = rows(&a, &side(&[("A", "STARTED", 0), ("X", "FAILED", 50)]), "failure");
        assert_eq!(rows[0]["a"]["offsetMillis"], -20);
        assert_eq!(
            (&rows[1]["a"]["offsetMillis"], &rows[1]["deltaMillis"]),
            (&json!(0), &json!(0))
        );
        assert!(rows.iter().all(|row| row["diverges"] == false));
    }
}
