//! A store that counts the rows it reads, and the writes and the largest of them, for tests of what a piece of
//! work costs.

use super::hand_on::hand_on_upkeep_calls;
use super::{
    Batch, Direction, Durability, Key, Read, SharedStore, SortRange, Store, StoreError, Table,
    VisitPartitions, VisitRow, VisitTable,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is read of another store, except through snapshots, and the writes to it.
pub(crate) struct CountingStore {
    inner: SharedStore,
    rows: Mutex<BTreeMap<Table, usize>>,
    largest_write: AtomicUsize,
    /// All, and those that survive power loss.
    writes: Mutex<(usize, usize)>,
}

impl CountingStore {
    pub(crate) fn new(inner: SharedStore) -> Self {
        Self {
            inner,
            rows: Mutex::default(),
            largest_write: AtomicUsize::new(0),
            writes: Mutex::default(),
        }
    }

    /// Begins to count anew.
    pub(crate) fn forget(&self) {
        self.rows.lock().unwrap().clear();
        self.largest_write.store(0, Ordering::Relaxed);
    }

    /// Rows of a table that were read.
    pub(crate) fn rows_of(&self, table: Table) -> usize {
        self.rows.lock().unwrap().get(&table).copied().unwrap_or(0)
    }

    /// Rows of the largest write.
    pub(crate) fn largest_write(&self) -> usize {
        self.largest_write.load(Ordering::Relaxed)
    }

    /// Writes since the store was made, and how many of them survive power loss.
    pub(crate) fn writes(&self) -> (usize, usize) {
        *self.writes.lock().unwrap()
    }

    fn count(&self, table: Table, rows: usize) {
        *self.rows.lock().unwrap().entry(table).or_default() += rows;
    }
}

impl Read for CountingStore {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.inner.get(table, key)?;
        self.count(table, usize::from(found.is_some()));
        Ok(found)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let found = self.inner.multi_get(table, keys)?;
        self.count(table, found.iter().flatten().count());
        Ok(found)
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
        self.inner
            .scan(table, partition, range, direction, limit, &mut |sort, value| {
                self.count(table, 1);
                visit(sort, value)
            })
    }

    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        self.inner
            .scan_partitions(table, partitions, &mut |place, sort, value| {
                self.count(table, 1);
                visit(place, sort, value)
            })
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.inner.scan_table(table, &mut |partition, sort, value| {
            self.count(table, 1);
            visit(partition, sort, value)
        })
    }
}

impl Store for CountingStore {
    fn snapshot(&self) -> Box<dyn Read + Send + Sync + '_> {
        self.inner.snapshot()
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.largest_write.fetch_max(batch.len(), Ordering::Relaxed);
        let mut writes = self.writes.lock().unwrap();
        writes.0 += 1;
        writes.1 += usize::from(durability == Durability::Power);
        self.inner.write(batch, durability)
    }

    hand_on_upkeep_calls!(inner);
}
