//! Ingest, projector and store inside this process, wired as the tracker wires them.

use crate::machine;
use crate::purging::Purging;
use crate::settings::Settings;
use crate::{served, topic};
use anyhow::{Context as _, bail};
use saga_tracker::domain::SagaDefinitions;
use saga_tracker::domain::clock::SystemClock;
use saga_tracker::pipeline::ingest::space::Boundless;
use saga_tracker::pipeline::ingest::{Ingest, IngestStatus};
use saga_tracker::pipeline::projector::rebuild::Rebuild;
use saga_tracker::pipeline::projector::{self, ProjectorSettings};
use saga_tracker::pipeline::registry::BundledSchema;
use saga_tracker::store::dead_letters::DeadLetterLock;
use saga_tracker::store::rocks::{RocksSettings, RocksStore};
use saga_tracker::store::{SharedStore, Store};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longer than any honest run.
const TIMEOUT: Duration = Duration::from_secs(1_800);

/// Opens a store with the default settings.
pub(crate) fn open(dir: &Path) -> anyhow::Result<RocksStore> {
    Ok(RocksStore::open(dir, &RocksSettings::default())?)
}

/// Consumes the topic into a new store.
pub(crate) fn ingest(settings: &Settings, topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let store: SharedStore = Arc::new(open(dir)?);
    consume(settings, topic, &store)
}

/// The same while sagas are removed.
pub(crate) fn ingest_and_purge(settings: &Settings, topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let store: SharedStore = Arc::new(open(dir)?);
    consume_beside(settings, topic, &store, (ProjectorSettings::default(), true))
}

/// Consumes the whole topic into the store. The time ends when every record shows in answers and
/// all is synced.
pub(crate) fn consume(settings: &Settings, topic: &str, store: &SharedStore) -> anyhow::Result<Value> {
    consume_with(settings, topic, store, ProjectorSettings::default())
}

/// The same, by a projector with these settings.
pub(crate) fn consume_with(
    settings: &Settings,
    topic: &str,
    store: &SharedStore,
    projector: ProjectorSettings,
) -> anyhow::Result<Value> {
    consume_beside(settings, topic, store, (projector, false))
}

fn consume_beside(
    settings: &Settings,
    topic: &str,
    store: &SharedStore,
    (projector, purge): (ProjectorSettings, bool),
) -> anyhow::Result<Value> {
    let end = topic::ends(settings, topic)?;
    let events: u64 = end.iter().map(|(_, next)| next).sum();
    let definitions = Arc::new(SagaDefinitions::default());
    let (status, shutdown) = (Arc::new(IngestStatus::default()), CancellationToken::new());

    let started = Instant::now();
    let syncer = Syncer::start(store.clone());
    let (projector, folding) = projector::spawn(store.clone(), topic, definitions, projector)?;
    let ingest = Ingest {
        store: store.clone(),
        settings: settings.ingest(topic),
        schemas: Arc::new(BundledSchema::new()?),
        projector: projector.clone(),
        status: status.clone(),
        dead_letters: Arc::new(Notify::new()),
        space: Arc::new(Boundless),
        book: DeadLetterLock::default(),
        clock: Arc::new(SystemClock),
        shutdown: shutdown.clone(),
    };
    let ingesting = ingest.spawn()?;
    let purging = purge.then(|| Purging::start(store.clone(), projector.clone()));
    let mut written = None;
    loop {
        let folded = projector.status();
        if folded.cursor.covers(&end) {
            break;
        }
        if written.is_none() && status.snapshot().next.covers(&end) {
            written = Some(started.elapsed());
        }
        if let Some(reason) = folded.failed.or(status.snapshot().fatal) {
            bail!("the pipeline stopped: {reason}");
        }
        anyhow::ensure!(started.elapsed() < TIMEOUT, "{topic} was not consumed in time");
        std::thread::sleep(Duration::from_millis(1));
    }
    store.sync()?;
    let took = started.elapsed();
    let threads = machine::thread_seconds()?;
    let waited = machine::waited_share("ingest")?;
    shutdown.cancel();
    let purged = purging.map(Purging::stop).transpose()?;
    drop(projector);
    for thread in [ingesting, folding] {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    }
    syncer.stop()?;
    Ok(json!({
        "events": events,
        "seconds": took.as_secs_f64(),
        "log_seconds": written.unwrap_or(took).as_secs_f64(),
        "cpu": threads,
        "waited": waited,
        "purged": purged,
        "peak_mib": machine::peak_mib(std::process::id())?,
    }))
}

/// Makes the projections of a filled store anew, twice, so that the generation that serves is the
/// same again. What filling it left to be merged is merged before.
pub(crate) fn rebuild(topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let store: SharedStore = Arc::new(open(dir)?);
    served::settled(dir)?;
    let mut seconds = Vec::new();
    let mut events = 0;
    for _ in 0..2 {
        let job = Rebuild {
            store: store.clone(),
            topic: topic.to_owned(),
            definitions: Arc::new(SagaDefinitions::default()),
            settings: ProjectorSettings::default(),
            progress: Arc::default(),
        };
        let started = Instant::now();
        events = job.offline()?.events;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(json!({ "events": events, "seconds": seconds, "cpu": machine::thread_seconds()? }))
}

/// Syncs the store every second, as the tracker does.
pub(crate) struct Syncer {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Syncer {
    /// From now on.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                store.sync()?;
            }
            Ok(())
        });
        Self { stop, thread }
    }

    /// No longer.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        let ended = self.thread.join();
        ended
            .map_err(|_| anyhow::anyhow!("the syncing thread panicked"))?
            .context("syncing")
    }
}
