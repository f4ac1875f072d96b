//! The offsets of one saga: where each of its deliveries stands in the topic, and what it came to.

use super::QueryError;
use crate::domain::{Millis, OPERATOR_STATUS_CHANGE, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::{LogRecord, OffsetClass};
use crate::store::{Store, StoreRead, purged, reads, timelines};
use std::ops::ControlFlow;

/// A delivery of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaOffset {
    /// Where it stands in the topic and in the timeline.
    pub place: TimelineKey,
    /// When it arrived.
    pub arrived_at: Millis,
    /// What it came to: applied, duplicate or operator.
    pub class: OffsetClass,
}

/// Visits the deliveries behind `after`, in the order of the timeline; whether anything is known of the saga.
pub(super) fn offsets(
    store: &dyn Store,
    id: &SagaId,
    after: Option<TimelineKey>,
    mut visit: impl FnMut(SagaOffset) -> ControlFlow<()>,
) -> Result<bool, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let cursor = reads::cursor(&*snapshot, generation)?;
    let is_gone = purged::purged(&*snapshot, id)?.is_some_and(|record| record.is_gone());
    if is_gone || reads::instance(&*snapshot, generation, id)?.is_none() {
        return Ok(false);
    }
    let folded: (&dyn StoreRead, _, _) = (&*snapshot, generation, &cursor);
    timelines::each_row_marked_behind(folded, id, after, |place, value, stands| {
        let event = LogRecord::read(value)?.view(place)?;
        let class = if stands {
            OffsetClass::of_standing(event.step == OPERATOR_STATUS_CHANGE)
        } else {
            OffsetClass::Duplicate
        };
        Ok(visit(SagaOffset {
            place,
            arrived_at: event.arrived_at,
            class,
        }))
    })?;
    Ok(true)
}
