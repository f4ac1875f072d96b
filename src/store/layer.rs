//! A store around another one: some calls are done otherwise, all others are handed on as they are. What is done
//! otherwise, and why, is each layer's own business.

use super::scan::Scan;
use super::{
    Batch, Checkpoints, Direction, Durability, Key, SharedStore, SortRange, Store, StoreError, StoreRead,
    Table, TableRanges, Usage, VisitPartitions, VisitRow, VisitTable,
};
use std::ops::Deref;
use std::sync::Arc;

/// What is done otherwise than by the store inside, which each call is given.
///
/// # Errors
/// Of every call those of the store inside, and the layer's own.
pub trait Layer: Send + Sync + 'static {
    /// Whether snapshots are read through the layer too.
    const OVER_SNAPSHOTS: bool = true;

    /// [`StoreRead::get`].
    fn get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        inner.get(table, key)
    }

    /// [`StoreRead::multi_get`].
    fn multi_get(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        keys: &[Key],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        inner.multi_get(table, keys)
    }

    /// [`StoreRead::scan`].
    fn scan(
        &self,
        inner: &(impl StoreRead + ?Sized),
        scan: Scan<'_>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        scan.visit(inner, visit)
    }

    /// [`StoreRead::scan_partitions`].
    fn scan_partitions(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        inner.scan_partitions(table, partitions, visit)
    }

    /// [`StoreRead::scan_table`].
    fn scan_table(
        &self,
        inner: &(impl StoreRead + ?Sized),
        table: Table,
        visit: &mut VisitTable<'_>,
    ) -> Result<(), StoreError> {
        inner.scan_table(table, visit)
    }

    /// [`StoreRead::ranges`]: a way around the layer, so not there unless the layer says so.
    fn ranges<'s>(&self, _: &'s (impl StoreRead + ?Sized)) -> Option<&'s dyn TableRanges> {
        None
    }

    /// [`Store::write`].
    fn write(&self, inner: &dyn Store, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        inner.write(batch, durability)
    }

    /// [`Store::load`]: a write like others, unless the layer says otherwise.
    fn load(&self, inner: &dyn Store, batch: &Batch) -> Result<(), StoreError> {
        self.write(inner, batch, Durability::None)
    }

    /// [`Store::clear`].
    fn clear(&self, inner: &dyn Store, table: Table) -> Result<(), StoreError> {
        inner.clear(table)
    }

    /// [`Store::flush`].
    fn flush(&self, inner: &dyn Store) -> Result<(), StoreError> {
        inner.flush()
    }

    /// [`Store::sync`].
    fn sync(&self, inner: &dyn Store) -> Result<(), StoreError> {
        inner.sync()
    }

    /// [`Store::checkpoints`]: copies without the layer, so not there unless the layer says so.
    fn checkpoints<'s>(&self, _: &'s dyn Store) -> Option<&'s dyn Checkpoints> {
        None
    }
}

/// A store, or a snapshot of one, with a layer over it.
pub struct Layered<L, S = SharedStore> {
    inner: S,
    layer: Arc<L>,
}

impl<L> Layered<L> {
    /// A store with a layer over it.
    pub fn over(inner: SharedStore, layer: L) -> Self {
        let layer = Arc::new(layer);
        Self { inner, layer }
    }

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Layer, S: Deref<Target: StoreRead>> StoreRead for Layered<L, S> {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.layer.get(&*self.inner, table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.layer.multi_get(&*self.inner, table, keys)
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
        let scan = Scan::of(table, partition)
            .range(range)
            .direction(direction)
            .limit(limit);
        self.layer.scan(&*self.inner, scan, visit)
    }

    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        self.layer.scan_partitions(&*self.inner, table, partitions, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.layer.scan_table(&*self.inner, table, visit)
    }

    fn ranges(&self) -> Option<&dyn TableRanges> {
        self.layer.ranges(&*self.inner)
    }
}

impl<L: Layer> Store for Layered<L> {
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
        let inner = self.inner.snapshot();
        if !L::OVER_SNAPSHOTS {
            return inner;
        }
        let layer = self.layer.clone();
        Box::new(Layered { inner, layer })
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.layer.write(&*self.inner, batch, durability)
    }

    fn load(&self, batch: &Batch) -> Result<(), StoreError> {
        self.layer.load(&*self.inner, batch)
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        self.layer.clear(&*self.inner, table)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.layer.flush(&*self.inner)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.layer.sync(&*self.inner)
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.inner.reclaim(table)
    }

    fn table_bytes(&self, table: Table) -> Result<u64, StoreError> {
        self.inner.table_bytes(table)
    }

    fn checkpoints(&self) -> Option<&dyn Checkpoints> {
        self.layer.checkpoints(&*self.inner)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
