//! Which redrives have not ended: found without reading those that have.

use super::super::asking::MAX_UNENDED;
use super::rows;
use crate::store::codec::Record;
use crate::store::records::PresenceRecord;
use crate::store::{
    Batch, Direction, Durability, Key, Scan, SharedStore, StoreError, StoreRead, Table, keys,
};
use std::ops::{Bound, ControlFlow};

/// No redrive has this number. Its row says that all that have not ended have one.
const ALL_LISTED: u64 = 0;

/// Adds to a batch that a redrive has not ended.
pub(super) fn add(batch: &mut Batch, number: u64) {
    let mut key = Key::default();
    keys::redrive_unended(&mut key, number);
    batch.put_with(Table::Redrives, &key, |bytes| PresenceRecord.write(bytes));
}

/// Adds to a batch that a redrive has ended.
pub(super) fn remove(batch: &mut Batch, number: u64) {
    let mut key = Key::default();
    keys::redrive_unended(&mut key, number);
    batch.delete(Table::Redrives, &key);
}

/// The oldest of them.
pub(super) fn first(store: &dyn StoreRead) -> Result<Option<u64>, StoreError> {
    Ok(oldest(store, 1)?.pop())
}

/// All of them, oldest first.
pub(super) fn all(store: &dyn StoreRead) -> Result<Vec<u64>, StoreError> {
    oldest(store, MAX_UNENDED)
}

/// Whether no further one may wait.
pub(super) fn are_too_many(store: &dyn StoreRead) -> Result<bool, StoreError> {
    Ok(oldest(store, MAX_UNENDED)?.len() >= MAX_UNENDED)
}

fn oldest(store: &dyn StoreRead, limit: usize) -> Result<Vec<u64>, StoreError> {
    let mut key = Key::default();
    keys::redrive_unended(&mut key, ALL_LISTED);
    let mut found = Vec::new();
    Scan::of(Table::Redrives, key.partition())
        .range((Bound::Excluded(key.sort()), Bound::Unbounded))
        .limit(limit)
        .each(store, |sort, _| {
            found.push(keys::parse_number(sort)?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(found)
}

/// Lists those of a store that an older version wrote, which had no such rows. Done once; nobody may end one
/// meanwhile.
pub(super) fn list_all_once(store: &SharedStore) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::redrive_unended(&mut key, ALL_LISTED);
    if store.get(Table::Redrives, &key)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    rows::each_job(&**store, Direction::Forward, usize::MAX, |number, record| {
        if record.ended_at.is_none() {
            add(&mut batch, number);
        }
    })?;
    add(&mut batch, ALL_LISTED);
    store.write(&batch, Durability::Power)
}
