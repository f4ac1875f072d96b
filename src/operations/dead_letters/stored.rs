//! Dead letters in order of their offsets.

use crate::domain::{Cut, Millis, Position};
use crate::store::codec::Record;
use crate::store::records::{DeadLetterRecord, DeadLetterSummaryRecord, MAX_KEPT_BYTES, TotalRecord};
use crate::store::{Key, Scan, StoreError, StoreRead, Table, keys, offsets, until};
use std::ops::ControlFlow::Continue;

/// Letters are read together until they are of so many bytes; one letter more than that.
const MAX_BYTES: usize = 8 << 20;

/// A record that could not be applied, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stood.
    pub position: Position,
    /// The topic that it was consumed from.
    pub topic: String,
    /// Why, as one of the fixed reasons.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Arrival time.
    pub arrived_at: Millis,
    /// Kafka's timestamp as it came.
    pub timestamp: Option<Millis>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value; of a longer one [`MAX_KEPT_BYTES`].
    pub value: Option<Vec<u8>>,
    /// Bytes that its value had.
    pub value_bytes: u64,
    /// The record's headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl DeadLetter {
    /// The letter that stands in a row.
    pub(super) fn read(store: &dyn StoreRead, position: Position, row: &[u8]) -> Result<Self, StoreError> {
        let mut letter = Self::of(position, DeadLetterRecord::read(row)?);
        letter.find_length(store)?;
        Ok(letter)
    }

    /// How long a value was that is not kept whole.
    fn find_length(&mut self, store: &dyn StoreRead) -> Result<(), StoreError> {
        if self.value_bytes < MAX_KEPT_BYTES as u64 {
            return Ok(());
        }
        let mut key = Key::default();
        keys::by_offset(&mut key, self.position);
        if let Some(row) = store.get(Table::Letters, &key)? {
            self.value_bytes = DeadLetterSummaryRecord::read(&row)?.bytes;
        }
        Ok(())
    }

    fn of(position: Position, record: DeadLetterRecord<'_>) -> Self {
        Self {
            value_bytes: record.value.map_or(0, |value| value.len() as u64),
            position,
            topic: record.topic.to_owned(),
            reason: record.reason.to_owned(),
            detail: record.detail.to_owned(),
            arrived_at: Millis(record.arrived_at),
            timestamp: record.timestamp.map(Millis),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

/// The next dead letters of one partition in `from..to`, at most `limit` and some megabytes, and the offset that all
/// before it are read.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn dead_letters_from(
    store: &dyn StoreRead,
    partition: u32,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<(Vec<DeadLetter>, u64), StoreError> {
    let rows = offsets::of_partition(store, Table::DeadLetters, partition);
    let (mut letters, mut bytes) = (Vec::new(), 0);
    let next = rows.forward(from..to, |offset, value| {
        let record = DeadLetterRecord::read(value)?;
        letters.push(DeadLetter::of(Position::new(partition, offset), record));
        bytes += value.len();
        let is_full = letters.len() >= limit || bytes >= MAX_BYTES;
        Ok(until(is_full))
    })?;
    for letter in &mut letters {
        letter.find_length(store)?;
    }
    Ok((letters, next))
}

/// Up to which offset of each partition dead letters have been published.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub(super) fn published(store: &dyn StoreRead, name: &str) -> Result<Cut, StoreError> {
    let mut cut = Cut::default();
    Scan::of(Table::Meta, name.as_bytes()).each(store, |sort, value| {
        let next = TotalRecord::read(value)?.value;
        cut.set(
            keys::parse_partition_number(sort)?,
            u64::try_from(next).unwrap_or(0),
        );
        Ok(Continue(()))
    })?;
    Ok(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::dead_letters::testing;
    use crate::testkit::{self, TOPIC};

    #[test]
    fn letters_are_read_together_up_to_some_megabytes() {
        let store = testkit::store();
        let value = vec![0; 5 << 20];
        for offset in 0..3 {
            testing::put_letter(&store, TOPIC, Position::new(0, offset), Some(&value));
        }
        let (first, next) = dead_letters_from(&*store, 0, 0, 9, 100).unwrap();
        assert_eq!((first.len(), next), (2, 2));
        let (rest, next) = dead_letters_from(&*store, 0, next, 9, 100).unwrap();
        assert_eq!((rest.len(), next), (1, 9));
    }
}
