//! Applies purges and restores, in the order in which they were decided, when the projections have
//! come far enough; and gives the room of what was removed back.
//!
//! Runs on every replica. Its cursor is written after a decision is done, so a crash in the middle
//! meets it again; what was done of it is recognised by its records.

use super::decision::{PURGE, PurgeBody, RESTORE, RestoreBody};
use super::holds::Holds;
use super::status::RetentionStatus;
use crate::domain::{Cut, Millis, SagaId};
use crate::failpoint;
use crate::ingest::space::FreeSpace;
use crate::ops::{OpsStatus, Recorded, decisions_from};
use crate::projector::{
    ProjectorGone, ProjectorHandle, Purge, PurgeOutcome, PurgeSaga, Restore, RestoreOutcome,
};
use crate::store::records::DecisionOutcome;
use crate::store::{Batch, Durability, SharedStore, StoreError, Table, read, totals};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sagas that go in one write.
const CHUNK: usize = 50;
/// How long to wait before looking again.
const LOOK: Duration = Duration::from_millis(50);
/// Between two chunks, so that ingest gets its turn.
const BREATH: Duration = Duration::from_millis(2);

/// Everything that the worker needs.
pub struct Worker {
    /// The store.
    pub store: SharedStore,
    /// Who removes.
    pub projector: ProjectorHandle,
    /// How far decisions are read.
    pub ops: Arc<OpsStatus>,
    /// Where to tell what was done.
    pub status: Arc<RetentionStatus>,
    /// Room on the disk under the store.
    pub space: Arc<dyn FreeSpace>,
    /// Percent of the log that must have gone before its room is reclaimed.
    pub reclaim_percent: u64,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Why the worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Projector(#[from] ProjectorGone),
    #[error("told to stop")]
    Stopped,
}

/// The next decision that the worker has not done.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(store: &SharedStore) -> Result<u64, StoreError> {
    Ok(read::meta(&**store, totals::RETENTION_CURSOR)?
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}

impl Worker {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("removals".to_owned())
            .spawn(move || match self.run() {
                Ok(()) | Err(WorkError::Stopped) => {}
                Err(error) => {
                    tracing::error!(%error, "purges and restores stop; everything else goes on");
                    self.status
                        .update(|status| status.failed = Some(error.to_string()));
                }
            })
    }

    fn run(&self) -> Result<(), WorkError> {
        let mut next = cursor(&self.store)?;
        loop {
            failpoint::pass("thread.removals");
            self.status.done(next);
            self.pause(LOOK)?;
            let end = self.ops.snapshot().next;
            while next < end {
                let (decisions, reached) = decisions_from(&*self.store, next, end, 1)?;
                for recorded in &decisions {
                    self.apply(recorded)?;
                }
                next = reached;
                self.note(next)?;
                self.status.done(next);
            }
        }
    }

    fn note(&self, next: u64) -> Result<(), StoreError> {
        failpoint::pass("retention.before_cursor");
        let mut batch = Batch::new();
        read::put_meta(&mut batch, totals::RETENTION_CURSOR, &next.to_string());
        self.store.write(&batch, Durability::Process)
    }

    fn apply(&self, recorded: &Recorded) -> Result<(), WorkError> {
        let Some(decision) = &recorded.decision else {
            return Ok(());
        };
        if recorded.outcome != DecisionOutcome::Applied {
            return Ok(());
        }
        match decision.kind.as_str() {
            PURGE => match serde_json::from_value::<PurgeBody>(decision.body.clone()) {
                Ok(body) => self.purge(recorded.offset, recorded.arrived_at, &body),
                // The form was checked when the decision was read.
                Err(_) => Ok(()),
            },
            RESTORE => match serde_json::from_value::<RestoreBody>(decision.body.clone()) {
                Ok(body) => self.restore(recorded.offset, recorded.arrived_at, &body),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn purge(&self, offset: u64, at: Millis, body: &PurgeBody) -> Result<(), WorkError> {
        let purge = Purge {
            decision: offset,
            at,
            rule: body.rule.as_str().into(),
            cut: body.cut(),
        };
        self.wait_for(&purge.cut)?;
        let holds = Arc::new(Holds::read(&*self.store)?);
        let sagas = body.sagas().unwrap_or_default();
        let mut removed = 0;
        for chunk in sagas.chunks(CHUNK) {
            removed += self.purge_chunk(&purge, chunk, &holds)?;
            self.pause(BREATH)?;
        }
        self.reclaim_when_due(removed)
    }

    fn purge_chunk(&self, purge: &Purge, chunk: &[PurgeSaga], holds: &Arc<Holds>) -> Result<u64, WorkError> {
        let _alone = self.no_rebuild()?;
        let (purge, sagas, holds) = (purge.clone(), chunk.to_vec(), holds.clone());
        let outcomes = self.projector.between_windows(move |projector| {
            let held = |saga: &SagaId, state: &crate::domain::SagaState| {
                holds.keeping(purge.decision, saga, state).is_some()
            };
            projector.purge(&purge, &sagas, &held)
        })??;
        let mut removed = 0;
        for (entry, outcome) in chunk.iter().zip(&outcomes) {
            match outcome {
                PurgeOutcome::Purged => removed += u64::from(entry.events),
                PurgeOutcome::Differs => tracing::warn!(
                    saga = %entry.saga,
                    "not purged: the log does not hold what the decision names"
                ),
                PurgeOutcome::Held | PurgeOutcome::Already => {}
            }
            self.status.count(*outcome);
        }
        Ok(removed)
    }

    fn restore(&self, offset: u64, at: Millis, body: &RestoreBody) -> Result<(), WorkError> {
        let Some(events) = body.events() else {
            return Ok(());
        };
        let mut cut = Cut::default();
        for event in &events {
            let next = cut.next(event.position.partition).max(event.position.offset + 1);
            cut.set(event.position.partition, next);
        }
        self.wait_for(&cut)?;
        let restore = Restore {
            decision: offset,
            at,
            saga: SagaId::from(body.saga.as_str()),
            events,
        };
        let saga = restore.saga.clone();
        let _alone = self.no_rebuild()?;
        let outcome = self
            .projector
            .between_windows(move |projector| projector.restore(&restore))??;
        match outcome {
            RestoreOutcome::Restored => tracing::info!(%saga, "restored"),
            RestoreOutcome::NotGone => tracing::info!(%saga, "not restored: it is not gone"),
            RestoreOutcome::Differs => {
                tracing::error!(%saga, "not restored: these are not the deliveries that were removed");
            }
        }
        Ok(())
    }

    /// Waits until the projections cover the cut.
    fn wait_for(&self, cut: &Cut) -> Result<(), WorkError> {
        loop {
            let status = self.projector.status();
            if status.cursor.covers(cut) {
                return Ok(());
            }
            if let Some(why) = status.failed {
                return Err(WorkError::Projector(ProjectorGone(why)));
            }
            self.pause(LOOK)?;
        }
    }

    /// Waits until no rebuild reads the log.
    fn no_rebuild(&self) -> Result<std::sync::MutexGuard<'_, ()>, WorkError> {
        loop {
            if let Some(guard) = self.projector.try_no_removals() {
                return Ok(guard);
            }
            self.pause(LOOK)?;
        }
    }

    fn pause(&self, time: Duration) -> Result<(), WorkError> {
        if self.shutdown.is_cancelled() {
            return Err(WorkError::Stopped);
        }
        std::thread::park_timeout(time);
        Ok(())
    }

    /// Removed rows take up room until their files are merged. That costs as much as reading and
    /// writing the table once, so it is put off until it is worth it.
    fn reclaim_when_due(&self, removed: u64) -> Result<(), WorkError> {
        let before = read::meta(&*self.store, totals::RECLAIMABLE)?
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0);
        let mut pending = before.saturating_add(removed);
        let rows = self.store.usage().log_rows.max(1);
        let enough = pending.saturating_mul(100) >= rows.saturating_mul(self.reclaim_percent.max(1));
        if enough && self.reclaim()? {
            pending = 0;
        }
        let mut batch = Batch::new();
        read::put_meta(&mut batch, totals::RECLAIMABLE, &pending.to_string());
        Ok(self.store.write(&batch, Durability::Process)?)
    }

    fn reclaim(&self) -> Result<bool, StoreError> {
        let before = self.store.usage().disk_bytes;
        for table in [Table::Log, Table::Feed] {
            let needed = self.store.table_bytes(table)?;
            if self.space.free().is_some_and(|free| free < needed) {
                tracing::warn!(
                    table = table.name(),
                    needed,
                    "too little room to merge the table's files; what was removed gives no room back yet"
                );
                return Ok(false);
            }
            self.store.reclaim(table)?;
        }
        let after = self.store.usage().disk_bytes;
        tracing::info!(before, after, "the room of removed rows is given back");
        self.status
            .update(|status| status.reclaimed_bytes += before.saturating_sub(after));
        Ok(true)
    }
}
