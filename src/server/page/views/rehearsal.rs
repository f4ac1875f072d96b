//! What a rehearsal foretells of sagas: some of them, with what the letters would add.

use super::super::failure::Failure;
use super::super::times;
use super::super::values::{params, text};
use super::super::visit::Visit;
use super::events::{self, Event};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LETTER: &str = "/api/v1/dead-letters/{letterId}";
/// Sagas that are shown.
const SAMPLES: usize = 5;
/// Events of a saga that are shown.
const EVENTS: usize = 50;

/// Letters that would be applied.
fn applied(letters: &[Value]) -> impl Iterator<Item = &Value> {
    letters
        .iter()
        .filter(|letter| letter["forecast"]["outcome"] == "APPLIED")
}

/// A few sagas, with the event that the letter would add as a ghost among theirs. A letter that is more than the page
/// holds is left out.
pub(super) async fn samples(visit: &Visit, letters: &[Value]) -> Result<Value, Failure> {
    let none = params(&[]);
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    for letter in applied(letters) {
        let forecast = &letter["forecast"];
        let (id, saga) = (text(&letter["id"]), text(&forecast["sagaId"]));
        if saga.is_empty() || forecast["after"].is_null() || !seen.insert(saga) {
            continue;
        }
        let of_letter = [id];
        let (details, found) = tokio::join!(
            visit.find_held(LETTER, &of_letter, &none),
            events::first(visit, saga, EVENTS),
        );
        let Some(details) = details? else { continue };
        let (base, found) = match found {
            Ok(found) => found,
            // The letter would begin it, or it has too many to be told.
            Err(failure) if [StatusCode::NOT_FOUND, StatusCode::CONFLICT].contains(&failure.status()) => {
                (0, Vec::new())
            }
            Err(failure) => return Err(failure),
        };
        samples.push(json!({
            "letterId": id,
            "sagaId": saga,
            "before": forecast["before"]["status"],
            "after": forecast["after"]["status"],
            "events": line((base, &found), &details["decoded"], text(&forecast["after"]["status"])),
        }));
        if samples.len() == SAMPLES {
            break;
        }
    }
    Ok(samples.into())
}

/// The saga's events and the ghost, each at its share of the time that they take.
fn line((base, found): (i64, &[Event]), decoded: &Value, after: &str) -> Vec<Value> {
    let known = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];
    let said = text(&decoded["status"]);
    let ghost_status = if known.contains(&said) { said } else { after };
    let ghost_at = times::millis(text(&decoded["recordedAt"]));
    let of_saga = found
        .iter()
        .map(|event| (base + event.at, event.step.as_str(), event.status.as_str(), false));
    let mut events: Vec<(i64, &str, &str, bool)> = of_saga.collect();
    let last = events.last().map_or(0, |event| event.0);
    events.push((
        ghost_at.unwrap_or(last),
        text(&decoded["step"]),
        ghost_status,
        true,
    ));
    events.sort_by_key(|event| event.0);
    let first = events.first().map_or(0, |event| event.0);
    let whole = events.last().map_or(1, |event| event.0 - first).max(1) as f64;
    events
        .into_iter()
        .map(|(at, step, status, ghost)| {
            json!({"step": step, "status": status, "share": (at - first) as f64 / whole, "ghost": ghost})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ghost_stands_where_its_time_is() {
        let event = |step: &str, status: &str, at| Event {
            id: None,
            step: step.to_owned(),
            status: status.to_owned(),
            at,
            service: None,
        };
        let found = [event("A", "STARTED", 0), event("C", "COMPLETED", 10_000)];
        let base = times::millis("2026-01-31T09:30:00Z").unwrap();
        let decoded = json!({"step": "B", "status": "IN_PROGRESS", "recordedAt": "2026-01-31T09:30:05Z"});
        let events = line((base, &found), &decoded, "COMPLETED");
        assert_eq!(
            events[1],
            json!({"step": "B", "status": "IN_PROGRESS", "share": 0.5, "ghost": true})
        );
        assert_eq!(
            (&events[0]["share"], &events[2]["share"]),
            (&json!(0.0), &json!(1.0))
        );
    }
}
