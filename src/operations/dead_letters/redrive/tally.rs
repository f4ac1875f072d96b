//! How far each redrive is: how many of its letters became what, in the same write as what they became.

use super::rows;
use crate::domain::Position;
use crate::store::codec::Record;
use crate::store::records::{RedriveLetterRecord, RedriveTallyRecord};
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, StoreRead, Table, keys};

/// How far a redrive is. Of one that an older version stored the letters are counted.
pub(super) fn of(store: &dyn StoreRead, number: u64) -> Result<RedriveTallyRecord, StoreError> {
    let mut key = Key::default();
    keys::redrive_tally(&mut key, number);
    if let Some(row) = store.get(Table::Redrives, &key)? {
        return RedriveTallyRecord::read(&row);
    }
    let mut tally = RedriveTallyRecord::default();
    rows::letters(store, number, None, usize::MAX, |_, record| {
        *count_of(&mut tally, &record) += 1;
        Ok(())
    })?;
    Ok(tally)
}

/// Adds how far a redrive is to a batch.
pub(super) fn put(batch: &mut Batch, number: u64, tally: &RedriveTallyRecord) {
    let mut key = Key::default();
    keys::redrive_tally(&mut key, number);
    batch.put_with(Table::Redrives, &key, |bytes| tally.write(bytes));
}

/// Adds to a batch that nothing is known of a redrive any more.
pub(super) fn remove(batch: &mut Batch, number: u64) {
    let mut key = Key::default();
    keys::redrive_tally(&mut key, number);
    batch.delete(Table::Redrives, &key);
}

/// Stores what became of letters of a redrive. Whoever works it off is the only one who does.
pub(super) fn settle<'r>(
    store: &SharedStore,
    number: u64,
    letters: impl IntoIterator<Item = (Position, RedriveLetterRecord<'r>)>,
    durability: Durability,
) -> Result<(), StoreError> {
    let (positions, records): (Vec<Position>, Vec<_>) = letters.into_iter().unzip();
    if positions.is_empty() {
        return Ok(());
    }
    let mut tally = of(&**store, number)?;
    let mut batch = Batch::new();
    let letter_keys: Vec<Key> = positions.iter().map(|letter| key_of(number, *letter)).collect();
    let before = store.multi_get(Table::Redrives, &letter_keys)?;
    for ((key, record), before) in letter_keys.iter().zip(records).zip(before) {
        if let Some(before) = before {
            let count = count_of(&mut tally, &RedriveLetterRecord::read(&before)?);
            *count = count.saturating_sub(1);
        }
        *count_of(&mut tally, &record) += 1;
        batch.put_with(Table::Redrives, key, |bytes| record.write(bytes));
    }
    put(&mut batch, number, &tally);
    store.write(&batch, durability)
}

fn key_of(number: u64, letter: Position) -> Key {
    let mut key = Key::default();
    keys::redrive_letter(&mut key, number, letter);
    key
}

/// Where letters of which that is stored are counted.
fn count_of<'t>(tally: &'t mut RedriveTallyRecord, record: &RedriveLetterRecord<'_>) -> &'t mut u64 {
    match record {
        RedriveLetterRecord::Chosen | RedriveLetterRecord::Sending => &mut tally.waiting,
        RedriveLetterRecord::Sent { .. } => &mut tally.sent,
        RedriveLetterRecord::Skipped { .. } => &mut tally.skipped,
        RedriveLetterRecord::Refused { .. } => &mut tally.refused,
        RedriveLetterRecord::Forecast { .. } => &mut tally.forecast,
    }
}
