//! Which sagas may have been known otherwise at an instant K than what is known of them now says of then: few,
//! whenever K was, because most deliveries arrive soon after they happened.
//!
//! What was known at K of T and what is known now of the earlier of both differ only by deliveries that were under
//! way at K: those that had happened and not arrived, and those that had arrived before they happened. And by
//! deliveries that arrived later and took the place of another one, which only events with different bodies allow.

use super::QueryError;
use super::past_state::Past;
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::late::{self, NEAR, UnderWay};
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Key, ProjectionTable, Scan, StoreError, Table, keys, until};
use std::collections::BTreeSet;
use std::ops::{Bound, Range};

/// At most so many deliveries are looked through.
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
    add_contradicted(past, &mut sagas)?;
    Ok(sagas)
}

/// Adds those of which different bodies of an event were delivered.
fn add_contradicted(past: &Past<'_>, sagas: &mut BTreeSet<SagaId>) -> Result<(), QueryError> {
    let mut key = Key::default();
    keys::contradicted_partition(&mut key);
    let table = Table::Projection(past.trees.generation, ProjectionTable::Contradicted);
    Scan::of(table, key.partition()).each(past.trees.store, |saga, _| {
        sagas.insert(SagaId::new(keys::parse_text("contradicted", saga)?));
        Ok(until(sagas.len() > MAX_SAGAS))
    })?;
    refuse(sagas.len() > MAX_SAGAS)
}

fn refuse(too_many: bool) -> Result<(), QueryError> {
    if too_many {
        return Err(QueryError::TooManySince {
            deliveries: MAX_DELIVERIES,
            sagas: MAX_SAGAS,
        });
    }
    Ok(())
}

/// Visits the deliveries that were under way at an instant, and some that were not.
pub(super) fn each_under_way(
    past: &Past<'_>,
    at: Millis,
    mut visit: impl FnMut(UnderWay) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut left = MAX_DELIVERIES;
    let mut failed = None;
    late::each_under_way(past.trees.store, at, |delivery| {
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
                for ((saga, place), row) in some.iter().zip(log_rows(past, some)?) {
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

/// The deliveries of offsets of one bucket that happened near an instant.
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

/// The rows of deliveries that the feed names.
pub(super) fn log_rows(past: &Past<'_>, fed: &[(SagaId, TimelineKey)]) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys: Vec<Key> = fed
        .iter()
        .map(|(saga, place)| {
            let mut key = Key::default();
            keys::log(&mut key, saga, *place);
            key
        })
        .collect();
    let rows = past.trees.store.multi_get(Table::Log, &keys)?;
    let found = fed.iter().zip(rows).map(|((saga, place), row)| {
        row.ok_or_else(|| {
            let at = place.position;
            StoreError::Corrupt(format!(
                "log: saga {saga} has no event at {at}, which the feed names"
            ))
        })
    });
    found.collect()
}
