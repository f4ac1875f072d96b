//! What a record is recognised by when it is read again.

use crate::pipeline::kafka::source::RawRecord;

/// A record of so many bytes is hashed at once.
const LARGE: usize = 64 << 10;

/// A digest of the record's timestamp, key and value.
pub fn fingerprint_of(record: &RawRecord<'_>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    each_part(record, |bytes| {
        hasher.update(bytes);
    });
    first_bytes(hasher.finalize())
}

/// What a fingerprint is made of, when somebody asks for it: of most records nobody does, so the bytes of a small
/// one are only kept.
#[derive(Default)]
pub(super) struct Impression {
    bytes: Vec<u8>,
    /// Of a large one.
    fingerprint: Option<u64>,
}

impl Impression {
    /// Of this record, in place of the one before.
    pub(super) fn take(&mut self, record: &RawRecord<'_>) {
        self.bytes.clear();
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let is_large = length(record.key).saturating_add(length(record.value)) > LARGE;
        self.fingerprint = is_large.then(|| fingerprint_of(record));
        if !is_large {
            each_part(record, |part| self.bytes.extend_from_slice(part));
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
            .unwrap_or_else(|| first_bytes(blake3::hash(&self.bytes)))
    }
}

fn each_part(record: &RawRecord<'_>, mut part: impl FnMut(&[u8])) {
    part(&record.timestamp.unwrap_or_default().0.to_be_bytes());
    for bytes in [record.key, record.value] {
        part(&[u8::from(bytes.is_some())]);
        let bytes = bytes.unwrap_or_default();
        part(&(bytes.len() as u64).to_be_bytes());
        part(bytes);
    }
}

fn first_bytes(hash: blake3::Hash) -> u64 {
    let first = hash.as_bytes().first_chunk();
    first.map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, Position};
    use crate::pipeline::kafka::source::RawHeaders;

    fn record(value: &[u8]) -> RawRecord<'_> {
        RawRecord {
            position: Position::new(0, 3),
            timestamp: Some(Millis(7)),
            key: Some(b"k"),
            value: Some(value),
            headers: RawHeaders::List(&[]),
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_however_it_is_made() {
        let mut impression = Impression::default();
        for length in [0, 5, LARGE - 1, LARGE, 3 * LARGE] {
            let value = vec![9; length];
            impression.take(&record(&value));
            assert_eq!(
                impression.fingerprint(),
                fingerprint_of(&record(&value)),
                "{length}"
            );
            assert!(impression.bytes.capacity() <= 2 * LARGE);
        }
        // As it stands in stores: each part behind whether it is there and its length.
        let bytes = [
            &7u64.to_be_bytes()[..],
            &[1],
            &1u64.to_be_bytes(),
            b"k",
            &[1],
            &5u64.to_be_bytes(),
            b"value",
        ];
        let stored = first_bytes(blake3::hash(&bytes.concat()));
        assert_eq!(fingerprint_of(&record(b"value")), stored);
    }
}
