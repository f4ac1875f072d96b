//! The least that an engine is: all of the port, and nothing that an engine may lack.

use super::hand_on::hand_on_store_calls;
use super::memory::MemoryStore;
use super::{Direction, Key, Read, SortRange, Store, StoreError, Table, VisitRow, VisitTable};

/// A store in memory that cannot be copied as files, and whose tables cannot be cut.
#[derive(Default)]
pub(crate) struct PlainStore {
    inner: MemoryStore,
}

/// A snapshot of it.
struct PlainView<'s>(Box<dyn Read + Send + Sync + 's>);

macro_rules! read_plainly {
    ($type:ty, $inner:tt) => {
        impl Read for $type {
            fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
                self.$inner.get(table, key)
            }

            fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
                self.$inner.multi_get(table, keys)
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
                self.$inner
                    .scan(table, partition, range, direction, limit, visit)
            }

            fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
                self.$inner.scan_table(table, visit)
            }
        }
    };
}

read_plainly!(PlainStore, inner);
read_plainly!(PlainView<'_>, 0);

impl Store for PlainStore {
    fn snapshot(&self) -> Box<dyn Read + Send + Sync + '_> {
        Box::new(PlainView(self.inner.snapshot()))
    }

    hand_on_store_calls!(inner);
}
