//! A store that counts the rows it reads, for tests of what a piece of work costs.

use super::hand_on::hand_on_store_calls;
use super::{
    Direction, Key, Read, SharedStore, SortRange, Store, StoreError, Table, TableRange, VisitPartitions,
    VisitRow, VisitTable,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counts what is read of another store, except through snapshots.
pub(crate) struct CountingStore {
    inner: SharedStore,
    rows: Mutex<BTreeMap<Table, usize>>,
}

impl CountingStore {
    pub(crate) fn new(inner: SharedStore) -> Self {
        Self {
            inner,
            rows: Mutex::default(),
        }
    }

    /// Begins to count anew.
    pub(crate) fn forget(&self) {
        self.rows.lock().unwrap().clear();
    }

    /// Rows of a table that were read.
    pub(crate) fn rows_of(&self, table: Table) -> usize {
        self.rows.lock().unwrap().get(&table).copied().unwrap_or(0)
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

    fn scan_table(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.inner.scan_table(range, &mut |partition, sort, value| {
            self.count(range.table, 1);
            visit(partition, sort, value)
        })
    }
}

impl Store for CountingStore {
    fn snapshot(&self) -> Box<dyn Read + Send + Sync + '_> {
        self.inner.snapshot()
    }

    hand_on_store_calls!(inner);
}
