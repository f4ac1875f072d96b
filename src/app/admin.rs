//! The running tracker as the API's internal routes see it.

use crate::api::Caller;
use crate::api::admin::{Admin, AdminError, Digest, PartitionProgress, Progress, RebuildStatus};
use crate::domain::SagaDefinitions;
use crate::ingest::IngestStatus;
use crate::projector::rebuild::{self, Rebuild};
use crate::projector::{ProjectorHandle, ProjectorSettings};
use crate::store::{Generation, SharedStore, read};
use crate::verify;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Answers for a tracker whose parts run.
pub(super) struct RunningAdmin {
    store: SharedStore,
    topic: String,
    definitions: Arc<SagaDefinitions>,
    settings: ProjectorSettings,
    ingest: Arc<IngestStatus>,
    projector: ProjectorHandle,
    rebuild: Arc<Mutex<LastRebuild>>,
}

/// The rebuild that runs or ran last.
#[derive(Default)]
struct LastRebuild {
    running: bool,
    progress: Arc<rebuild::Progress>,
    total: u64,
    ended: Option<Result<(), String>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningAdmin {
    pub(super) fn new(
        store: SharedStore,
        topic: &str,
        definitions: Arc<SagaDefinitions>,
        settings: ProjectorSettings,
        ingest: Arc<IngestStatus>,
        projector: ProjectorHandle,
    ) -> Self {
        let topic = topic.to_owned();
        Self {
            store,
            topic,
            definitions,
            settings,
            ingest,
            projector,
            rebuild: Arc::default(),
        }
    }

    /// Starts a rebuild on a thread of its own.
    pub(super) fn start_rebuild_now(&self) -> Result<RebuildStatus, AdminError> {
        let mut last = lock(&self.rebuild);
        if last.running {
            return Err(AdminError::Busy(
                "a rebuild is running already; GET the same path follows it".to_owned(),
            ));
        }
        let progress = Arc::new(rebuild::Progress::default());
        let job = Rebuild {
            store: self.store.clone(),
            topic: self.topic.clone(),
            definitions: self.definitions.clone(),
            settings: self.settings.clone(),
            progress: progress.clone(),
        };
        let (projector, rebuild) = (self.projector.clone(), self.rebuild.clone());
        let thread = std::thread::Builder::new()
            .name("rebuild".to_owned())
            .spawn(move || {
                let result = job.online(&projector);
                match &result {
                    Ok(done) => tracing::info!(
                        events = done.events,
                        sagas = done.sagas,
                        "rebuilt projections serve"
                    ),
                    Err(error) => tracing::error!(%error, "the rebuild failed; the old projections serve on"),
                }
                let mut last = lock(&rebuild);
                last.running = false;
                last.ended = Some(result.map(|_| ()).map_err(|error| error.to_string()));
            });
        let thread =
            thread.map_err(|e| AdminError::Failed(format!("cannot start the rebuild's thread: {e}")))?;
        let total = self.store.usage().log_rows;
        *last = LastRebuild {
            running: true,
            progress,
            total,
            ended: None,
            thread: Some(thread),
        };
        Ok(self.describe(&last))
    }

    /// Stops a rebuild under way, which holds on to the projector.
    pub(super) fn stop_rebuild(&self) {
        let thread = {
            let mut last = lock(&self.rebuild);
            last.progress.cancel();
            last.thread.take()
        };
        if let Some(thread) = thread {
            // A panic there was told when it happened, and the old projections stand.
            let _ended = thread.join();
        }
    }

    fn describe(&self, last: &LastRebuild) -> RebuildStatus {
        let done = last.progress.done();
        let phase = match (&last.ended, last.running) {
            (_, true) if done.counted > 0 => "counting",
            (_, true) => "folding",
            (Some(Ok(())), _) => "done",
            (Some(Err(_)), _) => "failed",
            (None, _) => "idle",
        };
        let generation = match read::active_generation(&*self.store) {
            Ok(Generation::A) => "a",
            Ok(Generation::B) => "b",
            Err(_) => "unknown",
        };
        RebuildStatus {
            running: last.running,
            phase: phase.to_owned(),
            done: done.events,
            total: last.total.max(done.events),
            generation: generation.to_owned(),
            error: last.ended.clone().and_then(Result::err),
        }
    }
}

impl Admin for RunningAdmin {
    fn progress(&self) -> Progress {
        let ingest = self.ingest.snapshot();
        let projected = self.projector.status().cursor;
        let known: BTreeSet<u32> = [&ingest.next, &ingest.end, &projected]
            .into_iter()
            .flat_map(|cut| cut.iter().map(|(p, _)| p))
            .collect();
        let ends: BTreeSet<u32> = ingest.end.iter().map(|(partition, _)| partition).collect();
        let partitions = known
            .into_iter()
            .map(|partition| PartitionProgress {
                partition,
                next: ingest.next.next(partition),
                projected: projected.next(partition),
                end: ends.contains(&partition).then(|| ingest.end.next(partition)),
            })
            .collect();
        Progress { partitions }
    }

    fn start_rebuild(&self, by: &Caller) -> Result<RebuildStatus, AdminError> {
        tracing::info!(%by, "rebuild asked for");
        self.start_rebuild_now()
    }

    fn rebuild_status(&self) -> RebuildStatus {
        self.describe(&lock(&self.rebuild))
    }

    fn digest(&self) -> Result<Digest, AdminError> {
        let digest =
            verify::digest(&self.store, &self.topic).map_err(|e| AdminError::Failed(e.to_string()))?;
        Ok(Digest {
            at: digest.at.iter().collect(),
            total: digest.total,
            tables: digest.tables,
        })
    }
}

fn lock(last: &Mutex<LastRebuild>) -> MutexGuard<'_, LastRebuild> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}
