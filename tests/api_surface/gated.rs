//! A gate that a test closes; as a layer over a store, some work waits at it.

use saga_tracker::store::layer::Layer;
use saga_tracker::store::{Checkpoints, Key, Store, StoreError, StoreRead, Table, VisitTable};
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
        let closed = self.lock_closed();
        drop(self.0.opened.wait_while(closed, |closed| *closed).unwrap());
    }

    fn lock_closed(&self) -> MutexGuard<'_, bool> {
        let closed = self.0.closed.lock().unwrap();
        self.0.came.fetch_add(usize::from(*closed), Ordering::SeqCst);
        closed
    }

    /// The same for who visits rows: is shown an empty one again and again, so that it can end.
    fn pass_rows(&self, visit: &mut VisitTable<'_>) -> bool {
        let mut closed = self.lock_closed();
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

/// Counts what reads the events of sagas, which waits at a gate each time.
#[derive(Clone, Default)]
pub(crate) struct Timelines {
    pub(crate) gate: Gate,
    pub(crate) reads: Arc<AtomicUsize>,
}

impl Layer for Timelines {
    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if table == Table::Log {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.gate.pass();
        }
        inner.get(table, key)
    }
}

/// Counts how often something is looked up in the rows of redrives.
#[derive(Clone, Default)]
pub(crate) struct RedriveReads(pub(crate) Arc<AtomicUsize>);

impl Layer for RedriveReads {
    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .fetch_add(usize::from(table == Table::Redrives), Ordering::SeqCst);
        inner.get(table, key)
    }
}

/// What needs records of purged sagas, digests among it, waits while the gate is closed, and what clears
/// tables, as rebuilds do.
impl Layer for Gate {
    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if table == Table::Purged {
            self.pass();
        }
        inner.get(table, key)
    }

    fn scan_table(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        visit: &mut VisitTable<'_>,
    ) -> Result<(), StoreError> {
        if table == Table::Purged && !self.pass_rows(visit) {
            return Ok(());
        }
        inner.scan_table(table, visit)
    }

    fn clear(&self, inner: &dyn Store, table: Table) -> Result<(), StoreError> {
        self.pass();
        inner.clear(table)
    }

    fn checkpoints<'s>(&self, inner: &'s dyn Store) -> Option<&'s dyn Checkpoints> {
        inner.checkpoints()
    }
}
