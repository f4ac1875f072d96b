//! Folds whole sagas out of the log: those that fit into memory at once, larger ones part by part, with the
//! same code that folds them as they arrive.

use super::arrivals::{self, Arrivals};
use super::projections::Changes;
use super::shard::{accepts, append};
use super::visible::Visible;
use crate::domain::{Cut, Event, SagaId, SagaState, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::{Batch, StoreError, StoreRead, keys, reads, timelines};
use std::ops::{Bound, ControlFlow};

/// Most deliveries of a saga that are in memory at once.
const MAX_DELIVERIES: usize = if cfg!(test) { 10 } else { 4_096 };
/// Most bytes of them.
const MAX_BYTES: usize = 4 << 20;

/// Deliveries of one saga, in the order of the timeline.
#[derive(Default)]
pub(super) struct Loaded {
    events: Vec<Event>,
    bytes: usize,
    large: bool,
    fingerprints: Vec<u32>,
}

impl Loaded {
    /// Adds a row of the log. Does nothing once there are too many.
    pub(super) fn add(&mut self, saga: &SagaId, place: TimelineKey, row: &[u8]) -> Result<(), StoreError> {
        self.bytes += row.len();
        self.large |= self.events.len() >= MAX_DELIVERIES || self.bytes > MAX_BYTES;
        if self.large {
            self.events.clear();
            return Ok(());
        }
        self.events.push(reads::event(saga, place, row)?);
        Ok(())
    }

    /// Whether there were too many to hold.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
        (self.bytes, self.large) = (0, false);
    }

    /// Folds them, as all that there is of the saga, and forgets them. How many there were.
    pub(super) fn fold(
        &mut self,
        visible: Visible<'_>,
        saga: &SagaId,
        changes: &mut Changes,
    ) -> Result<u64, StoreError> {
        let events: Vec<&Event> = self.events.iter().collect();
        if accepts(None, &events, &mut self.fingerprints) {
            let state = append(None, &events, &self.fingerprints, visible.definitions);
            for event in &events {
                changes.processed(event.status, &event.step, 1);
                changes.stands(*event, 1);
            }
            if let Some(state) = state {
                changes.replace(saga, None, (&state, visible.definitions));
            }
        } else {
            let arrivals = vec![of(saga, None, events)];
            arrivals::fold(visible, arrivals, changes, |saga, before, state, changes| {
                changes.replace(&saga, before.as_ref(), (&state, visible.definitions));
            })?;
        }
        let count = self.events.len() as u64;
        self.clear();
        Ok(count)
    }
}

fn of<'e>(saga: &SagaId, state: Option<SagaState>, events: Vec<&'e Event>) -> Arrivals<'e> {
    Arrivals {
        saga: saga.clone(),
        before: None,
        state,
        events,
    }
}

/// Folds a saga part by part, and writes its state. How many deliveries there were.
pub(super) fn fold<E: From<StoreError>>(
    visible: Visible<'_>,
    saga: &SagaId,
    changes: &mut Changes,
    mut write: impl FnMut(&mut Batch) -> Result<(), E>,
) -> Result<u64, E> {
    let (state, count) = fold_parts(visible, saga, changes, &mut write)?;
    if let Some(state) = state {
        changes.replace(saga, None, (&state, visible.definitions));
    }
    write(&mut changes.rows)?;
    Ok(count)
}

/// Folds a saga part by part, in the order of its timeline. `write` has to write the rows of a part
/// before the next one is folded, and empty them. The state, and how many deliveries there were.
pub(super) fn fold_parts<E: From<StoreError>>(
    visible: Visible<'_>,
    saga: &SagaId,
    changes: &mut Changes,
    mut write: impl FnMut(&mut Batch) -> Result<(), E>,
) -> Result<(Option<SagaState>, u64), E> {
    let (mut state, mut reached, mut count) = (None, None, 0);
    loop {
        let events = next_part(visible.store, saga, reached, visible.within)?;
        let Some(last) = events.last() else {
            break;
        };
        reached = Some(last.timeline_key());
        count += events.len() as u64;
        let arrivals = vec![of(saga, state.take(), events.iter().collect())];
        arrivals::fold(visible, arrivals, changes, |_, _, folded, _| state = Some(folded))?;
        write(&mut changes.rows)?;
    }
    Ok((state, count))
}

fn next_part(
    store: &dyn StoreRead,
    saga: &SagaId,
    behind: Option<TimelineKey>,
    within: &Cut,
) -> Result<Vec<Event>, StoreError> {
    let start = behind.map(keys::place_sort);
    let from = start
        .as_ref()
        .map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..]));
    let (mut events, mut bytes) = (Vec::new(), 0);
    reads::try_scan_saga(store, saga, (from, Bound::Unbounded), |sort, value| {
        let place = keys::parse_log_sort(sort)?;
        if within.contains(place.position) {
            bytes += value.len();
            events.push(LogRecord::read(value)?.event(saga, place)?);
        }
        Ok(if events.len() >= MAX_DELIVERIES || bytes >= MAX_BYTES {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(events)
}

/// Counts the deliveries of a saga that is gone.
pub(super) fn count_late(
    store: &dyn StoreRead,
    saga: &SagaId,
    within: &Cut,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    timelines::each_delivery(store, saga, within, |event| {
        changes.late(std::iter::once(*event));
        Ok(ControlFlow::Continue(()))
    })
}
