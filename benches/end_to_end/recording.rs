//! The least that has to be done: the rows that the tracker wrote, in the batches in which it wrote
//! them, into another new store, with nothing around it.

use crate::machine;
use crate::pipeline::{self, Syncer};
use crate::settings::Settings;
use saga_tracker::store::rocks::RocksStore;
use saga_tracker::store::{
    Batch, Direction, Durability, Key, Read, SharedStore, SortRange, Store, StoreError, Table, Usage,
    VisitPartitions, VisitRow, VisitTable,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

type Writes = Vec<(Batch, Durability)>;

/// A store that remembers what was written to it.
struct Recording {
    inner: RocksStore,
    writes: Mutex<Writes>,
}

/// Consumes the topic into a store that remembers, then writes the same again.
pub(crate) fn replay(settings: &Settings, topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let recording = Arc::new(Recording {
        inner: pipeline::open(&dir.join("recorded"))?,
        writes: Mutex::default(),
    });
    let store: SharedStore = recording.clone();
    let consumed = pipeline::consume(settings, topic, &store)?;
    drop(store);
    let writes = std::mem::take(&mut *recording.writes.lock().unwrap_or_else(PoisonError::into_inner));
    drop(recording);

    let before = machine::process_seconds()?;
    let one = rewrite(&dir.join("one"), &[writes.iter().collect()])?;
    let cpu = machine::process_seconds()? - before;
    let (log, projections): (Vec<_>, Vec<_>) = writes
        .iter()
        .partition(|(batch, _)| !batch.iter().any(|op| matches!(op.table, Table::Projection(..))));
    let two = rewrite(&dir.join("two"), &[log, projections])?;
    Ok(json!({
        "events": consumed["events"],
        "seconds": one,
        "cpu": cpu,
        "two_threads_seconds": two,
        "rows": writes.iter().map(|(batch, _)| batch.len()).sum::<usize>(),
        "bytes": writes.iter().map(|(batch, _)| batch.byte_len()).sum::<usize>(),
    }))
}

/// Seconds that writing takes, a thread for each list.
fn rewrite(dir: &Path, lists: &[Vec<&(Batch, Durability)>]) -> anyhow::Result<f64> {
    let store: SharedStore = Arc::new(pipeline::open(dir)?);
    let started = Instant::now();
    let syncer = Syncer::start(store.clone());
    std::thread::scope(|scope| {
        let threads: Vec<_> = lists
            .iter()
            .map(|list| {
                scope.spawn(|| {
                    list.iter()
                        .try_for_each(|(batch, durability)| store.write(batch, *durability))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let written = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a writing thread panicked"))?;
            anyhow::Ok(written?)
        })
    })?;
    store.sync()?;
    let seconds = started.elapsed().as_secs_f64();
    syncer.stop()?;
    drop(store);
    std::fs::remove_dir_all(dir)?;
    Ok(seconds)
}

impl Read for Recording {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.inner.multi_get(table, keys)
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
        self.inner.scan(table, partition, range, direction, limit, visit)
    }

    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        self.inner.scan_partitions(table, partitions, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.inner.scan_table(table, visit)
    }
}

impl Store for Recording {
    fn snapshot(&self) -> Box<dyn Read + Send + Sync + '_> {
        self.inner.snapshot()
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut copy = Batch::new();
        copy.append(batch);
        self.writes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((copy, durability));
        self.inner.write(batch, durability)
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        self.inner.clear(table)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.inner.reclaim(table)
    }

    fn table_bytes(&self, table: Table) -> Result<u64, StoreError> {
        self.inner.table_bytes(table)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
