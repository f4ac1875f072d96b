//! How long another delivery of an event stood in for the one that stands today.
//!
//! Of the deliveries of an event the one at the lowest position stands. Where it arrived after another one, that one
//! stood in for it: from the first arrival of any of them until that of the one that stands. `timelines` has a row for
//! each such event of a saga. It is a function of the event's deliveries, in whatever order they were consumed. In one
//! partition deliveries arrive in the order of their positions, so there are hardly any rows where a saga's events are
//! in one partition.

use super::codec::Record;
use super::contradicted::Of;
use super::keys::{self, TimelineRow};
use super::records::StoodInRecord;
use super::timelines::table;
use super::{Batch, Generation, Key, Scan, StoreError, StoreRead};
use crate::domain::{EventDigest, SagaId};
use std::ops::ControlFlow;

/// How long others stood in for these events of sagas, in their order; `None` where none did.
///
/// # Errors
/// [`StoreError`] when a row cannot be read.
pub fn find(
    store: &dyn StoreRead,
    generation: Generation,
    events: &[Of<'_>],
) -> Result<Vec<Option<StoodInRecord>>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = events.iter().map(|of| key_of(*of)).collect();
    let rows = store.multi_get(table(generation), &keys)?.into_iter();
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
    Scan::of(table(generation), key.partition()).each(store, |sort, row| {
        Ok(visit(
            keys::parse_timeline_event(sort)?,
            StoodInRecord::read(row)?,
        ))
    })
}

/// Says how long others stood in for an event, or that none did.
pub fn put(rows: &mut Batch, generation: Generation, of: Of<'_>, record: Option<&StoodInRecord>) {
    let (table, key) = (table(generation), key_of(of));
    match record {
        Some(record) => rows.put_with(table, &key, |bytes| record.write(bytes)),
        None => rows.delete(table, &key),
    }
}

fn key_of((saga, event): Of<'_>) -> Key {
    let mut key = Key::default();
    keys::timeline_event(&mut key, TimelineRow::StoodIn, saga, event);
    key
}
