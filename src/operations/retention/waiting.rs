//! In which partitions something lies that this replica cannot read yet.
//!
//! A letter of an unknown schema becomes an event at its own place once the registry says its schema.
//! Until then nobody here knows which saga it is of, while another replica may have decoded it at once.
//! So its partition tells no time to whoever decides, and whoever applies waits for it. One that was discarded, or
//! came back, is waited for until the registry was asked for its schema since it is there: what is settled may be
//! an event elsewhere all the same, and a made-up id must hold nothing up for good.

use super::claim::{SeenAll, seen_within};
use crate::domain::{Cut, Position};
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterState, ValueHash, counts, state};
use crate::store::records::{DeadLetterSummaryRecord, UNKNOWN_SCHEMA};
use crate::store::{StoreError, StoreRead, Table, keys, reads};
use std::collections::BTreeSet;

/// The partitions with letters of unknown schemas inside the cut that are waited for. `store` is one moment, and
/// `asked` what had been asked for before it.
///
/// # Errors
/// [`StoreError`] when letters cannot be read.
pub(super) fn waiting_letters(
    store: &dyn StoreRead,
    cut: &Cut,
    asked: &Cut,
) -> Result<BTreeSet<u32>, StoreError> {
    let mut waiting = BTreeSet::new();
    if counts(store)?
        .get(UNKNOWN_SCHEMA)
        .is_none_or(|counts| counts.total() == 0)
    {
        return Ok(waiting);
    }
    reads::try_scan_table(store, Table::Letters, |partition, sort, value| {
        let partition = keys::parse_offset_partition(partition)?;
        let letter = Position::new(partition, keys::parse_offset(sort)?);
        if !waiting.contains(&partition) && cut.contains(letter) && is_waiting(store, letter, value, asked)? {
            waiting.insert(partition);
        }
        Ok(())
    })?;
    Ok(waiting)
}

fn is_waiting(store: &dyn StoreRead, letter: Position, row: &[u8], asked: &Cut) -> Result<bool, StoreError> {
    let record = DeadLetterSummaryRecord::read(row)?;
    if record.reason != UNKNOWN_SCHEMA {
        return Ok(false);
    }
    let is_asked_for = asked.contains(letter);
    Ok(!is_asked_for || state(store, letter, ValueHash(record.value))? == DeadLetterState::Open)
}

/// What is seen of the partitions in which all can be read: where a letter waits for its schema, nobody
/// here knows what has arrived, so nothing is due there. What was asked for is older than the snapshot.
pub(crate) fn readable_within(
    snapshot: &dyn StoreRead,
    cut: &Cut,
    asked: &Cut,
) -> Result<SeenAll, StoreError> {
    let waiting = waiting_letters(snapshot, cut, asked)?;
    let mut seen = seen_within(snapshot, cut)?;
    seen.retain(|partition, _| !waiting.contains(partition));
    Ok(seen)
}
