//! Snapshots of a running tracker: on a schedule and on demand, one at a time.

use super::depot::Depot;
use super::{
    Create, Created, Phase, Pruned, SnapshotError, SnapshotId, SnapshotSettings, SnapshotStatus, Summary,
    Trigger, prune,
};
use crate::domain::clock::SharedClock;
use crate::failpoint;
use crate::operations::audit::{Act, Audit};
use crate::operations::objects::{self, ObjectsSettings};
use crate::store::{SharedStore, StoreError};
use crate::wait::Backoff;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

/// After a scheduled snapshot failed, the next try comes after so long, then twice as long each time.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(1_800));

/// What snapshots of a running tracker need.
pub struct SnapshotParts {
    /// The store.
    pub store: SharedStore,
    /// Where snapshots are kept.
    pub objects: ObjectsSettings,
    /// When, and for how long.
    pub settings: SnapshotSettings,
    /// A directory that may be made and removed, on the store's own disk.
    pub scratch: PathBuf,
    /// The tracker topic.
    pub topic: String,
    /// Where it is recorded how one ended that was asked for.
    pub audit: Audit,
    /// The clock.
    pub clock: SharedClock,
    /// A random number for each snapshot's name.
    pub random: fn() -> u32,
    /// Ends everything.
    pub shutdown: CancellationToken,
}

/// A handle on the snapshots of a running tracker. Cheap to clone.
#[derive(Clone)]
pub struct Snapshots {
    inner: Arc<Inner>,
}

struct Inner {
    parts: SnapshotParts,
    /// Made at the first use: an object store that is away must not keep the tracker from starting.
    depot: OnceLock<Depot>,
    status: Arc<SnapshotStatus>,
    one_at_a_time: Arc<Mutex<()>>,
    runtime: Handle,
}

impl Snapshots {
    /// For the runtime that this is called on.
    pub fn new(parts: SnapshotParts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                depot: OnceLock::new(),
                status: Arc::default(),
                one_at_a_time: Arc::default(),
                runtime: Handle::current(),
            }),
        }
    }

    /// What they are doing.
    pub fn status(&self) -> &Arc<SnapshotStatus> {
        &self.inner.status
    }

    fn depot(&self) -> Result<&Depot, SnapshotError> {
        if let Some(depot) = self.inner.depot.get() {
            return Ok(depot);
        }
        let depot = Depot::new(&objects::open(&self.inner.parts.objects)?);
        Ok(self.inner.depot.get_or_init(|| depot))
    }

    /// Begins a snapshot beside everything else; the status follows it, and the audit log is told how it ended.
    ///
    /// # Errors
    /// [`SnapshotError::Busy`] while one is made, or when the settings name no object store.
    pub fn start(&self, act: Act) -> Result<SnapshotId, SnapshotError> {
        let turn = self.inner.one_at_a_time.clone().try_lock_owned();
        let turn = turn.map_err(|_| SnapshotError::Busy)?;
        self.depot()?;
        let id = self.new_id();
        let (this, begun) = (self.clone(), id.clone());
        // Before the answer: whoever asks for the status after it finds it under way.
        self.inner.status.began(&id, Trigger::Request);
        self.inner.runtime.spawn_blocking(move || {
            let made = this.make_here(id, Trigger::Request, &turn);
            let audit = &this.inner.parts.audit;
            audit.note_result(&act, &made, |created| created.manifest.id.to_string());
        });
        Ok(begun)
    }

    /// Makes one on this thread, which is not the runtime's.
    fn make_here(
        &self,
        id: SnapshotId,
        trigger: Trigger,
        turn: &OwnedMutexGuard<()>,
    ) -> Result<Created, SnapshotError> {
        let making = || self.inner.runtime.block_on(self.make(id, trigger, turn));
        catch_unwind(AssertUnwindSafe(making)).unwrap_or_else(|_| {
            let why = "it panicked; the message is in the log";
            let Inner { parts, status, .. } = &*self.inner;
            status.failed(parts.clock.now(), why.to_owned(), trigger);
            status.ended();
            Err(StoreError::Disk(why.to_owned()).into())
        })
    }

    fn new_id(&self) -> SnapshotId {
        let parts = &self.inner.parts;
        SnapshotId::new(parts.clock.now(), (parts.random)())
    }

    /// Makes one, and lets go of old ones.
    async fn make(
        &self,
        id: SnapshotId,
        trigger: Trigger,
        _turn: &OwnedMutexGuard<()>,
    ) -> Result<Created, SnapshotError> {
        let Inner { parts, status, .. } = &*self.inner;
        let progress = status.began(&id, trigger);
        let making = async {
            let create = Create {
                store: parts.store.clone(),
                depot: self.depot()?.clone(),
                settings: parts.settings.clone(),
                scratch: parts.scratch.clone(),
                topic: parts.topic.clone(),
                clock: parts.clock.clone(),
                progress: progress.clone(),
            };
            create.run(id.clone()).await
        };
        let made = tokio::select! {
            made = making => made,
            () = parts.shutdown.cancelled() => Err(SnapshotError::Cancelled),
        };
        match &made {
            Ok(created) => {
                let manifest = &created.manifest;
                status.succeeded(manifest, parts.clock.now(), trigger);
                tracing::info!(
                    %id, trigger = trigger.as_str(), bytes = manifest.bytes, sent = manifest.sent_bytes, ms = manifest.took_ms,
                    "snapshot made"
                );
                progress.enter(Phase::Pruning);
                tokio::select! {
                    () = self.prune_quietly() => {}
                    () = parts.shutdown.cancelled() => {}
                }
            }
            Err(SnapshotError::Cancelled) => tracing::info!(%id, "shutdown: the snapshot is not finished"),
            Err(error) => {
                tracing::error!(%id, trigger = trigger.as_str(), %error, "no snapshot was made");
                status.failed(parts.clock.now(), error.to_string(), trigger);
            }
        }
        status.ended();
        made
    }

    /// A snapshot that was made is one, even if older ones could not be let go of.
    async fn prune_quietly(&self) {
        let pruned = match self.depot() {
            Ok(depot) => prune(depot, &self.inner.parts.settings, false).await,
            Err(error) => Err(error),
        };
        match pruned {
            Ok(pruned) if pruned.retired.is_empty() && pruned.deleted_files == 0 => {}
            Ok(pruned) => tracing::info!(
                retired = pruned.retired.len(),
                files = pruned.deleted_files,
                bytes = pruned.deleted_bytes,
                "old snapshots are retired"
            ),
            Err(error) => tracing::error!(%error, "old snapshots could not be retired"),
        }
    }

    /// The newest snapshots first, at most `limit`, and those whose manifests cannot be read.
    /// Waits; not for a thread of the runtime.
    ///
    /// # Errors
    /// [`SnapshotError`] when the object store cannot be asked.
    pub fn list(&self, limit: usize) -> Result<Vec<Summary>, SnapshotError> {
        let depot = self.depot()?;
        self.inner.runtime.block_on(async {
            let mut list = Vec::new();
            for id in depot.ids().await?.into_iter().rev().take(limit) {
                match depot.manifest(&id).await {
                    Ok(manifest) => list.push(manifest.summary()),
                    // Pruned meanwhile.
                    Err(SnapshotError::NoSuch { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(list)
        })
    }

    /// Lets go of old snapshots. Waits; not for a thread of the runtime.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn prune(&self, dry_run: bool) -> Result<Pruned, SnapshotError> {
        let depot = self.depot()?;
        let settings = &self.inner.parts.settings;
        self.inner.runtime.block_on(prune(depot, settings, dry_run))
    }

    /// Makes snapshots as the settings say, until shutdown, and then waits for what is under way.
    pub async fn run(self) {
        failpoint::pass("thread.snapshots");
        let shutdown = self.inner.parts.shutdown.clone();
        if self.inner.parts.objects.url.is_some() {
            tokio::select! {
                () = self.look_back() => {}
                () = shutdown.cancelled() => {}
            }
        }
        match self.inner.parts.settings.interval() {
            Some(interval) => tokio::select! {
                () = self.keep_making(interval) => {}
                () = shutdown.cancelled() => {}
            },
            None => shutdown.cancelled().await,
        }
        // Whatever is under way has been told to end, and has its turn until it does.
        drop(self.inner.one_at_a_time.lock().await);
    }

    /// When the last snapshot was made, as far as the object store knows.
    async fn look_back(&self) {
        let found = match self.depot() {
            Ok(depot) => depot.resolve(None, None).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(manifest) => self.inner.status.found(&manifest),
            Err(SnapshotError::NoSuch { .. }) => {}
            Err(error) => tracing::warn!(%error, "when the last snapshot was made is not known"),
        }
    }

    async fn keep_making(&self, interval: Duration) {
        let mut wait = match self.inner.status.known().last {
            Some(last) => {
                let age = Duration::from_millis(self.inner.parts.clock.now().since(last.at));
                interval.saturating_sub(age)
            }
            None => Duration::ZERO,
        };
        let mut retry = RETRY_BACKOFF;
        loop {
            tokio::time::sleep(wait).await;
            let turn = self.inner.one_at_a_time.clone().lock_owned().await;
            // A job of its own, so that shutdown is told to it and not done to it.
            let (this, id) = (self.clone(), self.new_id());
            let made = move || this.make_here(id, Trigger::Schedule, &turn).is_ok();
            let job = tokio::task::spawn_blocking(made);
            wait = if let Ok(true) = job.await {
                retry = RETRY_BACKOFF;
                interval
            } else {
                retry.next().min(interval)
            };
        }
    }
}
