//! The least that has to be done: the rows that the tracker wrote, in the batches in which it wrote
//! them, into another new store, with nothing around it.

use crate::machine;
use crate::pipeline::{self, Syncer};
use crate::settings::Settings;
use saga_tracker::store::layer::{Layer, Layered};
use saga_tracker::store::{Batch, Durability, SharedStore, Store, StoreError, Table};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

type Writes = Vec<(Batch, Durability)>;

/// Remembers what was written.
#[derive(Default)]
struct Recording(Mutex<Writes>);

/// Consumes the topic into a store that remembers, then writes the same again.
pub(crate) fn replay(settings: &Settings, topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let inner: SharedStore = Arc::new(pipeline::open(&dir.join("recorded"))?);
    let recording = Arc::new(Layered::over(inner, Recording::default()));
    let store: SharedStore = recording.clone();
    let consumed = pipeline::consume(settings, topic, &store)?;
    drop(store);
    let writes = std::mem::take(&mut *recording.layer().0.lock().unwrap_or_else(PoisonError::into_inner));
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

impl Layer for Recording {
    const OVER_SNAPSHOTS: bool = false;

    fn write(&self, inner: &dyn Store, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut copy = Batch::new();
        copy.append(batch);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((copy, durability));
        inner.write(batch, durability)
    }
}
