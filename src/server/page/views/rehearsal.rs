//! What a rehearsal foretells of sagas: how many would turn from what to what, and some of them with what the letters
//! would add.

use super::super::failure::Failure;
use super::super::times;
use super::super::values::{list, params, text};
use super::super::visit::Visit;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const LETTER: &str = "/api/v1/dead-letters/{letterId}";
const STEPS: &str = "/api/v1/sagas/{sagaId}/steps";
/// Sagas that are shown.
const SAMPLES: usize = 5;
/// Events of a saga that are shown.
const EVENTS: &str = "50";

/// Letters that would be applied.
fn applied(letters: &[Value]) -> impl Iterator<Item = &Value> {
    letters
        .iter()
        .filter(|letter| letter["forecast"]["outcome"] == "APPLIED")
}

/// From which status to which, and how often; the most frequent first.
pub(super) fn turns(letters: &[Value]) -> Value {
    let mut counts: BTreeMap<(Option<&str>, &str), u64> = BTreeMap::new();
    for letter in applied(letters) {
        let forecast = &letter["forecast"];
        let turn = (
            forecast["before"]["status"].as_str(),
            text(&forecast["after"]["status"]),
        );
        if !turn.1.is_empty() {
            *counts.entry(turn).or_default() += 1;
        }
    }
    let mut turns: Vec<_> = counts.into_iter().collect();
    turns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    turns
        .into_iter()
        .map(|((before, after), count)| json!({"before": before, "after": after, "count": count}))
        .collect()
}

/// A few sagas, with the event that the letter would add as a ghost among theirs.
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
        let (size, of_letter, of_saga) = (params(&[("size", EVENTS)]), [id], [saga]);
        let (details, steps) = tokio::join!(
            visit.find(LETTER, &of_letter, &none),
            visit.find(STEPS, &of_saga, &size),
        );
        let Some(details) = details? else { continue };
        let steps = steps?.unwrap_or_default();
        samples.push(json!({
            "letterId": id,
            "sagaId": saga,
            "before": forecast["before"]["status"],
            "after": forecast["after"]["status"],
            "events": events(list(&steps["steps"]), &details["decoded"], text(&forecast["after"]["status"])),
        }));
        if samples.len() == SAMPLES {
            break;
        }
    }
    Ok(samples.into())
}

/// The saga's events and the ghost, each at its share of the time that they take.
fn events(steps: &[Value], decoded: &Value, after: &str) -> Vec<Value> {
    let known = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];
    let said = text(&decoded["status"]);
    let ghost_status = if known.contains(&said) { said } else { after };
    let ghost_at = times::millis(text(&decoded["recordedAt"]));
    let of_saga = steps.iter().filter_map(|step| {
        let at = times::millis(text(&step["recordedAt"]))?;
        Some((at, text(&step["step"]), text(&step["status"]), false))
    });
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
        let steps = [
            json!({"step": "A", "status": "STARTED", "recordedAt": "2026-01-31T09:30:00Z"}),
            json!({"step": "C", "status": "COMPLETED", "recordedAt": "2026-01-31T09:30:10Z"}),
        ];
        let decoded = json!({"step": "B", "status": "IN_PROGRESS", "recordedAt": "2026-01-31T09:30:05Z"});
        let events = events(&steps, &decoded, "COMPLETED");
        assert_eq!(
            events[1],
            json!({"step": "B", "status": "IN_PROGRESS", "share": 0.5, "ghost": true})
        );
        assert_eq!(
            (&events[0]["share"], &events[2]["share"]),
            (&json!(0.0), &json!(1.0))
        );
    }

    #[test]
    fn turns_are_counted() {
        let letter = |before: Value, after: &str| json!({"forecast": {"outcome": "APPLIED", "before": before, "after": {"status": after}}});
        let letters = [
            letter(Value::Null, "STARTED"),
            letter(json!({"status": "IN_PROGRESS"}), "COMPLETED"),
            letter(json!({"status": "IN_PROGRESS"}), "COMPLETED"),
        ];
        let turns = turns(&letters);
        assert_eq!(
            turns[0],
            json!({"before": "IN_PROGRESS", "after": "COMPLETED", "count": 2})
        );
        assert_eq!(turns[1]["before"], Value::Null);
    }
}
