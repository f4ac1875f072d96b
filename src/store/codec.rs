//! Bytes of a value: a format byte, then bincode. The only module that knows bincode.
//!
//! bincode is finished and no longer maintained (RUSTSEC-2025-0141). It is pinned, its output is
//! pinned by fixtures, and every value carries a format byte, so it can be replaced record by record.

use super::StoreError;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Encode};

/// No value is longer; lengths beyond it are damage, not data.
const LONGEST_VALUE: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<LONGEST_VALUE>> =
    bincode::config::standard().with_limit::<LONGEST_VALUE>();

/// What a table's values look like.
pub trait Record<'a>: Encode + BorrowDecode<'a, ()> {
    /// The table, for messages.
    const TABLE: &'static str;
    /// The first byte of every value.
    const FORMAT: u8;

    /// Appends the record's bytes.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(Self::FORMAT);
        let written = bincode::encode_into_std_write(self, bytes, CONFIG);
        // Records are built from events whose fields are bounded far below the limit, and writing
        // to a Vec cannot fail.
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
        let (record, used) = bincode::borrow_decode_from_slice(rest, CONFIG)
            .map_err(|e| StoreError::Corrupt(format!("{}: {e}", Self::TABLE)))?;
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
