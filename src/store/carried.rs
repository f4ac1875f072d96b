//! Counters: sums of the serving projections that may never fall for those who read them, whatever becomes of the
//! projections. Beside each sum stands what is carried over to it from the projections that served before
//! (`meta`, this replica's own affair); the counter is both together.

use super::codec::Record;
use super::records::TotalRecord;
use super::{Batch, Generation, Key, Scan, StoreError, StoreRead, Table, keys, reads};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Visits a family of counters by their sort keys in `totals`.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or the visitor's.
pub fn counters_of(
    store: &dyn StoreRead,
    generation: Generation,
    name: &str,
    mut visit: impl FnMut(&[u8], i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut carried = carried_to(store, name)?;
    reads::totals_of(store, generation, name, |member, sum| {
        visit(member, sum + carried.remove(member).unwrap_or(0))
    })?;
    // What is carried over to counters that have no sum any more.
    carried.iter().try_for_each(|(member, sum)| visit(member, *sum))
}

/// One counter; 0 when it was never counted.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn counter(store: &dyn StoreRead, generation: Generation, name: &str) -> Result<i64, StoreError> {
    Ok(reads::total(store, generation, name)? + carried(store, name, &[])?)
}

/// What is carried over to one counter.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn carried(store: &dyn StoreRead, name: &str, member: &[u8]) -> Result<i64, StoreError> {
    let mut key = Key::default();
    keys::meta_carried(&mut key, name, member);
    let value = store.get(Table::Meta, &key)?;
    let record = value.map(|value| TotalRecord::read(&value)).transpose()?;
    Ok(record.map_or(0, |record| record.value))
}

/// What is carried over to some counters of a family by their sort keys, in their order.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn carried_at(store: &dyn StoreRead, name: &str, members: &[Box<[u8]>]) -> Result<Vec<i64>, StoreError> {
    let keys = members.iter().map(|member| {
        let mut key = Key::default();
        keys::meta_carried(&mut key, name, member);
        key
    });
    let keys: Vec<Key> = keys.collect();
    reads::sums_at(store, Table::Meta, &keys)
}

/// Adds to a batch what is carried over to one counter from now on.
pub fn put_carried(batch: &mut Batch, name: &str, member: &[u8], value: i64) {
    let mut key = Key::default();
    keys::meta_carried(&mut key, name, member);
    if value == 0 {
        batch.delete(Table::Meta, &key);
    } else {
        batch.put_with(Table::Meta, &key, |bytes| TotalRecord { value }.write(bytes));
    }
}

fn carried_to(store: &dyn StoreRead, name: &str) -> Result<BTreeMap<Box<[u8]>, i64>, StoreError> {
    let mut carried = BTreeMap::new();
    each(store, name, |member, sum| {
        carried.insert(member.into(), sum);
        Ok(())
    })?;
    Ok(carried)
}

/// Visits what is carried over to a family of counters, by their sort keys.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or the visitor's.
pub fn each(
    store: &dyn StoreRead,
    name: &str,
    mut visit: impl FnMut(&[u8], i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::meta_carried(&mut key, name, &[]);
    let partition = key.partition();
    Scan::of(Table::Meta, partition).each(store, |member, value| {
        visit(member, TotalRecord::read(value)?.value)?;
        Ok(ControlFlow::Continue(()))
    })
}
