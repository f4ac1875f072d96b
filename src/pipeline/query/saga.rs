//! One saga: its state, its timeline.

use super::{PurgedView, QueryError, SagaView, TimelineStep};
use crate::domain::{Anomaly, AnomalyKind, EventRef, SagaDefinitions, SagaId, SagaState, TimelineKey};
use crate::store::{Generation, Store, StoreRead, purged, reads, timelines};
use std::ops::{ControlFlow, Deref};

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
    let state = match after {
        Some(place) => timelines::fold_before(moment, &definitions, id, &whole, place.next())?,
        None => None,
    };
    let mut steps = Steps {
        definitions: &*definitions,
        state,
    };
    timelines::each_step(moment, id, &whole, after, |event| Ok(visit(&steps.next(*event))))?;
    Ok(true)
}

/// Makes steps of the events of a timeline, which come one after the other.
pub struct Steps<D> {
    definitions: D,
    /// The state before the next one.
    state: Option<SagaState>,
}

impl<D: Deref<Target = SagaDefinitions>> Steps<D> {
    /// Of a timeline from its first event on.
    pub(super) fn new(definitions: D) -> Self {
        let state = None;
        Self { definitions, state }
    }

    /// The next one.
    pub fn next<'e>(&mut self, event: EventRef<'e>) -> TimelineStep<'e> {
        let state = match &mut self.state {
            Some(state) => {
                // The list is bounded; emptied, it never misses what comes now.
                state.anomalies.kept.clear();
                state.apply_unlisted(&event, &self.definitions);
                state
            }
            None => {
                let first = SagaState::begin_unlisted(&event, &self.definitions);
                self.state.insert(first)
            }
        };
        let is_refusal = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::OperatorChangeRefused;
        TimelineStep {
            number: state.step_count,
            refused: state.anomalies.kept.iter().any(is_refusal),
            event,
        }
    }
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
