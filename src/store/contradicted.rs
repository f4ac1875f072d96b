//! Which events were known by another delivery than the one that stands for them today, and when.
//!
//! Of the deliveries of an event the one at the lowest position stands. Where it arrived after another one, that one
//! stood in for it: from the first arrival of any of them until that of the one that stands. `timelines` has a row for
//! each such event of a saga. Where different bodies of it were delivered, what was known of the saga meanwhile may be
//! something else than what stands now says, and `contradicted` has a row as well, as one of [`intervals`], so that
//! an instant finds those that it lies in.
//!
//! Both are functions of an event's deliveries, in whatever order they were consumed. In one partition deliveries
//! arrive in the order of their positions, so there are hardly any rows where a saga's events are in one partition.

use super::codec::Record;
use super::keys::{self, TimelineRow};
use super::records::{ContradictedRecord, StoodInRecord};
use super::{Batch, Generation, Key, ProjectionTable, Scan, StoreError, StoreRead, Table, intervals};
use crate::domain::{EventDigest, Millis, SagaId};
use std::ops::{Bound, ControlFlow};

fn timelines(generation: Generation) -> Table {
    Table::Projection(generation, ProjectionTable::Timelines)
}

/// An event of a saga.
pub type Of<'s> = (&'s SagaId, EventDigest);

/// How long others stood in for these events of sagas, in their order; `None` where none did.
///
/// # Errors
/// [`StoreError`] when a row cannot be read.
pub fn stood_in(
    store: &dyn StoreRead,
    generation: Generation,
    events: &[Of<'_>],
) -> Result<Vec<Option<StoodInRecord>>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = events.iter().map(|of| stood_in_key(*of)).collect();
    let rows = store.multi_get(timelines(generation), &keys)?.into_iter();
    rows.map(|row| row.map(|row| StoodInRecord::read(&row)).transpose())
        .collect()
}

/// Visits the events of a saga for which others stood in.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn each_of_saga(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    mut visit: impl FnMut(EventDigest, StoodInRecord) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::StoodIn, saga);
    Scan::of(timelines(generation), key.partition()).each(store, |sort, row| {
        Ok(visit(
            keys::parse_timeline_event(sort)?,
            StoodInRecord::read(row)?,
        ))
    })
}

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
    for home in intervals::homes_of(at, at) {
        let mut key = Key::default();
        keys::contradicted_partition(&mut key, home);
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

/// Says how long others stood in for an event, or that none did.
pub fn put_stood_in(rows: &mut Batch, generation: Generation, of: Of<'_>, record: Option<&StoodInRecord>) {
    let (table, key) = (timelines(generation), stood_in_key(of));
    match record {
        Some(record) => rows.put_with(table, &key, |bytes| record.write(bytes)),
        None => rows.delete(table, &key),
    }
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
    keys::contradicted(&mut key, intervals::home(from, until), until, of);
    key
}

fn stood_in_key((saga, event): Of<'_>) -> Key {
    let mut key = Key::default();
    keys::timeline_event(&mut key, TimelineRow::StoodIn, saga, event);
    key
}
