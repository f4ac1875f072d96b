//! A store whose reads end early when nobody waits for them any more.
//!
//! Whoever reads for a client gives it this instead of the store itself: none of the rooms that read has
//! to ask whether the client is still there.

use super::layer::{Layer, Layered};
use super::scan::Scan;
use super::{
    Batch, Key, SharedStore, Store, StoreError, StoreRead, Table, VisitPartitions, VisitRow, VisitTable,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells readers to end. Cheap to clone; starts not told.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Tells them.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they are told.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_stopped() {
            Err(StoreError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Passes a row on unless told to end.
    fn unless(&self, pass: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        if self.is_stopped() {
            ControlFlow::Break(())
        } else {
            pass()
        }
    }
}

/// The store, until told otherwise. Writes are not affected.
pub fn until(store: SharedStore, stop: Stop) -> SharedStore {
    Arc::new(Layered::over(store, stop))
}

/// Each call is passed on, each row is a chance to end.
impl Layer for Stop {
    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        inner.get(table, key)
    }

    fn multi_get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        keys: &[Key],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.check()?;
        inner.multi_get(table, keys)
    }

    fn scan(
        &self,
        inner: &(impl StoreRead + ?Sized),
        scan: Scan<'_>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        self.check()?;
        scan.visit(inner, &mut |sort, value| self.unless(|| visit(sort, value)))?;
        self.check()
    }

    fn scan_partitions(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        self.check()?;
        inner.scan_partitions(table, partitions, &mut |place, sort, value| {
            self.unless(|| visit(place, sort, value))
        })?;
        self.check()
    }

    fn scan_table(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        visit: &mut VisitTable<'_>,
    ) -> Result<(), StoreError> {
        self.check()?;
        inner.scan_table(table, &mut |partition, sort, value| {
            self.unless(|| visit(partition, sort, value))
        })?;
        self.check()
    }

    fn load(&self, inner: &dyn Store, batch: &Batch) -> Result<(), StoreError> {
        inner.load(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryStore;
    use super::super::{Direction, Durability, WHOLE, keys};
    use super::*;

    fn store(rows: u32) -> SharedStore {
        let store = MemoryStore::new();
        let mut batch = Batch::new();
        let mut key = Key::default();
        for row in 0..rows {
            keys::offsets(&mut key, "topic", row);
            batch.put(Table::Offsets, &key, b"row");
        }
        store.write(&batch, Durability::Process).unwrap();
        Arc::new(store)
    }

    #[test]
    fn reads_end_with_the_row_at_which_they_are_told_to() {
        let stop = Stop::default();
        let watched = until(store(10), stop.clone());
        let view = watched.snapshot();
        let mut seen = 0;
        let ended = view.scan(
            Table::Offsets,
            b"topic",
            WHOLE,
            Direction::Forward,
            usize::MAX,
            &mut |_, _| {
                seen += 1;
                if seen == 3 {
                    stop.stop();
                }
                ControlFlow::Continue(())
            },
        );
        assert!(matches!(ended, Err(StoreError::Stopped)), "{ended:?}");
        assert_eq!(seen, 3);
        let again = watched.scan_table(Table::Offsets, &mut |_, _, _| ControlFlow::Continue(()));
        assert!(matches!(again, Err(StoreError::Stopped)));
        assert!(matches!(
            view.get(Table::Offsets, &Key::default()),
            Err(StoreError::Stopped)
        ));
        assert!(matches!(
            view.multi_get(Table::Offsets, &[]),
            Err(StoreError::Stopped)
        ));
        let partitions = view.scan_partitions(Table::Offsets, &[b"topic"], &mut |_, _, _| {
            ControlFlow::Continue(())
        });
        assert!(matches!(partitions, Err(StoreError::Stopped)));
    }

    #[test]
    fn what_is_not_told_to_end_reads_all() {
        let watched = until(store(10), Stop::default());
        let mut seen = 0;
        watched
            .scan(
                Table::Offsets,
                b"topic",
                WHOLE,
                Direction::Forward,
                usize::MAX,
                &mut |_, _| {
                    seen += 1;
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        assert_eq!(seen, 10);
    }
}
