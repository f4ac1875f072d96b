//! Bytes of a value: a format byte, then bincode. The only module that calls bincode; records beside it derive
//! its traits and know no more of it.
//!
//! bincode is finished and no longer maintained (RUSTSEC-2025-0141). It is pinned, its output is
//! pinned by fixtures, and every value carries a format byte, so it can be replaced record by record.

use super::StoreError;
use crate::domain::SagaStatus;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::DecodeError;
use bincode::{BorrowDecode, Encode};

const WRITE: Configuration<LittleEndian, Varint> = bincode::config::standard();

/// Reads a record that takes at most `MEMORY` bytes; a length in `bytes` that would take more is
/// refused before anything is allocated for it.
fn decode<'a, R: BorrowDecode<'a, ()>, const MEMORY: usize>(
    bytes: &'a [u8],
) -> Result<(R, usize), DecodeError> {
    let config: Configuration<LittleEndian, Varint, Limit<MEMORY>> = WRITE.with_limit::<MEMORY>();
    bincode::borrow_decode_from_slice(bytes, config)
}

/// Reads a record within what its bytes can stand for: no field takes more than 16 times as much
/// memory as it took bytes, so 32 times leaves room, and damaged lengths cannot take much more.
fn decode_bounded<'a, R: BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<(R, usize), DecodeError> {
    const KIB: usize = 1 << 10;
    match bytes.len() {
        0..=2048 => decode::<R, { 64 * KIB }>(bytes),
        2049..=65_536 => decode::<R, { 2048 * KIB }>(bytes),
        65_537..=2_097_152 => decode::<R, { 65_536 * KIB }>(bytes),
        _ => decode::<R, { 1_048_576 * KIB }>(bytes),
    }
}

/// The status with that number in a record.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is none.
pub fn status(tag: u8, table: &str) -> Result<SagaStatus, StoreError> {
    SagaStatus::from_tag(tag).ok_or_else(|| StoreError::Corrupt(format!("{table}: status {tag}")))
}

/// What a table's values look like.
pub trait Record<'a>: Encode + BorrowDecode<'a, ()> {
    /// The table, for messages.
    const TABLE: &'static str;
    /// The first byte of every value.
    const FORMAT: u8;

    /// Appends the record's bytes.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(Self::FORMAT);
        let written = bincode::encode_into_std_write(self, bytes, WRITE);
        // Every field has an encoding, and writing to a Vec cannot fail.
        debug_assert!(
            written.is_ok(),
            "a record of {} did not encode: {written:?}",
            Self::TABLE
        );
    }

    /// The record's bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        self.write(&mut bytes);
        bytes
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`StoreError::UnknownFormat`] for another format byte, [`StoreError::Corrupt`] for bytes that
    /// are no such record.
    fn read(bytes: &'a [u8]) -> Result<Self, StoreError> {
        let (format, rest) = bytes
            .split_first()
            .ok_or_else(|| StoreError::Corrupt(format!("{}: an empty value", Self::TABLE)))?;
        if *format != Self::FORMAT {
            return Err(StoreError::UnknownFormat {
                table: Self::TABLE,
                found: *format,
                expected: Self::FORMAT,
            });
        }
        let (record, used) =
            decode_bounded(rest).map_err(|e| StoreError::Corrupt(format!("{}: {e}", Self::TABLE)))?;
        if used != rest.len() {
            return Err(StoreError::Corrupt(format!(
                "{}: {} bytes too many",
                Self::TABLE,
                rest.len() - used
            )));
        }
        Ok(record)
    }
}
