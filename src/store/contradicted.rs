//! Which sagas were known by another delivery of an event than the one that stands today, with another body, and when.
//!
//! How long others stood in for an event is in `stood_in`. Where different bodies of it were delivered, what was known
//! of the saga meanwhile may be something else than what stands now says, and there is a row, as one of [`intervals`],
//! so that an instant finds those that it lies in.

use super::codec::Record;
use super::keys;
use super::records::{ContradictedRecord, StoodInRecord};
use super::{Batch, Generation, Key, ProjectionTable, Scan, StoreError, StoreRead, Table, intervals};
use crate::domain::{EventDigest, Millis, SagaId};
use std::ops::{Bound, ControlFlow};

/// An event of a saga.
pub type Of<'s> = (&'s SagaId, EventDigest);

/// Visits the sagas with an event that was contradicted and known by another delivery at an instant, and others that
/// are read on the way, told by `false`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn each_at(
    store: &dyn StoreRead,
    generation: Generation,
    at: Millis,
    mut visit: impl FnMut(SagaId, bool) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let behind = keys::sortable_i64(at.0.saturating_add(1));
    let mut goes_on = true;
    for cell in intervals::cells_around(at, at) {
        let mut key = Key::default();
        keys::contradicted_partition(&mut key, cell);
        Scan::of(table(generation), key.partition())
            .range((Bound::Included(&behind[..]), Bound::Unbounded))
            .each(store, |sort, row| {
                let (_, _, saga) = keys::parse_contradicted_sort(sort)?;
                let had_begun = ContradictedRecord::read(row)?.from <= at.0;
                let flow = visit(SagaId::new(saga), had_begun);
                goes_on = flow.is_continue();
                Ok(flow)
            })?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Adds the row of an event that is contradicted.
pub fn put(rows: &mut Batch, generation: Generation, of: Of<'_>, record: &StoodInRecord) {
    let from = record.from().0;
    rows.put_with(table(generation), &key_of(of, record), |bytes| {
        ContradictedRecord { from }.write(bytes);
    });
}

/// Removes the row of an event, if it has one.
pub fn delete(rows: &mut Batch, generation: Generation, of: Of<'_>, record: &StoodInRecord) {
    rows.delete(table(generation), &key_of(of, record));
}

fn table(generation: Generation) -> Table {
    Table::Projection(generation, ProjectionTable::Contradicted)
}

fn key_of(of: Of<'_>, record: &StoodInRecord) -> Key {
    let (from, until) = (record.from(), record.until());
    let mut key = Key::default();
    keys::contradicted(&mut key, intervals::cell_of(from, until), until, of);
    key
}
