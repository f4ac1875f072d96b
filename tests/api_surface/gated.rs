//! A store in which one kind of read waits until a test lets it go on.

use saga_tracker::store::{
    Batch, Direction, Durability, Key, SharedStore, SortRange, Store, StoreError, StoreRead, Table, Usage,
    VisitRow, VisitTable,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Reads of records of purged sagas wait while the gate is closed; all else is the store's.
#[derive(Clone)]
pub(crate) struct Gated {
    store: SharedStore,
    gate: Arc<(Mutex<bool>, Condvar)>,
    /// How many came to the gate.
    came: Arc<AtomicUsize>,
}

impl Gated {
    pub(crate) fn over(store: SharedStore) -> Self {
        Self {
            store,
            gate: Arc::default(),
            came: Arc::default(),
        }
    }

    /// Closes the gate until what is returned is dropped.
    pub(crate) fn close(&self) -> Closed {
        *self.gate.0.lock().unwrap() = true;
        Closed(self.clone())
    }

    fn pass(&self) {
        self.came.fetch_add(1, Ordering::SeqCst);
        let (closed, opened) = &*self.gate;
        drop(
            opened
                .wait_while(closed.lock().unwrap(), |closed| *closed)
                .unwrap(),
        );
    }

    /// How many came to the gate so far.
    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

/// The gate is closed.
pub(crate) struct Closed(Gated);

impl Drop for Closed {
    fn drop(&mut self) {
        *self.0.gate.0.lock().unwrap() = false;
        self.0.gate.1.notify_all();
    }
}

impl StoreRead for Gated {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        if table == Table::Purged {
            self.pass();
        }
        self.store.get(table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.store.multi_get(table, keys)
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
        self.store.scan(table, partition, range, direction, limit, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.store.scan_table(table, visit)
    }
}

impl Store for Gated {
    /// Of a store that nobody writes to.
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
        Box::new(self.clone())
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.store.write(batch, durability)
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        self.store.clear(table)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.store.reclaim(table)
    }

    fn table_bytes(&self, table: Table) -> Result<u64, StoreError> {
        self.store.table_bytes(table)
    }

    fn usage(&self) -> Usage {
        self.store.usage()
    }
}
