//! What a record is recognised by when it is read again.

use crate::pipeline::kafka::source::RawRecord;

/// A digest of the record's timestamp, key and value.
pub fn fingerprint_of(record: &RawRecord<'_>) -> u64 {
    fingerprint(&record_bytes(record))
}

pub(super) fn record_bytes(record: &RawRecord<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_record_bytes(record, &mut bytes);
    bytes
}

pub(super) fn write_record_bytes(record: &RawRecord<'_>, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend_from_slice(&record.timestamp.unwrap_or_default().0.to_be_bytes());
    for part in [record.key, record.value] {
        bytes.push(u8::from(part.is_some()));
        let part = part.unwrap_or_default();
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
}

pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    blake3::hash(bytes)
        .as_bytes()
        .first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first))
}
