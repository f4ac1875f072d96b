//! Visits the rows of redrives: what was asked for, and what became of each dead letter.

use crate::domain::Position;
use crate::store::codec::Record;
use crate::store::records::{RedriveLetterRecord, RedriveRecord};
use crate::store::{Direction, Key, Scan, StoreError, StoreRead, Table, keys};
use std::ops::{Bound, ControlFlow};

/// Visits what was asked for, by number.
pub(super) fn each_job(
    store: &dyn StoreRead,
    direction: Direction,
    limit: usize,
    mut visit: impl FnMut(u64, &RedriveRecord<'_>),
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, 0);
    let jobs = Scan::of(Table::Redrives, key.partition());
    jobs.direction(direction).limit(limit).each(store, |sort, value| {
        visit(keys::parse_number(sort)?, &RedriveRecord::read(value)?);
        Ok(ControlFlow::Continue(()))
    })
}

/// Visits the letters of a redrive in order of their positions, behind one of them.
pub(super) fn letters(
    store: &dyn StoreRead,
    number: u64,
    after: Option<Position>,
    limit: usize,
    mut visit: impl FnMut(Position, RedriveLetterRecord<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::redrive_letter(&mut key, number, after.unwrap_or(Position::new(0, 0)));
    let from = match after {
        Some(_) => Bound::Excluded(key.sort()),
        None => Bound::Unbounded,
    };
    Scan::of(Table::Redrives, key.partition())
        .range((from, Bound::Unbounded))
        .limit(limit)
        .each(store, |sort, value| {
            visit(keys::parse_position(sort)?, RedriveLetterRecord::read(value)?)?;
            Ok(ControlFlow::Continue(()))
        })
}
