//! What is kept of deliveries that came again, up to a place in their saga's timeline: how many there are, and
//! which events are in conflict.

use super::codec::Record;
use super::keys::{self, TimelineRow};
use super::records::{LogRecord, StandingRecord};
use super::timelines::table;
use super::{Generation, Key, Scan, StoreError, StoreRead, reads};
use crate::domain::{ConflictLog, MAX_KEPT_ANOMALIES, Position, SagaId, SagaState, TimelineKey};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// How many deliveries before a place do not stand, of a saga whose state is `whole`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn duplicates_before(
    (store, generation, saga): (&dyn StoreRead, Generation, &SagaId),
    whole: &SagaState,
    end: TimelineKey,
) -> Result<u32, StoreError> {
    if whole.duplicates == 0 {
        return Ok(0);
    }
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::Duplicate, saga);
    let end = keys::place_sort(end);
    let mut count = 0u32;
    Scan::of(table(generation), key.partition())
        .range((Bound::Unbounded, Bound::Excluded(&end[..])))
        .each(store, |_, _| {
            count = count.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(count)
}

/// The events that stand before a place and are in conflict, of a saga whose state is `whole`. Where more are in
/// conflict than are kept, all of its events are looked through.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn conflicts_before(
    (store, generation, saga): (&dyn StoreRead, Generation, &SagaId),
    whole: &SagaState,
    end: TimelineKey,
) -> Result<ConflictLog, StoreError> {
    let mut found = ConflictLog::default();
    if whole.conflicts.kept.len() == whole.conflicts.total as usize {
        for known in &whole.conflicts.kept {
            if known.anomaly.at < end.recorded_at {
                found.add(known.position, known.anomaly.event_id.clone(), known.anomaly.at);
            }
        }
        return Ok(found);
    }
    let (total, kept) = conflicting_events((store, generation, saga), end)?;
    for place in kept.into_values() {
        let row = reads::log_row(store, saga, place)?;
        let event_id = LogRecord::read(&row)?.event_id().into();
        found.add(place.position, event_id, place.recorded_at);
    }
    found.total = total;
    Ok(found)
}

/// How many events of a long timeline before a place are in conflict, and those of them at the lowest positions.
fn conflicting_events(
    (store, generation, saga): (&dyn StoreRead, Generation, &SagaId),
    end: TimelineKey,
) -> Result<(u32, BTreeMap<Position, TimelineKey>), StoreError> {
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::Event, saga);
    let (mut total, mut kept) = (0u32, BTreeMap::new());
    Scan::of(table(generation), key.partition()).each(store, |_, value| {
        let standing = StandingRecord::read(value)?;
        let place = standing.place();
        if standing.is_conflicting() && place < end {
            total = total.saturating_add(1);
            kept.insert(place.position, place);
            if kept.len() > MAX_KEPT_ANOMALIES {
                kept.pop_last();
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((total, kept))
}
