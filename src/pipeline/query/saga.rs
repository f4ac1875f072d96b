//! One saga: its state, its timeline, what remains of it.

use super::moment::Deliveries;
use super::timeline::{Basis, Log, Source, Timeline};
use super::{PurgedView, QueryError, SagaView};
use crate::domain::{InForce, Millis, SagaDefinitions, SagaId};
use crate::store::{Generation, Store, StoreRead, purged, reads, timelines};
use std::ops::ControlFlow;

/// Deliveries that are shown of those that came after a saga was removed.
const SHOWN_LATE: usize = 100;

pub(super) fn find(store: &dyn Store, id: &SagaId) -> Result<Option<SagaView>, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    read(&*snapshot, generation, id)
}

pub(super) fn read(
    snapshot: &dyn StoreRead,
    generation: Generation,
    id: &SagaId,
) -> Result<Option<SagaView>, QueryError> {
    let state = reads::instance(snapshot, generation, id)?;
    Ok(state.map(|state| SagaView {
        saga_id: id.clone(),
        state,
    }))
}

/// Asks about the timeline of a saga, as far as the serving projections' cursor, so that state and timeline
/// always agree; `None` when there is nothing of the saga.
pub(super) fn timeline<T>(
    store: &dyn Store,
    ours: &InForce,
    id: &SagaId,
    ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError>,
) -> Result<Option<T>, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    // Without a state the log holds nothing but what came after the saga was purged.
    let Some(whole) = reads::instance(&*snapshot, generation, id)? else {
        return Ok(None);
    };
    let cursor = reads::cursor(&*snapshot, generation)?;
    // A change that was refused was refused under the rules that made the state beside it.
    let definitions = reads::definitions_of(&*snapshot, generation, ours)?;
    let mut timeline = Timeline {
        saga: id,
        definitions: &definitions,
        basis: Basis::of(cursor.clone(), &definitions),
        started_at: whole.started_at,
        has_duplicates: whole.duplicates > 0,
        source: Source::Log(Log {
            store: &*snapshot,
            generation,
            cursor,
            saga: id,
            whole: &whole,
        }),
    };
    ask(&mut timeline).map(Some)
}

/// Asks about the timeline of a saga whose deliveries somebody else reads: folded under the given definitions, and
/// with the serving projections' cursor.
pub(super) fn timeline_of<T>(
    store: &dyn Store,
    definitions: &SagaDefinitions,
    (id, started_at, has_duplicates): (&SagaId, Millis, bool),
    deliveries: &mut dyn Deliveries,
    ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let snapshot = store.snapshot();
    let cursor = reads::cursor(&*snapshot, reads::active_generation(&*snapshot)?)?;
    let mut timeline = Timeline {
        saga: id,
        definitions,
        basis: Basis::of(cursor, definitions),
        started_at,
        has_duplicates,
        source: Source::Elsewhere(deliveries),
    };
    ask(&mut timeline)
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
