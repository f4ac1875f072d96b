//! One saga: its state, its timeline.

use super::{QueryError, SagaView, Timeline};
use crate::domain::{Event, SagaId, deduplicate};
use crate::store::{Store, read};

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
pub(super) fn timeline(store: &dyn Store, id: &SagaId) -> Result<Option<Timeline>, QueryError> {
    let snapshot = store.snapshot();
    let generation = read::active_generation(&*snapshot)?;
    let cursor = read::cursor(&*snapshot, generation)?;
    let deliveries = read::deliveries(&*snapshot, id, &cursor)?;
    if deliveries.is_empty() {
        return Ok(None);
    }
    let events: Vec<Event> = deduplicate(&deliveries).timeline.into_iter().cloned().collect();
    Ok(Some(Timeline {
        saga_id: id.clone(),
        events,
    }))
}
