//! The deliveries that arrived in a period, of all types, from the feed: the newest ones, so many at most, and from when
//! on all of them are there.

use super::past_state::Past;
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Key, StoreError, Table, keys, late, offsets, until};
use std::ops::Range;

/// So much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowBounds {
    /// Events, of all types.
    pub(super) events: usize,
    /// Their bytes in the log.
    pub(super) bytes: usize,
}

/// A delivery that arrived in the period.
pub(super) struct Delivery {
    pub(super) saga: SagaId,
    pub(super) place: TimelineKey,
    arrived_at: Millis,
    pub(super) step: Box<str>,
    pub(super) service: Option<Box<str>>,
}

/// Those that arrived behind the first instant, up to the second; and the instant behind which all are there.
pub(super) fn arrivals(
    past: &Past<'_>,
    (from, to): (Millis, Millis),
    bounds: FlowBounds,
) -> Result<(Vec<Delivery>, Millis), StoreError> {
    let partitions = past.cursor.iter().count().max(1);
    // Each partition has its share, so that one that has much keeps no other back.
    let share = FlowBounds {
        events: (bounds.events / partitions).max(1),
        bytes: bounds.bytes / partitions,
    };
    let mut deliveries = Vec::new();
    let mut reached = from;
    for (partition, next) in past.cursor.iter() {
        let offsets = offsets_of(past, partition, next, (from, to))?;
        let of_partition = newest(past, partition, offsets, (from, to), share, &mut deliveries)?;
        reached = reached.max(of_partition);
    }
    deliveries.retain(|delivery| delivery.arrived_at > reached);
    Ok((deliveries, reached))
}

/// Offsets of a partition that hold all records which arrived behind the first instant and up to the second, and none
/// that arrived behind that one.
fn offsets_of(
    past: &Past<'_>,
    partition: u32,
    next: u64,
    (from, to): (Millis, Millis),
) -> Result<Range<u64>, StoreError> {
    let store = past.trees.store;
    let start = late::offsets_near(store, partition, from)?.start.min(next);
    let near = late::offsets_near(store, partition, to)?;
    let (mut low, mut high) = (near.start.clamp(start, next), near.end.min(next).max(start));
    // Arrival times only grow within a partition.
    while low < high {
        let middle = low + (high - low) / 2;
        match first_arrival(past, partition, middle..high)? {
            Some((offset, arrived_at)) if arrived_at <= to => low = offset + 1,
            _ => high = middle,
        }
    }
    Ok(start..high)
}

/// The first of some offsets whose record is in the log, and when that arrived.
fn first_arrival(
    past: &Past<'_>,
    partition: u32,
    range: Range<u64>,
) -> Result<Option<(u64, Millis)>, StoreError> {
    let rows = offsets::of_partition(past.trees.store, Table::Feed, partition);
    let mut found = None;
    rows.forward(range, |offset, value| {
        if let Some((_, _, row)) = logged(past, Position::new(partition, offset), value)? {
            found = Some((offset, LogRecord::read(&row)?.arrived_at()));
        }
        Ok(until(found.is_some()))
    })?;
    Ok(found)
}

/// Adds the newest deliveries of a partition. The instant behind which all are there.
fn newest(
    past: &Past<'_>,
    partition: u32,
    range: Range<u64>,
    (from, to): (Millis, Millis),
    share: FlowBounds,
    deliveries: &mut Vec<Delivery>,
) -> Result<Millis, StoreError> {
    let rows = offsets::of_partition(past.trees.store, Table::Feed, partition);
    let (mut events, mut bytes, mut reached) = (0, 0, from);
    let mut oldest = to;
    rows.backward(range, |offset, value| {
        if events >= share.events || bytes >= share.bytes {
            // Of those that arrived with the oldest one some may be missing.
            reached = oldest;
            return Ok(until(true));
        }
        events += 1;
        let Some((saga, place, row)) = logged(past, Position::new(partition, offset), value)? else {
            return Ok(until(false));
        };
        bytes += row.len();
        let event = LogRecord::read(&row)?.view(place)?;
        oldest = event.arrived_at;
        if event.arrived_at <= from {
            return Ok(until(true));
        }
        deliveries.push(Delivery {
            saga,
            place,
            arrived_at: event.arrived_at,
            step: event.step.into(),
            service: event.producer_service.map(Into::into),
        });
        Ok(until(false))
    })?;
    Ok(reached)
}

/// The delivery of an offset, if it is in the log.
fn logged(
    past: &Past<'_>,
    position: Position,
    value: &[u8],
) -> Result<Option<(SagaId, TimelineKey, Vec<u8>)>, StoreError> {
    let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)? else {
        return Ok(None);
    };
    let (saga, place) = (
        SagaId::new(saga_id),
        TimelineKey {
            recorded_at: Millis(recorded_at),
            position,
        },
    );
    let mut key = Key::default();
    keys::log(&mut key, &saga, place);
    // One that is being removed may be gone from the log already.
    let row = past.trees.store.get(Table::Log, &key)?;
    Ok(row.map(|row| (saga, place, row)))
}
