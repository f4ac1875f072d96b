//! Counters: sums of the serving projections that may never fall for those who read them, whatever becomes of the
//! projections. Beside each sum stands what is carried over to it from the projections that served before
//! (`meta`, this replica's own affair); the counter is both together.

use super::codec::Record;
use super::records::TotalRecord;
use super::{Batch, Direction, Generation, Key, Read, StoreError, Table, WHOLE, keys, read};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Visits a family of counters by their sort keys in `totals`.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or the visitor's.
pub fn counters_of(
    read: &dyn Read,
    generation: Generation,
    name: &str,
    mut visit: impl FnMut(&[u8], i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut sums = carried_to(read, name)?;
    read::totals_of(read, generation, name, |member, sum| {
        *sums.entry(member.into()).or_default() += sum;
        Ok(())
    })?;
    sums.iter().try_for_each(|(member, sum)| visit(member, *sum))
}

/// One counter; 0 when it was never counted.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn counter(read: &dyn Read, generation: Generation, name: &str) -> Result<i64, StoreError> {
    Ok(read::total(read, generation, name)? + carried(read, name, &[])?)
}

/// What is carried over to one counter.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn carried(read: &dyn Read, name: &str, member: &[u8]) -> Result<i64, StoreError> {
    let mut key = Key::default();
    keys::meta_carried(&mut key, name, member);
    let value = read.get(Table::Meta, &key)?;
    let record = value.map(|value| TotalRecord::read(&value)).transpose()?;
    Ok(record.map_or(0, |record| record.value))
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

fn carried_to(read: &dyn Read, name: &str) -> Result<BTreeMap<Box<[u8]>, i64>, StoreError> {
    let mut key = Key::default();
    keys::meta_carried(&mut key, name, &[]);
    let mut carried = BTreeMap::new();
    read::try_scan(
        |visit| {
            read.scan(
                Table::Meta,
                key.partition(),
                WHOLE,
                Direction::Forward,
                usize::MAX,
                visit,
            )
        },
        |member, value| {
            carried.insert(member.into(), TotalRecord::read(value)?.value);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(carried)
}
