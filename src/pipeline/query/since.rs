//! Which sagas something arrived of after an instant: only those can have been known otherwise then.
//!
//! Arrival times rise with the offsets of a partition. So the feed is read from its end backwards, block by
//! block, until a block begins with what had arrived by then. It costs as much as arrived since; beyond a
//! bound the question is refused.

use super::QueryError;
use super::past_state::{Past, states};
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Direction, Key, Scan, StoreError, StoreRead, Table, keys, until};
use std::collections::BTreeSet;
use std::ops::Bound;

/// At most so many deliveries are looked through.
const MAX_DELIVERIES: usize = if cfg!(test) { 400 } else { 200_000 };
/// At most so many sagas are folded.
const MAX_SAGAS: usize = if cfg!(test) { 300 } else { 20_000 };
/// Deliveries that are read at once.
const BLOCK: usize = if cfg!(test) { 7 } else { 1_024 };

/// A delivery, as the feed names it.
struct Fed {
    saga: SagaId,
    place: TimelineKey,
}

/// The sagas that may have been known otherwise: those of which a delivery arrived later that had happened by the
/// moment, or that may have taken the place of one that had.
pub(super) fn arrived_since(past: &Past<'_>, known_at: Millis) -> Result<BTreeSet<SagaId>, QueryError> {
    let (mut touched, mut suspects) = (BTreeSet::new(), BTreeSet::new());
    let mut left = MAX_DELIVERIES;
    for (partition, next) in past.cursor.iter() {
        each_since(past.trees.store, (partition, next), known_at, &mut left, |fed| {
            if fed.place.recorded_at <= past.until() {
                touched.insert(fed.saga);
            } else {
                suspects.insert(fed.saga);
            }
        })?;
    }
    let suspects: Vec<SagaId> = suspects.difference(&touched).cloned().collect();
    for some in suspects.chunks(BLOCK) {
        for (saga, state) in some.iter().zip(states(past, some)?) {
            if state.is_some_and(|state| state.duplicates > 0) {
                touched.insert(saga.clone());
            }
        }
    }
    if touched.len() > MAX_SAGAS {
        return Err(too_many());
    }
    Ok(touched)
}

fn too_many() -> QueryError {
    QueryError::TooManySince {
        deliveries: MAX_DELIVERIES,
        sagas: MAX_SAGAS,
    }
}

/// Visits the deliveries of a partition that arrived after an instant.
fn each_since(
    store: &dyn StoreRead,
    (partition, next): (u32, u64),
    known_at: Millis,
    left: &mut usize,
    mut visit: impl FnMut(Fed),
) -> Result<(), QueryError> {
    let mut before = next;
    while before > 0 {
        let (block, reached) = block_before(store, Position::new(partition, before), left)?;
        if *left == 0 {
            return Err(too_many());
        }
        let is_later = |fed: &Fed| Ok::<_, StoreError>(arrived_at(store, fed)? > known_at);
        // Latest first: those that arrived later are in front.
        let all_later = match block.last() {
            Some(oldest) => is_later(oldest)?,
            None => true,
        };
        if all_later {
            block.into_iter().for_each(&mut visit);
            before = reached;
            continue;
        }
        for fed in block {
            if !is_later(&fed)? {
                break;
            }
            visit(fed);
        }
        return Ok(());
    }
    Ok(())
}

/// The deliveries before an offset that are in the log, latest first, about so many; and down to which offset
/// everything was looked at.
fn block_before(
    store: &dyn StoreRead,
    before: Position,
    left: &mut usize,
) -> Result<(Vec<Fed>, u64), StoreError> {
    let bucket = keys::offset_bucket(before.offset - 1);
    let partition = before.partition;
    let mut key = Key::default();
    keys::by_offset(&mut key, Position::new(partition, bucket.start));
    let end = before.offset.to_be_bytes();
    let (mut block, mut reached) = (Vec::new(), bucket.start);
    Scan::of(Table::Feed, key.partition())
        .range((Bound::Unbounded, Bound::Excluded(&end[..])))
        .direction(Direction::Reverse)
        .each(store, |sort, value| {
            let offset = keys::parse_offset(sort)?;
            *left = left.saturating_sub(1);
            if let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)? {
                block.push(Fed {
                    saga: SagaId::new(saga_id),
                    place: TimelineKey {
                        recorded_at: Millis(recorded_at),
                        position: Position::new(partition, offset),
                    },
                });
            }
            let full = block.len() == BLOCK || *left == 0;
            if full {
                reached = offset;
            }
            Ok(until(full))
        })?;
    Ok((block, reached))
}

fn arrived_at(store: &dyn StoreRead, fed: &Fed) -> Result<Millis, StoreError> {
    let mut key = Key::default();
    keys::log(&mut key, &fed.saga, fed.place);
    let row = store.get(Table::Log, &key)?.ok_or_else(|| {
        StoreError::Corrupt(format!(
            "log: saga {} has no event at {}, which the feed names",
            fed.saga, fed.place.position
        ))
    })?;
    Ok(LogRecord::read(&row)?.arrived_at())
}
