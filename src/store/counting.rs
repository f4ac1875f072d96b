//! A store that counts the rows it reads, and the writes and the largest of them, for tests of what a piece of
//! work costs.

use super::layer::{Layer, Layered};
use super::scan::Scan;
use super::{
    Batch, Durability, Key, SharedStore, Store, StoreError, StoreRead, Table, VisitPartitions, VisitRow,
    VisitTable,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is read of another store, except through snapshots, and the writes to it.
pub(crate) type CountingStore = Layered<Counts>;

/// What was counted.
#[derive(Default)]
pub(crate) struct Counts {
    /// Rows, and bytes of their values.
    read: Mutex<BTreeMap<Table, (usize, usize)>>,
    largest_write: AtomicUsize,
    /// All, and those that survive power loss.
    writes: Mutex<(usize, usize)>,
}

impl Counts {
    fn count(&self, table: Table, value: &[u8]) {
        let mut read = self.read.lock().unwrap();
        let (rows, bytes) = read.entry(table).or_default();
        *rows += 1;
        *bytes += value.len();
    }
}

impl CountingStore {
    pub(crate) fn new(inner: SharedStore) -> Self {
        Self::over(inner, Counts::default())
    }

    /// Begins to count anew.
    pub(crate) fn forget(&self) {
        self.layer().read.lock().unwrap().clear();
        self.layer().largest_write.store(0, Ordering::Relaxed);
    }

    /// Rows of a table that were read.
    pub(crate) fn rows_of(&self, table: Table) -> usize {
        self.read_of(table).0
    }

    /// Bytes of the values of a table that were read.
    pub(crate) fn bytes_of(&self, table: Table) -> usize {
        self.read_of(table).1
    }

    fn read_of(&self, table: Table) -> (usize, usize) {
        self.layer()
            .read
            .lock()
            .unwrap()
            .get(&table)
            .copied()
            .unwrap_or_default()
    }

    /// Rows of the largest write.
    pub(crate) fn largest_write(&self) -> usize {
        self.layer().largest_write.load(Ordering::Relaxed)
    }

    /// Writes since the store was made, and how many of them survive power loss.
    pub(crate) fn writes(&self) -> (usize, usize) {
        *self.layer().writes.lock().unwrap()
    }
}

impl Layer for Counts {
    const OVER_SNAPSHOTS: bool = false;

    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found = inner.get(table, key)?;
        found.iter().for_each(|value| self.count(table, value));
        Ok(found)
    }

    fn multi_get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        keys: &[Key],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let found = inner.multi_get(table, keys)?;
        found.iter().flatten().for_each(|value| self.count(table, value));
        Ok(found)
    }

    fn scan(
        &self,
        inner: &(impl StoreRead + ?Sized),
        scan: Scan<'_>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        scan.visit(inner, &mut |sort, value| {
            self.count(scan.table(), value);
            visit(sort, value)
        })
    }

    fn scan_partitions(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        inner.scan_partitions(table, partitions, &mut |place, sort, value| {
            self.count(table, value);
            visit(place, sort, value)
        })
    }

    fn scan_table(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        visit: &mut VisitTable<'_>,
    ) -> Result<(), StoreError> {
        inner.scan_table(table, &mut |partition, sort, value| {
            self.count(table, value);
            visit(partition, sort, value)
        })
    }

    fn write(&self, inner: &dyn Store, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.largest_write.fetch_max(batch.len(), Ordering::Relaxed);
        let mut writes = self.writes.lock().unwrap();
        writes.0 += 1;
        writes.1 += usize::from(durability == Durability::Power);
        inner.write(batch, durability)
    }
}
