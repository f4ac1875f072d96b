//! The account of dead letters: what is known of each agrees with its bytes, every letter can be
//! found by its event, and the sums by reason and state are what the rows add up to.

use super::report::Differences;
use crate::domain::Position;
use crate::store::codec::Record;
use crate::store::dead_letters::{self, DeadLetterCounts, DeadLetterMark, Happened, ValueHash};
use crate::store::records::{DeadLetterRecord, DeadLetterSummaryRecord, MAX_KEPT_BYTES};
use crate::store::{Key, SharedStore, StoreError, StoreRead, Table, keys, reads};
use std::collections::BTreeMap;

pub(super) fn check(store: &SharedStore, differences: &mut Differences) -> Result<(), StoreError> {
    let snapshot = store.snapshot();
    let store = &*snapshot;
    check_bytes(store, differences)?;
    let mut sums = Sums::new();
    let findable = check_listed(store, &mut sums, differences)?;
    check_found(store, findable, differences)?;
    add_removed(store, &mut sums, differences)?;
    check_sums(store, &sums, differences)
}

/// Letters by reason.
type Sums = BTreeMap<String, DeadLetterCounts>;

/// What is listed of each letter is what its bytes say.
fn check_bytes(store: &dyn StoreRead, differences: &mut Differences) -> Result<(), StoreError> {
    each(store, Table::DeadLetters, |partition, sort, value| {
        let at = place(partition, sort)?;
        let letter = DeadLetterRecord::read(value)?;
        let Some(listed) = store.get(Table::Letters, &Key::new(partition, sort))? else {
            differences.add(|| format!("letters {at}: missing, although the dead letter is there"));
            return Ok(());
        };
        if !is_listed_as(&DeadLetterSummaryRecord::read(&listed)?, &letter) {
            differences.add(|| format!("letters {at}: differs from the dead letter"));
        }
        Ok(())
    })
}

fn is_listed_as(listed: &DeadLetterSummaryRecord<'_>, letter: &DeadLetterRecord<'_>) -> bool {
    (listed.topic, listed.reason, listed.detail, listed.arrived_at)
        == (letter.topic, letter.reason, letter.detail, letter.arrived_at)
        && has_value(listed, letter.value)
}

/// Of a value that is not kept whole nobody can make the hash again.
fn has_value(listed: &DeadLetterSummaryRecord<'_>, kept: Option<&[u8]>) -> bool {
    let bytes = kept.map_or(0, <[u8]>::len);
    if bytes == MAX_KEPT_BYTES && listed.bytes > bytes as u64 {
        return true;
    }
    listed.bytes == bytes as u64 && listed.value == ValueHash::of(kept).0
}

/// Every listed letter has its bytes and is found by its event. How many have one; adds them up.
fn check_listed(
    store: &dyn StoreRead,
    sums: &mut Sums,
    differences: &mut Differences,
) -> Result<u64, StoreError> {
    let mut findable = 0;
    each(store, Table::Letters, |partition, sort, value| {
        let at = place(partition, sort)?;
        let listed = DeadLetterSummaryRecord::read(value)?;
        let bytes = store.get(Table::DeadLetters, &Key::new(partition, sort))?;
        if bytes.is_none() {
            differences.add(|| format!("dead_letters {at}: missing, although it is listed"));
        }
        if let Some(id) = listed.event_id {
            findable += 1;
            let mut key = Key::default();
            keys::letter_by_event(&mut key, id, at);
            if store.get(Table::LettersByEvent, &key)?.is_none() {
                differences.add(|| format!("letters_by_event {at}: missing, its event is {id:?}"));
            }
        }
        let state = dead_letters::state(store, at, ValueHash(listed.value))?;
        sums.entry(listed.reason.to_owned()).or_default().add(state);
        Ok(())
    })?;
    Ok(findable)
}

/// Nothing else is found by an event.
fn check_found(
    store: &dyn StoreRead,
    findable: u64,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let mut found = 0u64;
    each(store, Table::LettersByEvent, |_, _, _| {
        found += 1;
        Ok(())
    })?;
    if found != findable {
        differences
            .add(|| format!("letters_by_event: {found} rows, the dead letters have {findable} events"));
    }
    Ok(())
}

/// Adds up letters of which only the mark of their removal is left, and looks that no two marks say the same.
fn add_removed(
    store: &dyn StoreRead,
    sums: &mut Sums,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let mut before = None;
    each(store, Table::DeadLetterMarks, |partition, sort, value| {
        let mark = keys::parse_letter_mark(sort)?;
        if let Happened::Removed(removal) = DeadLetterMark::read(mark.by, value)?.what {
            if let Some(reason) = &removal.reason {
                sums.entry(reason.clone()).or_default().add_removed(&removal);
            }
            return Ok(());
        }
        let about = (partition.to_vec(), mark.offset, mark.kind, mark.value);
        if before.as_ref() == Some(&about) {
            differences.add(|| format!("letter_marks {:?}: more than one says the same", mark));
        }
        before = Some(about);
        Ok(())
    })
}

fn check_sums(store: &dyn StoreRead, sums: &Sums, differences: &mut Differences) -> Result<(), StoreError> {
    let mut stored = dead_letters::counts(store)?;
    // All of a reason may have become readable since.
    stored.retain(|_, counts| counts.total() + counts.removed() > 0);
    if stored != *sums {
        differences.add(|| format!("sums of dead letters: stored {stored:?}, the rows add up to {sums:?}"));
    }
    Ok(())
}

fn place(partition: &[u8], sort: &[u8]) -> Result<Position, StoreError> {
    Ok(Position::new(
        keys::parse_offset_partition(partition)?,
        keys::parse_offset(sort)?,
    ))
}

fn each(
    store: &dyn StoreRead,
    table: Table,
    visit: impl FnMut(&[u8], &[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    reads::try_scan_table(store, table, visit)
}
