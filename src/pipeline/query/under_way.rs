//! Which sagas may have been known otherwise at an instant K than what is known of them now says of then: few,
//! whenever K was, because most deliveries arrive soon after they happened.
//!
//! What was known at K of T and what is known now of the earlier of both differ only by deliveries that were under
//! way at K: those that had happened and not arrived, and those that had arrived before they happened. And by
//! events that were known at K by another delivery, with another body, than the one that stands now: it arrived behind
//! K, and took that one's place (`store::contradicted`).

use super::QueryError;
use super::past_state::Past;
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::late::{self, NEAR, UnderWay};
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Key, Scan, StoreError, Table, contradicted, keys, reads, until};
use std::collections::BTreeSet;
use std::ops::{Bound, Range};

/// At most so many deliveries are looked through, and so many events that were contradicted.
const MAX_DELIVERIES: usize = if cfg!(test) { 600 } else { 200_000 };
/// At most so many sagas are folded.
const MAX_SAGAS: usize = if cfg!(test) { 300 } else { 20_000 };
/// Deliveries whose rows are read at once.
const BLOCK: usize = if cfg!(test) { 7 } else { 1_024 };

/// The sagas that may have been known otherwise.
pub(super) fn known_otherwise(past: &Past<'_>, known_at: Millis) -> Result<BTreeSet<SagaId>, QueryError> {
    let mut sagas = BTreeSet::new();
    each_under_way(past, known_at, |delivery| {
        let counts = if delivery.arrived_at <= known_at {
            delivery.recorded_at > known_at && delivery.recorded_at <= past.until()
        } else {
            delivery.recorded_at <= past.base()
        };
        if counts {
            sagas.insert(delivery.saga);
        }
        refuse(sagas.len() > MAX_SAGAS)
    })?;
    add_contradicted(past, known_at, &mut sagas)?;
    Ok(sagas)
}

/// Adds those with an event that was known by another delivery, and was contradicted.
fn add_contradicted(
    past: &Past<'_>,
    known_at: Millis,
    sagas: &mut BTreeSet<SagaId>,
) -> Result<(), QueryError> {
    let mut left = MAX_DELIVERIES;
    let trees = past.trees;
    contradicted::each_at(trees.store, trees.generation, known_at, |saga, had_begun| {
        left = left.saturating_sub(1);
        if had_begun {
            sagas.insert(saga);
        }
        until(left == 0 || sagas.len() > MAX_SAGAS)
    })?;
    refuse(left == 0 || sagas.len() > MAX_SAGAS)
}

fn refuse(too_many: bool) -> Result<(), QueryError> {
    if too_many {
        return Err(QueryError::TooManyUnderWay {
            deliveries: MAX_DELIVERIES,
            sagas: MAX_SAGAS,
        });
    }
    Ok(())
}

/// Visits the deliveries that were under way at an instant and had happened by the end of what is asked, and some
/// others.
pub(super) fn each_under_way(
    past: &Past<'_>,
    at: Millis,
    mut visit: impl FnMut(UnderWay) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut left = MAX_DELIVERIES;
    let mut failed = None;
    late::each_under_way(past.trees.store, at, past.until(), |delivery| {
        left = left.saturating_sub(1);
        if past.cursor.contains(delivery.position) {
            failed = visit(delivery).err();
        }
        until(left == 0 || failed.is_some())
    })?;
    failed.map_or(Ok(()), Err)?;
    for (partition, next) in past.cursor.iter() {
        let near = late::offsets_near(past.trees.store, partition, at)?;
        let mut offset = near.start;
        while offset < near.end.min(next) {
            let bucket = keys::offset_bucket(offset);
            let offsets = offset..near.end.min(next).min(bucket.end);
            let fed = fed_near(past, (partition, offsets), at, &mut left)?;
            refuse(left == 0)?;
            for some in fed.chunks(BLOCK) {
                let deliveries: Vec<_> = some.iter().map(|(saga, place)| (saga, *place)).collect();
                let rows = reads::log_rows(past.trees.store, &deliveries)?;
                for ((saga, place), row) in some.iter().zip(rows) {
                    visit(UnderWay {
                        saga: saga.clone(),
                        position: place.position,
                        recorded_at: place.recorded_at,
                        arrived_at: LogRecord::read(&row)?.arrived_at(),
                    })?;
                }
            }
            offset = bucket.end;
        }
    }
    refuse(left == 0)
}

/// The deliveries of offsets of one bucket that happened near an instant, and by the end of what is asked.
fn fed_near(
    past: &Past<'_>,
    (partition, offsets): (u32, Range<u64>),
    at: Millis,
    left: &mut usize,
) -> Result<Vec<(SagaId, TimelineKey)>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, Position::new(partition, offsets.start));
    let (start, end) = (offsets.start.to_be_bytes(), offsets.end.to_be_bytes());
    let range = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
    let mut fed = Vec::new();
    Scan::of(Table::Feed, key.partition())
        .range(range)
        .each(past.trees.store, |sort, value| {
            *left = left.saturating_sub(1);
            let position = Position::new(partition, keys::parse_offset(sort)?);
            if let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)?
                && recorded_at.abs_diff(at.0) <= NEAR.unsigned_abs()
                && recorded_at <= past.until().0
            {
                let place = TimelineKey {
                    recorded_at: Millis(recorded_at),
                    position,
                };
                fed.push((SagaId::new(saga_id), place));
            }
            Ok(until(*left == 0))
        })?;
    Ok(fed)
}
