//! Reads what happened to letters: no more marks than count for the answer, however many there are.
//!
//! Which marks count is decided in [`super::dead_letter_marks`].

use super::dead_letter_marks::{DeadLetterMark, DeadLetterState, Happened, Removal, ValueHash};
use super::{Key, Scan, StoreError, StoreRead, Table, keys, until};
use crate::domain::Position;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// So many marks of a letter are told, at most.
pub(super) const MAX_MARKS_TOLD: usize = 100;

/// Visits the marks that a key prefix stands for, in order, until told to stop.
fn each(
    store: &dyn StoreRead,
    prefix: &Key,
    limit: usize,
    mut visit: impl FnMut(DeadLetterMark) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    // Behind every key that goes on from the prefix: what follows it is of 28 bytes at most.
    let mut end = prefix.sort().to_vec();
    end.extend_from_slice(&[u8::MAX; 32]);
    let range = (Bound::Included(prefix.sort()), Bound::Included(&end[..]));
    let partition = prefix.partition();
    Scan::of(Table::DeadLetterMarks, partition)
        .range(range)
        .limit(limit)
        .each(store, |sort, value| {
            visit(DeadLetterMark::read(keys::parse_letter_mark(sort)?.by, value)?)
        })
}

/// The first mark of a kind about a value.
pub(super) fn first_about(
    store: &dyn StoreRead,
    letter: Position,
    kind: u8,
    value: ValueHash,
) -> Result<Option<DeadLetterMark>, StoreError> {
    let mut key = Key::default();
    keys::letter_marks_about(&mut key, letter, kind, &value.0);
    let mut found = None;
    each(store, &key, 1, |mark| {
        found = Some(mark);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Visits the marks of one kind of a letter, until told to stop.
pub(super) fn each_of_kind(
    store: &dyn StoreRead,
    letter: Position,
    kind: u8,
    visit: impl FnMut(DeadLetterMark) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::letter_marks_of_kind(&mut key, letter, kind);
    each(store, &key, usize::MAX, visit)
}

/// Says that the letter was removed, if it was. A decision about a letter that has not come yet removes
/// nothing so far.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn removed(
    store: &dyn StoreRead,
    letter: Position,
) -> Result<Option<(DeadLetterMark, Removal)>, StoreError> {
    let mut found = None;
    each_of_kind(store, letter, DeadLetterMark::REMOVED, |mark| {
        if let Happened::Removed(removal) = &mark.what
            && removal.reason.is_some()
        {
            let removal = removal.clone();
            found = Some((mark, removal));
        }
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Whether it was announced that the letter will come back with that value.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn is_announced(store: &dyn StoreRead, letter: Position, value: ValueHash) -> Result<bool, StoreError> {
    Ok(first_about(store, letter, DeadLetterMark::ANNOUNCED, value)?.is_some())
}

/// Whether a record with that value says that the letter came back.
pub(super) fn is_returned(
    store: &dyn StoreRead,
    letter: Position,
    value: ValueHash,
) -> Result<bool, StoreError> {
    Ok(first_about(store, letter, DeadLetterMark::RETURNED, value)?.is_some())
}

fn is_discarded(store: &dyn StoreRead, letter: Position) -> Result<bool, StoreError> {
    let discarded = first_about(store, letter, DeadLetterMark::DISCARDED, ValueHash::default())?;
    Ok(discarded.is_some())
}

/// The state of a letter of that value.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn state(
    store: &dyn StoreRead,
    letter: Position,
    value: ValueHash,
) -> Result<DeadLetterState, StoreError> {
    if let Some((_, removal)) = removed(store, letter)? {
        return Ok(removal.state());
    }
    let mut returned = is_returned(store, letter, value)?;
    if !returned {
        each_of_kind(store, letter, DeadLetterMark::ANNOUNCED, |mark| {
            returned = is_returned(store, letter, mark.about())?;
            Ok(until(returned))
        })?;
    }
    Ok(if returned {
        DeadLetterState::Redriven
    } else if is_discarded(store, letter)? {
        DeadLetterState::Discarded
    } else {
        DeadLetterState::Open
    })
}

/// What happened to a letter of that value as far as it counts, but announcements: that it came back,
/// with its value and with those that were announced, and that it was discarded. Never more than
/// 100 of them.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn counted(
    store: &dyn StoreRead,
    letter: Position,
    value: ValueHash,
) -> Result<Vec<DeadLetterMark>, StoreError> {
    let about = |kind, value| first_about(store, letter, kind, value);
    let mut found = Vec::new();
    found.extend(about(DeadLetterMark::DISCARDED, ValueHash::default())?);
    found.extend(about(DeadLetterMark::RETURNED, value)?);
    each_of_kind(store, letter, DeadLetterMark::ANNOUNCED, |mark| {
        if mark.about() != value {
            found.extend(about(DeadLetterMark::RETURNED, mark.about())?);
        }
        Ok(until(found.len() >= MAX_MARKS_TOLD))
    })?;
    found.sort_by_key(|mark| (mark.kind(), mark.by));
    Ok(found)
}

/// What happened to letters of one partition with offsets in `from..to` of one bucket of
/// [`keys::FEED_BUCKET_BITS`], by offset, and the offset up to which that is all: no more than `limit` marks
/// are read.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn marks_between(
    store: &dyn StoreRead,
    from: Position,
    to: u64,
    limit: usize,
) -> Result<(BTreeMap<u64, Vec<DeadLetterMark>>, u64), StoreError> {
    let mut found: BTreeMap<u64, Vec<DeadLetterMark>> = BTreeMap::new();
    let mut key = Key::default();
    keys::by_offset(&mut key, from);
    let (first, end) = (from.offset.to_be_bytes(), to.to_be_bytes());
    let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
    let (mut rows, mut reached) = (0, from.offset);
    let partition = key.partition();
    Scan::of(Table::DeadLetterMarks, partition)
        .range(range)
        .limit(limit)
        .each(store, |sort, value| {
            let mark = keys::parse_letter_mark(sort)?;
            (rows, reached) = (rows + 1, mark.offset);
            let marks = found.entry(mark.offset).or_default();
            marks.push(DeadLetterMark::read(mark.by, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok((found, if rows < limit { to } else { reached }))
}

/// The first of all that happened to one letter, 100 at most, whether it counts or not.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn marks(store: &dyn StoreRead, letter: Position) -> Result<Vec<DeadLetterMark>, StoreError> {
    let (mut found, _) = marks_between(store, letter, letter.offset.saturating_add(1), MAX_MARKS_TOLD)?;
    Ok(found.remove(&letter.offset).unwrap_or_default())
}
