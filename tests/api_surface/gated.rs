//! A gate that a test closes, and a store in which some work waits at one.

use saga_tracker::store::{
    Batch, Checkpoints, Direction, Durability, Key, SharedStore, SortRange, Store, StoreError, StoreRead,
    Table, Usage, VisitRow, VisitTable,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Lets through what comes to it, unless it is closed. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    closed: Mutex<bool>,
    opened: Condvar,
    came: AtomicUsize,
    gave_up: AtomicBool,
}

impl Gate {
    /// Closes it until what is returned is dropped.
    pub(crate) fn close(&self) -> Closed {
        *self.0.closed.lock().unwrap() = true;
        Closed(self.clone())
    }

    /// How many it kept waiting so far.
    pub(crate) fn came(&self) -> usize {
        self.0.came.load(Ordering::SeqCst)
    }

    /// Whether one that waited here was told that nobody waits for it any more.
    pub(crate) fn gave_up(&self) -> bool {
        self.0.gave_up.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self) {
        let closed = self.came_to();
        drop(self.0.opened.wait_while(closed, |closed| *closed).unwrap());
    }

    fn came_to(&self) -> MutexGuard<'_, bool> {
        let closed = self.0.closed.lock().unwrap();
        self.0.came.fetch_add(usize::from(*closed), Ordering::SeqCst);
        closed
    }

    /// The same for who visits rows: is shown an empty one again and again, so that it can end.
    fn pass_rows(&self, visit: &mut VisitTable<'_>) -> bool {
        let mut closed = self.came_to();
        while *closed {
            if visit(b"", b"", b"").is_break() {
                self.0.gave_up.store(true, Ordering::SeqCst);
                return false;
            }
            closed = self
                .0
                .opened
                .wait_timeout(closed, Duration::from_millis(5))
                .unwrap()
                .0;
        }
        true
    }
}

/// The gate is closed.
pub(crate) struct Closed(Gate);

impl Drop for Closed {
    fn drop(&mut self) {
        *self.0.0.closed.lock().unwrap() = false;
        self.0.0.opened.notify_all();
    }
}

/// What needs records of purged sagas, digests among it, waits while the gate is closed, and what clears
/// tables, as rebuilds do; all else is the store's.
#[derive(Clone)]
pub(crate) struct Gated {
    store: SharedStore,
    gate: Gate,
}

struct View<'s> {
    store: Box<dyn StoreRead + Send + Sync + 's>,
    gate: Gate,
}

impl Gated {
    pub(crate) fn over(store: SharedStore, gate: Gate) -> Self {
        Self { store, gate }
    }
}

macro_rules! read_through_the_gate {
    ($type:ty) => {
        impl StoreRead for $type {
            fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
                if table == Table::Purged {
                    self.gate.pass();
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
                self.store
                    .scan(table, partition, range, direction, limit, visit)
            }

            fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
                if table == Table::Purged && !self.gate.pass_rows(visit) {
                    return Ok(());
                }
                self.store.scan_table(table, visit)
            }
        }
    };
}

read_through_the_gate!(Gated);
read_through_the_gate!(View<'_>);

impl Store for Gated {
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
        Box::new(View {
            store: self.store.snapshot(),
            gate: self.gate.clone(),
        })
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.store.write(batch, durability)
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        self.gate.pass();
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

    fn checkpoints(&self) -> Option<&dyn Checkpoints> {
        self.store.checkpoints()
    }

    fn usage(&self) -> Usage {
        self.store.usage()
    }
}
