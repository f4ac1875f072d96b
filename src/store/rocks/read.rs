//! Reads, of the latest state or of a snapshot.

use super::errors::{bad_key, no_table, store_error};
use super::readers::{Reader, Readers};
use super::{Db, Snapshot, engine_key};
use crate::store::{
    Direction, Key, SortRange, StoreError, StoreRead, Table, TableRange, TableRanges, VisitPartitions,
    VisitRow, VisitTable,
};
use rocksdb::{ColumnFamily, DBRawIteratorWithThreadMode, ReadOptions};
use std::ops::Bound;

/// A full scan reads so much ahead in each file. Several scans run side by side, over several files
/// each, so not more.
const SCAN_READAHEAD: usize = 512 << 10;

/// The store at one moment, or at the moment of each read.
pub(super) struct View<'a> {
    pub(super) db: &'a Db,
    snapshot: Option<Snapshot<'a>>,
    /// Let go of after the snapshot.
    _reader: Option<Reader<'a>>,
}

/// The column family of a table.
pub(super) fn family(db: &Db, table: Table) -> Result<&ColumnFamily, StoreError> {
    db.cf_handle(table.name()).ok_or_else(|| no_table(table.name()))
}

impl<'a> View<'a> {
    /// The store at the moment of each read.
    pub(super) fn latest(db: &'a Db) -> Self {
        Self {
            db,
            snapshot: None,
            _reader: None,
        }
    }

    /// The store as it is now, for as long as this lives.
    pub(super) fn of_now(db: &'a Db, readers: &'a Readers) -> Self {
        let reader = readers.enter();
        Self {
            db,
            snapshot: Some(db.snapshot()),
            _reader: Some(reader),
        }
    }
}

impl View<'_> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        if let Some(snapshot) = &self.snapshot {
            options.set_snapshot(snapshot);
        }
        options
    }

    fn rows(
        &self,
        table: Table,
        options: ReadOptions,
    ) -> Result<DBRawIteratorWithThreadMode<'_, Db>, StoreError> {
        Ok(self.db.raw_iterator_cf_opt(family(self.db, table)?, options))
    }

    /// An iterator over a share of a table, standing on its first row.
    pub(super) fn share(
        &self,
        range: &TableRange,
    ) -> Result<DBRawIteratorWithThreadMode<'_, Db>, StoreError> {
        let mut options = self.options();
        options.set_total_order_seek(true);
        options.fill_cache(false);
        options.set_readahead_size(SCAN_READAHEAD);
        if let Some(from) = &range.from {
            options.set_iterate_lower_bound(from.clone());
        }
        if let Some(to) = &range.to {
            options.set_iterate_upper_bound(to.clone());
        }
        let mut rows = self.rows(range.table, options)?;
        rows.seek_to_first();
        Ok(rows)
    }
}

impl StoreRead for View<'_> {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let mut joined = Vec::with_capacity(64);
        engine_key::join(key.partition(), key.sort(), &mut joined);
        self.db
            .get_cf_opt(family(self.db, table)?, joined, &self.options())
            .map_err(store_error)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut bytes = Vec::with_capacity(keys.len() * 64);
        let mut ends = Vec::with_capacity(keys.len());
        for key in keys {
            engine_key::join(key.partition(), key.sort(), &mut bytes);
            ends.push(bytes.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let joined: Vec<&[u8]> = starts
            .zip(&ends)
            .map(|(start, end)| &bytes[start..*end])
            .collect();
        self.db
            .batched_multi_get_cf_opt(family(self.db, table)?, joined, false, &self.options())
            .into_iter()
            .map(|found| Ok(found.map_err(store_error)?.map(|value| value.to_vec())))
            .collect()
    }

    fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: SortRange<'_>,
        direction: Direction,
        limit: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        let prefix = engine_key::prefix(partition);
        let (lower, upper) = bounds(&prefix, range);
        if limit == 0 || lower >= upper {
            return Ok(());
        }
        let mut options = self.options();
        options.set_iterate_lower_bound(lower.clone());
        options.set_iterate_upper_bound(upper.clone());
        // The key sought decides which prefix the filters are asked for. The end of a partition is
        // the only one that lies outside of it.
        if direction == Direction::Reverse && range.1 == Bound::Unbounded {
            options.set_total_order_seek(true);
        } else {
            options.set_prefix_same_as_start(true);
        }
        let mut rows = self.rows(table, options)?;
        match direction {
            Direction::Forward => rows.seek(&lower),
            Direction::Reverse => rows.seek_for_prev(&upper),
        }
        let mut left = limit;
        while let Some((key, value)) = rows.item() {
            left -= 1;
            if visit(&key[prefix.len()..], value).is_break() || left == 0 {
                return Ok(());
            }
            match direction {
                Direction::Forward => rows.next(),
                Direction::Reverse => rows.prev(),
            }
        }
        rows.status().map_err(store_error)
    }

    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        // One iterator for all: making one costs more than a seek.
        let mut options = self.options();
        options.set_prefix_same_as_start(true);
        let mut rows = self.rows(table, options)?;
        for (place, partition) in partitions.iter().enumerate() {
            let prefix = engine_key::prefix(partition);
            rows.seek(&prefix);
            while let Some((key, value)) = rows.item() {
                // Tables without a prefix extractor go on into the next partition.
                if !key.starts_with(&prefix) {
                    break;
                }
                if visit(place, &key[prefix.len()..], value).is_break() {
                    return Ok(());
                }
                rows.next();
            }
            rows.status().map_err(store_error)?;
        }
        Ok(())
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.visit_share(&TableRange::whole(table), visit)
    }

    fn ranges(&self) -> Option<&dyn TableRanges> {
        Some(self)
    }
}

impl View<'_> {
    /// Visits the rows of a share of a table.
    pub(super) fn visit_share(
        &self,
        range: &TableRange,
        visit: &mut VisitTable<'_>,
    ) -> Result<(), StoreError> {
        let mut rows = self.share(range)?;
        let (mut prefix, mut partition) = (Vec::new(), Vec::new());
        while let Some((key, value)) = rows.item() {
            let (here, sort) = engine_key::split(key).ok_or_else(|| bad_key(range.table.name(), key))?;
            if here != prefix {
                prefix.clear();
                prefix.extend_from_slice(here);
                partition.clear();
                engine_key::partition_of(here, &mut partition);
            }
            if visit(&partition, sort, value).is_break() {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(store_error)
    }
}

/// The engine keys between which a range lies: the first inclusive, the second exclusive.
fn bounds(prefix: &[u8], range: SortRange<'_>) -> (Vec<u8>, Vec<u8>) {
    // The first key behind another is that key and a zero byte.
    let at = |sort: &[u8]| [prefix, sort].concat();
    let behind = |sort: &[u8]| [prefix, sort, &[0]].concat();
    let lower = match range.0 {
        Bound::Unbounded => prefix.to_vec(),
        Bound::Included(sort) => at(sort),
        Bound::Excluded(sort) => behind(sort),
    };
    let upper = match range.1 {
        Bound::Unbounded => engine_key::end_of(prefix),
        Bound::Included(sort) => behind(sort),
        Bound::Excluded(sort) => at(sort),
    };
    (lower, upper)
}
