//! In which partitions something lies that this replica cannot read yet.
//!
//! A letter of an unknown schema becomes an event at its own place once the registry says its schema.
//! Until then nobody here knows which saga it is of, while another replica may have decoded it at once.
//! So its partition tells no time to whoever decides, and whoever applies waits for it. Only open letters
//! count: one that was discarded, or came back, is settled, so a made-up id holds nothing up for good.

use crate::domain::{Cut, Position};
use crate::pipeline::decode::DefectReason;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterState, ValueHash, counts, marks};
use crate::store::records::DeadLetterSummaryRecord;
use crate::store::{Read, StoreError, Table, keys, read};
use std::collections::BTreeSet;

/// The partitions with open letters of unknown schemas inside the cut. `store` is one moment.
///
/// # Errors
/// [`StoreError`] when letters cannot be read.
pub(super) fn waiting_letters(store: &dyn Read, cut: &Cut) -> Result<BTreeSet<u32>, StoreError> {
    let mut waiting = BTreeSet::new();
    let reason = DefectReason::UnknownSchema.as_str();
    if counts(store)?.get(reason).is_none_or(|counts| counts.open == 0) {
        return Ok(waiting);
    }
    read::try_scan_table(store, Table::Letters, |partition, sort, value| {
        let partition = keys::parse_offset_partition(partition)?;
        let letter = Position::new(partition, keys::parse_offset(sort)?);
        if !waiting.contains(&partition) && cut.contains(letter) && is_waiting(store, letter, value)? {
            waiting.insert(partition);
        }
        Ok(())
    })?;
    Ok(waiting)
}

fn is_waiting(store: &dyn Read, letter: Position, row: &[u8]) -> Result<bool, StoreError> {
    let record = DeadLetterSummaryRecord::read(row)?;
    if record.reason != DefectReason::UnknownSchema.as_str() {
        return Ok(false);
    }
    let marks = marks(store, letter)?;
    Ok(DeadLetterState::after(ValueHash(record.value), &marks) == DeadLetterState::Open)
}
