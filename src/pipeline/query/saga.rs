//! One saga: its state, its timeline.

use super::{PurgedView, QueryError, SagaView, Timeline, TimelineStep};
use crate::domain::{
    Anomaly, AnomalyKind, AnomalyLog, Event, EventRef, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId,
    SagaState, TimelineKey, deduplicate,
};
use crate::store::{Store, StoreRead, purged, reads, timelines};
use std::ops::ControlFlow;

/// Deliveries that are shown of those that came after a saga was removed.
const SHOWN_LATE: usize = 100;

pub(super) fn find(store: &dyn Store, id: &SagaId) -> Result<Option<SagaView>, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let state = reads::instance(&*snapshot, generation, id)?;
    Ok(state.map(|state| SagaView {
        saga_id: id.clone(),
        state,
    }))
}

/// Visits the timeline behind `after`, as far as the serving projections' cursor, so that state and
/// timeline always agree; whether there is anything of the saga.
pub(super) fn steps(
    store: &dyn Store,
    definitions: &SagaDefinitions,
    id: &SagaId,
    after: Option<TimelineKey>,
    mut visit: impl FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
) -> Result<bool, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    // Without a state the log holds nothing but what came after the saga was purged.
    let Some(whole) = reads::instance(&*snapshot, generation, id)? else {
        return Ok(false);
    };
    let cursor = reads::cursor(&*snapshot, generation)?;
    // A change that was refused was refused under the rules that made the state beside it.
    let definitions = reads::definitions_of(&*snapshot, generation, definitions)?;
    let moment = (&*snapshot as &dyn StoreRead, generation, &cursor);
    let mut state = match after {
        Some(place) => timelines::fold_before(moment, &definitions, id, &whole, place.next())?,
        None => None,
    };
    timelines::each_step(moment, id, &whole, after, |event| {
        let state = fold_on(&mut state, event, &definitions);
        Ok(visit(&TimelineStep {
            number: state.step_count,
            refused: was_refused(&state.anomalies),
            event: *event,
        }))
    })?;
    Ok(true)
}

fn fold_on<'s>(
    state: &'s mut Option<SagaState>,
    event: &EventRef<'_>,
    definitions: &SagaDefinitions,
) -> &'s mut SagaState {
    match state {
        Some(state) => {
            // The list is bounded; emptied, it never misses what comes now.
            state.anomalies.kept.clear();
            state.apply_unlisted(event, definitions);
            state
        }
        None => state.insert(SagaState::begin_unlisted(event, definitions)),
    }
}

fn was_refused(anomalies: &AnomalyLog) -> bool {
    let is_refusal = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::OperatorChangeRefused;
    anomalies.kept.iter().any(is_refusal)
}

/// The timeline that these deliveries make.
pub(super) fn timeline_of(id: &SagaId, deliveries: &[Event], definitions: &SagaDefinitions) -> Timeline {
    let events: Vec<Event> = deduplicate(deliveries).timeline.into_iter().cloned().collect();
    Timeline {
        saga_id: id.clone(),
        refused: refused(&events, definitions),
        events,
    }
}

/// The places, from 0, of operators' changes that found another status than they expected. Folded
/// only where there is an operator's change at all.
fn refused(events: &[Event], definitions: &SagaDefinitions) -> Vec<usize> {
    if !events
        .iter()
        .any(|event| event.step.as_str() == OPERATOR_STATUS_CHANGE)
    {
        return Vec::new();
    }
    let mut state = None;
    let folded = events.iter().map(|event| {
        let state = fold_on(&mut state, &event.view(), definitions);
        was_refused(&state.anomalies)
    });
    folded
        .enumerate()
        .filter(|(_, refused)| *refused)
        .map(|(place, _)| place)
        .collect()
}

/// The record of a removal, and what came after it inside the serving projections' cursor.
pub(super) fn purged(store: &dyn Store, id: &SagaId) -> Result<Option<PurgedView>, QueryError> {
    let snapshot = store.snapshot();
    let Some(purged) = purged::purged(&*snapshot, id)? else {
        return Ok(None);
    };
    let (mut late, mut late_count) = (Vec::new(), 0);
    if purged.is_gone() {
        let generation = reads::active_generation(&*snapshot)?;
        let cursor = reads::cursor(&*snapshot, generation)?;
        timelines::each_delivery(&*snapshot, id, &cursor, |event| {
            late_count += 1;
            if late.len() < SHOWN_LATE {
                late.push(event.to_event(id));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(Some(PurgedView {
        saga_id: id.clone(),
        purged,
        late,
        late_count,
    }))
}
