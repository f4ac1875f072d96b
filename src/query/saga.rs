//! One saga: its state, its timeline.

use super::{PurgedView, QueryError, SagaView, Timeline};
use crate::domain::{
    AnomalyKind, Event, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId, SagaState, deduplicate,
};
use crate::store::{Store, purged, read};

pub(super) fn find(store: &dyn Store, id: &SagaId) -> Result<Option<SagaView>, QueryError> {
    let snapshot = store.snapshot();
    let generation = read::active_generation(&*snapshot)?;
    let state = read::instance(&*snapshot, generation, id)?;
    Ok(state.map(|state| SagaView {
        saga_id: id.clone(),
        state,
    }))
}

/// The events inside the serving projections' cursor, so that state and timeline always agree.
pub(super) fn timeline(
    store: &dyn Store,
    definitions: &SagaDefinitions,
    id: &SagaId,
) -> Result<Option<Timeline>, QueryError> {
    let snapshot = store.snapshot();
    let generation = read::active_generation(&*snapshot)?;
    // Without a state the log holds nothing but what came after the saga was purged.
    if read::instance(&*snapshot, generation, id)?.is_none() {
        return Ok(None);
    }
    let cursor = read::cursor(&*snapshot, generation)?;
    let deliveries = read::deliveries(&*snapshot, id, &cursor)?;
    if deliveries.is_empty() {
        return Ok(None);
    }
    // A change that was refused was refused under the rules that made the state beside it.
    let definitions = read::definitions_of(&*snapshot, generation, definitions)?;
    Ok(Some(timeline_of(id, &deliveries, &definitions)))
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
    let is_change = |event: &Event| event.step.as_str() == OPERATOR_STATUS_CHANGE;
    let Some((first, rest)) = events.split_first().filter(|_| events.iter().any(is_change)) else {
        return Vec::new();
    };
    let mut state = SagaState::begin(first, definitions);
    let mut places = Vec::new();
    for (place, event) in (0..).zip(std::iter::once(first).chain(rest)) {
        if place > 0 {
            state.apply(event, definitions);
        }
        // The list is bounded; emptied, it never misses one.
        let odd = std::mem::take(&mut state.anomalies.kept);
        if odd
            .iter()
            .any(|anomaly| anomaly.kind == AnomalyKind::OperatorChangeRefused)
        {
            places.push(place);
        }
    }
    places
}

/// The record of a removal, and what came after it inside the serving projections' cursor.
pub(super) fn purged(store: &dyn Store, id: &SagaId) -> Result<Option<PurgedView>, QueryError> {
    let snapshot = store.snapshot();
    let Some(purged) = purged::purged(&*snapshot, id)? else {
        return Ok(None);
    };
    let late = if purged.is_gone() {
        let generation = read::active_generation(&*snapshot)?;
        let cursor = read::cursor(&*snapshot, generation)?;
        read::deliveries(&*snapshot, id, &cursor)?
    } else {
        Vec::new()
    };
    Ok(Some(PurgedView {
        saga_id: id.clone(),
        purged,
        late,
    }))
}
