//! The bytes of a key: how numbers and texts are put into one, and read back.
//!
//! Which fields the key of a table consists of is not decided here (`keys`).

use crate::domain::TimelineKey;

/// A row's key. Reused between rows to save its memory.
#[derive(Clone, Debug, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: Vec<u8>,
    split: usize,
}

impl Key {
    /// A key from its parts.
    pub fn new(partition: &[u8], sort: &[u8]) -> Self {
        let mut key = Self::default();
        key.begin().text(partition).sort_from_here().text(sort);
        key
    }

    /// The partition key.
    pub fn partition(&self) -> &[u8] {
        &self.bytes[..self.split]
    }

    /// The sort key.
    pub fn sort(&self) -> &[u8] {
        &self.bytes[self.split..]
    }

    pub(super) fn begin(&mut self) -> &mut Self {
        self.bytes.clear();
        self.split = 0;
        self
    }

    /// The partition of a text, all of it; the sort key comes next.
    pub(super) fn named(&mut self, partition: &str) -> &mut Self {
        self.begin().text(partition.as_bytes()).sort_from_here()
    }

    pub(super) fn sort_from_here(&mut self) -> &mut Self {
        self.split = self.bytes.len();
        self
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes.extend_from_slice(&sortable_i64(value));
        self
    }

    pub(super) fn text(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    pub(super) fn end(&mut self) {
        debug_assert!(self.split <= self.bytes.len());
    }
}

/// Eight bytes that sort as the number does.
pub fn sortable_i64(value: i64) -> [u8; 8] {
    ((value as u64) ^ (1 << 63)).to_be_bytes()
}

/// The sort key of a place in `log`, and in `timelines` where that is ordered by place.
pub fn place_sort(at: TimelineKey) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&sortable_i64(at.recorded_at.0));
    bytes[8..12].copy_from_slice(&at.position.partition.to_be_bytes());
    bytes[12..].copy_from_slice(&at.position.offset.to_be_bytes());
    bytes
}

pub(super) fn i64_from_sortable(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

/// A key whose bytes are not what its table holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}: a key of {length} bytes is not of this table's form")]
pub struct KeyError {
    /// The table.
    pub table: &'static str,
    /// Length of the key.
    pub length: usize,
}

/// Reads fixed-width fields off the front of a key part.
pub(super) struct Fields<'a> {
    table: &'static str,
    length: usize,
    pub(super) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(table: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            table,
            length: bytes.len(),
            rest: bytes,
        }
    }

    pub(super) fn fail(&self) -> KeyError {
        KeyError {
            table: self.table,
            length: self.length,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.fail())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, KeyError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, KeyError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, KeyError> {
        self.take().map(i64_from_sortable)
    }

    pub(super) fn text(self) -> Result<&'a str, KeyError> {
        std::str::from_utf8(self.rest).map_err(|_| self.fail())
    }

    /// The one number that there is.
    pub(super) fn only_u32(mut self) -> Result<u32, KeyError> {
        let number = self.u32()?;
        self.end().map(|()| number)
    }

    /// The one number that there is.
    pub(super) fn only_u64(mut self) -> Result<u64, KeyError> {
        let number = self.u64()?;
        self.end().map(|()| number)
    }

    pub(super) fn end(self) -> Result<(), KeyError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.fail())
        }
    }
}
