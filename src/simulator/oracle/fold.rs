//! The semantics of docs/contract.md once more: which delivery stands, what comes after what, what it does.

use crate::domain::{Event, SagaDefinition, SagaDefinitions};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a saga.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Expected {
    pub(crate) saga_type: String,
    pub(crate) order: String,
    pub(crate) status: String,
    pub(crate) last_step: String,
    pub(crate) trace: Option<String>,
    pub(crate) started_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) steps: u32,
    pub(crate) duplicates: u32,
    pub(crate) failures: u32,
    pub(crate) compensations: u32,
    pub(crate) last_failed_at: Option<i64>,
    /// Kind, event, time.
    pub(crate) anomalies: Vec<(String, String, i64)>,
    pub(crate) conflicts: u32,
    /// How long each way from FAILED to COMPENSATED took.
    pub(crate) compensated_after: Vec<u64>,
    /// The events that stand, in order.
    pub(crate) timeline: Vec<Event>,
}

/// The fold of a saga's deliveries, in any order; `None` when there are none.
pub(crate) fn expected(deliveries: &[Event], definitions: &SagaDefinitions) -> Option<Expected> {
    let mut standing: BTreeMap<String, &Event> = BTreeMap::new();
    for event in deliveries {
        let stands = standing.entry(identity(event)).or_insert(event);
        if place(event) < place(stands) {
            *stands = event;
        }
    }
    let mut timeline: Vec<&Event> = standing.values().copied().collect();
    timeline.sort_by_key(|event| (event.recorded_at, place(event)));
    let first = timeline.first()?;
    let mut known = Expected {
        saga_type: first.saga_type.as_str().to_owned(),
        order: first.order_id.as_str().to_owned(),
        started_at: first.recorded_at.0,
        ..Expected::default()
    };
    let mut failing_since = None;
    for event in &timeline {
        step(&mut known, event, definitions, &mut failing_since);
    }
    let mut in_conflict = BTreeSet::new();
    for event in deliveries {
        let stands = standing[&identity(event)];
        if place(stands) != place(event) {
            known.duplicates += 1;
            if differs(stands, event) {
                in_conflict.insert(identity(event));
            }
        }
        if event.status.as_str() == "FAILED" {
            known.last_failed_at = known.last_failed_at.max(Some(event.recorded_at.0));
        }
    }
    known.conflicts = u32::try_from(in_conflict.len()).unwrap();
    known.timeline = timeline.into_iter().cloned().collect();
    Some(known)
}

pub(super) fn place(event: &Event) -> (u32, u64) {
    (event.position.partition, event.position.offset)
}

/// What makes two deliveries of a saga one event.
pub(super) fn identity(event: &Event) -> String {
    match event.event_id.as_str() {
        "" => format!("- {} {} {}", event.recorded_at.0, event.status, event.step),
        id => format!("# {id}"),
    }
}

pub(super) fn differs(one: &Event, other: &Event) -> bool {
    let body = |event: &Event| {
        (
            event.recorded_at,
            event.event_timestamp,
            event.event_id.clone(),
            event.saga_type.clone(),
            event.step.clone(),
            event.status,
            event.order_id.clone(),
            event.metadata.clone(),
        )
    };
    body(one) != body(other)
}

fn step(known: &mut Expected, event: &Event, definitions: &SagaDefinitions, failing_since: &mut Option<i64>) {
    let at = event.recorded_at.0;
    let mut odd = |kind: &str| {
        let id = event.event_id.as_str().to_owned();
        known.anomalies.push((kind.to_owned(), id, at));
    };
    if event.saga_type.as_str() != known.saga_type {
        odd("SAGA_TYPE_CHANGED");
    }
    if event.order_id.as_str() != known.order {
        odd("ORDER_ID_CHANGED");
    }
    let before = known.status.clone();
    let after = if event.step.as_str() == "OPERATOR_STATUS_CHANGE" {
        let wanted = expected_status(event);
        if wanted.is_none_or(|wanted| wanted == before) {
            event.status.as_str().to_owned()
        } else {
            odd("OPERATOR_CHANGE_REFUSED");
            if before.is_empty() {
                event.status.as_str().to_owned()
            } else {
                before.clone()
            }
        }
    } else {
        let (after, kind) = next(&before, event, &known.saga_type, definitions);
        kind.iter().for_each(|kind| odd(kind));
        after
    };
    if after != before {
        match after.as_str() {
            "FAILED" => known.failures += 1,
            "COMPENSATED" => {
                known.compensations += 1;
                if let Some(since) = failing_since {
                    let took = u64::try_from(at - *since).unwrap_or(0);
                    known.compensated_after.push(took);
                }
            }
            _ => {}
        }
        *failing_since = (after == "FAILED").then_some(at);
    }
    known.status = after;
    known.last_step = event.step.as_str().to_owned();
    if let Some(trace) = &event.trace_id {
        known.trace = Some(trace.to_string());
    }
    known.updated_at = at;
    known.steps += 1;
}

/// The status that the operator saw, if the event says it as it should.
fn expected_status(event: &Event) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(event.metadata.as_deref()?).ok()?;
    let named = metadata.get("expectedStatus")?.as_str()?;
    ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"]
        .contains(&named)
        .then(|| named.to_owned())
}

/// Whether one of the definition's completing steps is this one, by its own name or by another.
fn completes(definition: &SagaDefinition, step: &str) -> bool {
    let step = definition.aliases.get(step).map_or(step, String::as_str);
    let mut names = definition.completing_steps.iter();
    names.any(|name| match name.split_once('*') {
        Some((beginning, _)) => step.starts_with(beginning),
        None => name == step,
    })
}

/// The next status, and the anomaly where the table of the design has a star.
fn next(
    before: &str,
    event: &Event,
    saga_type: &str,
    definitions: &SagaDefinitions,
) -> (String, Option<&'static str>) {
    let definition = definitions.types.get(saga_type);
    let mut incoming = event.status.as_str();
    if let Some(definition) = definition
        && incoming == "COMPLETED"
        && !completes(definition, event.step.as_str())
    {
        incoming = "IN_PROGRESS";
    }
    let goes = |to: &str| (to.to_owned(), None);
    let stays = |kind| (before.to_owned(), Some(kind));
    match (before, incoming) {
        // Nothing is odd about a saga that has not ended, but that it cannot start over.
        ("IN_PROGRESS", "STARTED") => goes("IN_PROGRESS"),
        ("" | "STARTED" | "IN_PROGRESS", _) => goes(incoming),
        ("COMPLETED", "STARTED" | "IN_PROGRESS") if definition.is_none() => goes("IN_PROGRESS"),
        ("COMPLETED", "STARTED") => stays("STARTED_AFTER_COMPLETED"),
        ("COMPLETED", "IN_PROGRESS") => stays("PROGRESS_AFTER_COMPLETED"),
        ("COMPLETED", "FAILED") => ("FAILED".to_owned(), Some("FAILED_AFTER_COMPLETED")),
        ("FAILED", "STARTED") => stays("STARTED_AFTER_FAILED"),
        ("FAILED", "IN_PROGRESS") => goes("FAILED"),
        ("FAILED", "COMPLETED") => ("COMPLETED".to_owned(), Some("COMPLETED_AFTER_FAILED")),
        ("COMPENSATED", "STARTED") => stays("STARTED_AFTER_COMPENSATED"),
        ("COMPENSATED", "IN_PROGRESS") => goes("COMPENSATED"),
        ("COMPENSATED", "COMPLETED") => stays("COMPLETED_AFTER_COMPENSATED"),
        ("COMPENSATED", "FAILED") => ("FAILED".to_owned(), Some("FAILED_AFTER_COMPENSATED")),
        _ => goes(incoming),
    }
}
