//! Rows by offset, across the buckets that the tables keyed by offset are partitioned into.
//!
//! What the rows mean is the caller's to know.

use super::{Direction, Key, Scan, StoreError, StoreRead, Table, keys};
use crate::domain::Position;
use std::ops::{Bound, ControlFlow, Range};

/// A table keyed by offset, and how a key of it is made of one.
pub struct OffsetRows<'r, K> {
    /// Where it is read from.
    pub store: &'r dyn StoreRead,
    /// The table.
    pub table: Table,
    /// Writes the key of an offset.
    pub key: K,
}

/// Of a table that is keyed by position, the rows of one topic partition.
pub fn of_partition(
    store: &dyn StoreRead,
    table: Table,
    partition: u32,
) -> OffsetRows<'_, impl Fn(&mut Key, u64)> {
    OffsetRows {
        store,
        table,
        key: move |key: &mut Key, offset| keys::by_offset(key, Position::new(partition, offset)),
    }
}

impl<K: Fn(&mut Key, u64)> OffsetRows<'_, K> {
    /// Visits the rows in the range, in order, until the visitor breaks. Returns the offset that all before
    /// it were visited.
    ///
    /// # Errors
    /// The engine's error, or the visitor's first.
    pub fn forward(
        &self,
        range: Range<u64>,
        mut visit: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut next = range.start;
        while next < range.end {
            let stop = range.end.min(keys::offset_bucket(next).end);
            if let Some(last) = self.bucket(next..stop, Direction::Forward, &mut visit)? {
                return Ok(last + 1);
            }
            next = stop;
        }
        Ok(next)
    }

    /// Visits the rows in the range backwards until the visitor breaks. Returns the offset from which on all
    /// were visited.
    ///
    /// # Errors
    /// The engine's error, or the visitor's first.
    pub fn backward(
        &self,
        range: Range<u64>,
        mut visit: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut end = range.end;
        while end > range.start {
            let start = range.start.max(keys::offset_bucket(end - 1).start);
            if let Some(last) = self.bucket(start..end, Direction::Reverse, &mut visit)? {
                return Ok(last);
            }
            end = start;
        }
        Ok(end)
    }

    /// The same inside of one bucket: the offset at which the visitor broke.
    fn bucket(
        &self,
        range: Range<u64>,
        direction: Direction,
        visit: &mut impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<Option<u64>, StoreError> {
        let mut key = Key::default();
        (self.key)(&mut key, range.start);
        let (start, end) = (range.start.to_be_bytes(), range.end.to_be_bytes());
        let sorts = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
        let mut broke = None;
        Scan::of(self.table, key.partition())
            .range(sorts)
            .direction(direction)
            .each(self.store, |sort, value| {
                let offset = keys::parse_offset(sort)?;
                let flow = visit(offset, value)?;
                if flow.is_break() {
                    broke = Some(offset);
                }
                Ok(flow)
            })?;
        Ok(broke)
    }
}
