//! The running tracker as the API's internal routes see it.

use super::ops::Ops;
use super::retention::Retention;
use super::supervise::{Ended, words};
use super::topic_replay::Replays;
use crate::domain::SagaDefinitions;
use crate::operations::audit::{Act, Audit, Outcome};
use crate::operations::dead_letters::redrive::Redrives;
use crate::operations::decisions::{Decisions, StatusChange};
use crate::operations::objects::ObjectsError;
use crate::operations::snapshot::{Known, Pruned, SnapshotError, SnapshotId, Snapshots, Summary};
use crate::pipeline::ingest::IngestStatus;
use crate::pipeline::ingest::topic_replay::{Replay, ReplayRange};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::projector::rebuild::{self, Rebuild};
use crate::pipeline::projector::{AtRestError, ProjectorHandle, ProjectorSettings};
use crate::pipeline::registry::SchemaSource;
use crate::pipeline::verify;
use crate::server::api::Caller;
use crate::server::api::admin::{
    Admin, AdminError, Digest, EndedPart, NewStatus, OpsProgress, PartitionProgress, Progress, RebuildStatus,
    ReplayStatus, StatusSet,
};
use crate::server::api::retention::RetentionService;
use crate::store::dead_letters::DeadLetterLock;
use crate::store::stoppable::{self, Stop};
use crate::store::{Generation, SharedStore, StoreError, reads};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The parts that it answers for.
pub(super) struct AdminParts {
    pub(super) store: SharedStore,
    pub(super) topic: String,
    pub(super) definitions: Arc<SagaDefinitions>,
    pub(super) settings: ProjectorSettings,
    pub(super) ingest: Arc<IngestStatus>,
    pub(super) projector: ProjectorHandle,
    pub(super) ops: Ops,
    pub(super) audit: Audit,
    pub(super) redrives: Redrives,
    pub(super) snapshots: Snapshots,
    pub(super) kafka: KafkaSettings,
    pub(super) schemas: Arc<dyn SchemaSource>,
    pub(super) book: DeadLetterLock,
    pub(super) ended: Arc<Ended>,
    pub(super) retention: Retention,
}

/// Answers for a tracker whose parts run.
pub(super) struct RunningAdmin {
    parts: AdminParts,
    rebuild: Arc<Mutex<LastRebuild>>,
    replays: Replays,
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
    pub(super) fn new(parts: AdminParts) -> Self {
        Self {
            parts,
            rebuild: Arc::default(),
            replays: Replays::default(),
        }
    }

    /// Starts a rebuild on a thread of its own, which records how it ended.
    pub(super) fn start_rebuild_now(&self, act: Act) -> Result<RebuildStatus, AdminError> {
        let parts = &self.parts;
        let mut last = lock(&self.rebuild);
        if last.running {
            return Err(AdminError::Busy(
                "a rebuild is running already; GET the same path follows it".to_owned(),
            ));
        }
        if self.replays.status().running {
            return Err(AdminError::Busy(
                "a replay of the topic is running; start the rebuild when it is over".to_owned(),
            ));
        }
        let progress = Arc::new(rebuild::Progress::default());
        let job = Rebuild {
            store: parts.store.clone(),
            topic: parts.topic.clone(),
            definitions: parts.definitions.clone(),
            settings: parts.settings.clone(),
            progress: progress.clone(),
        };
        let (projector, rebuild) = (parts.projector.clone(), self.rebuild.clone());
        let audit = parts.audit.clone();
        let thread = std::thread::Builder::new()
            .name("rebuild".to_owned())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| job.online(&projector)))
                    .unwrap_or_else(|panic| Err(StoreError::Disk(words(&*panic)).into()));
                match &result {
                    Ok(done) => tracing::info!(
                        events = done.events,
                        sagas = done.sagas,
                        "rebuilt projections serve"
                    ),
                    Err(error) => tracing::error!(%error, "the rebuild failed; the old projections serve on"),
                }
                match &result {
                    Ok(done) => {
                        let detail = format!("{} sagas from {} events", done.sagas, done.events);
                        audit.note(&act, Outcome::Done, &detail);
                    }
                    Err(error) => audit.note(&act, Outcome::Failed, &error.to_string()),
                }
                let mut last = lock(&rebuild);
                last.running = false;
                last.ended = Some(result.map(|_| ()).map_err(|error| error.to_string()));
            });
        let thread =
            thread.map_err(|e| AdminError::Failed(format!("cannot start the rebuild's thread: {e}")))?;
        let total = parts.store.usage().log_rows;
        *last = LastRebuild {
            running: true,
            progress,
            total,
            ended: None,
            thread: Some(thread),
        };
        Ok(self.describe(&last))
    }

    /// Stops a rebuild and a replay under way, which hold on to the projector.
    pub(super) fn stop_work(&self) {
        self.replays.stop();
        self.stop_rebuild();
    }

    fn stop_rebuild(&self) {
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
        let generation = match reads::active_generation(&*self.parts.store) {
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
    fn ended_parts(&self) -> Vec<EndedPart> {
        self.parts.ended.parts()
    }

    fn progress(&self) -> Progress {
        let ingest = self.parts.ingest.snapshot();
        let projected = self.parts.projector.status().cursor;
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
        let ops = self.parts.ops.status.snapshot();
        Progress {
            partitions,
            ops: OpsProgress {
                next: ops.next,
                end: ops.end,
                stopped: ops.fatal.is_some(),
                missing_since: ops.missing_since,
                waiting: ops.fatal.or(ops.waiting),
            },
        }
    }

    fn start_rebuild(&self, by: &Caller) -> Result<RebuildStatus, AdminError> {
        tracing::info!(%by, "rebuild asked for");
        self.start_rebuild_now(by.act("rebuild", "projections", ""))
    }

    fn rebuild_status(&self) -> RebuildStatus {
        self.describe(&lock(&self.rebuild))
    }

    fn start_snapshot(&self, by: &Caller) -> Result<SnapshotId, AdminError> {
        tracing::info!(%by, "snapshot asked for");
        let parts = &self.parts;
        let (audit, act) = (parts.audit.clone(), by.act("create-snapshot", "snapshots", ""));
        let started = parts.snapshots.start(Box::new(move |made| match made {
            Ok(created) => audit.note(&act, Outcome::Done, created.manifest.id.as_str()),
            Err(error) => audit.note(&act, Outcome::Failed, &error.to_string()),
        }));
        started.map(|started| started.id).map_err(refusal)
    }

    fn snapshot_status(&self) -> Known {
        self.parts.snapshots.status().known()
    }

    fn snapshots(&self, limit: usize) -> Result<Vec<Summary>, AdminError> {
        self.parts.snapshots.list(limit).map_err(refusal)
    }

    fn prune_snapshots(&self, dry_run: bool) -> Result<Pruned, AdminError> {
        self.parts.snapshots.prune(dry_run).map_err(refusal)
    }

    fn retention(&self) -> Option<&dyn RetentionService> {
        Some(&self.parts.retention)
    }

    fn digest(&self, stop: Stop) -> Result<Digest, AdminError> {
        let parts = &self.parts;
        let store = stoppable::until(parts.store.clone(), stop);
        let digest = verify::digest_at_rest(&parts.projector, &store, &parts.topic, &parts.settings)
            .map_err(|error| match error {
                AtRestError::Busy => AdminError::Busy(error.to_string()),
                other => AdminError::Failed(other.to_string()),
            })?;
        Ok(Digest {
            at: digest.at.iter().collect(),
            topics: digest.topics,
            applied: digest.applied,
            waiting_letters: digest.waiting_letters,
            rules: digest.rules,
            total: digest.total,
            tables: digest.tables,
        })
    }

    fn start_replay(&self, range: ReplayRange, by: &Caller) -> Result<ReplayStatus, AdminError> {
        let parts = &self.parts;
        // Held until the replay runs: a rebuild would fold a log that is being filled in.
        let rebuild = lock(&self.rebuild);
        if rebuild.running {
            return Err(AdminError::Busy(
                "a rebuild is running; start the replay when it is over".to_owned(),
            ));
        }
        let make = |stop| Replay {
            store: parts.store.clone(),
            settings: parts.kafka.clone(),
            schemas: parts.schemas.clone(),
            projector: parts.projector.clone(),
            book: parts.book.clone(),
            stop,
        };
        let act = by.act("replay-topic", "topic", "");
        self.replays.start(make, range, parts.audit.clone(), act)
    }

    fn replay_status(&self) -> ReplayStatus {
        self.replays.status()
    }

    fn redrives(&self) -> Result<Redrives, AdminError> {
        Ok(self.parts.redrives.clone())
    }

    fn decisions(&self) -> Result<Decisions, AdminError> {
        Ok(self.parts.ops.decisions.clone())
    }

    fn set_status(&self, wish: &NewStatus, by: &Caller) -> Result<StatusSet, AdminError> {
        let change = StatusChange {
            saga_id: wish.saga_id.clone(),
            status: wish.status,
            reason: wish.reason.clone(),
            expected: wish.expected,
            operator: by.who().to_owned(),
            origin: by.origin(),
        };
        let changed = self.parts.ops.statuses.change(&change)?;
        Ok(StatusSet {
            previous: changed.previous,
            current: changed.current,
            updated_at: changed.updated_at,
            event_id: changed.event_id,
        })
    }
}

/// What the other end is told.
fn refusal(error: SnapshotError) -> AdminError {
    match error {
        SnapshotError::Busy => AdminError::Busy(
            "a snapshot is being made already; GET /internal/v1/snapshots/status follows it".to_owned(),
        ),
        SnapshotError::Objects(error @ ObjectsError::NotConfigured) => {
            AdminError::Conflict(error.to_string())
        }
        SnapshotError::Objects(error) => AdminError::Unavailable(error.to_string()),
        other => AdminError::Failed(other.to_string()),
    }
}

fn lock(last: &Mutex<LastRebuild>) -> MutexGuard<'_, LastRebuild> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}
