//! Applies purges and restores, in the order in which they were decided, when the projections have
//! come far enough; and gives the room of what was removed back.
//!
//! Runs on every replica. Its cursor is written after a decision is done, so a crash in the middle
//! meets it again; what was done of it is recognised by its records. From before its first write on the store
//! says that the decision is begun; then it goes on to its end, whoever has the store. A decision that cannot be
//! done here is skipped, counted and told: what comes after it must not wait for it.

mod reclaim;
mod restore;
mod waits;

use super::body::{CheckedPurge, PURGE, PurgeBody, RESTORE};
use super::claim::{self, Claim};
use super::edge::Edge;
use super::holds::Holds;
use super::status::{RetentionStatus, Skipped};
use crate::domain::{SagaDefinitions, SagaId, SharedDefinitions};
use crate::failpoint;
use crate::operations::decisions::{OpsStatus, Recorded, decisions_from};
use crate::operations::definitions::in_force_at;
use crate::pipeline::ingest::space::{Boundless, FreeSpace};
use crate::pipeline::projector::{
    self, Extent, Projector, ProjectorGone, ProjectorHandle, ProjectorSettings, Purge, PurgeOutcome,
    PurgeSaga,
};
use crate::store::records::DecisionOutcome;
use crate::store::{Batch, Durability, SharedStore, StoreError, purged, reads, totals};
use crate::wait;
use serde::Deserialize as _;
use serde_json::Value;
use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sagas that go in one write.
const CHUNK: usize = 50;
/// How long to wait before looking again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The same where it costs a look through all dead letters.
const DEAD_LETTERS_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Between two chunks, so that ingest gets its turn.
const CHUNK_PAUSE: Duration = Duration::from_millis(2);

/// Everything that the worker needs.
pub struct Worker {
    /// The store.
    pub store: SharedStore,
    /// Who removes.
    pub projector: ProjectorHandle,
    /// The definitions in force before any were decided.
    pub configured: Arc<SagaDefinitions>,
    /// The definitions in force now.
    pub definitions: SharedDefinitions,
    /// How far decisions are read.
    pub ops: Arc<OpsStatus>,
    /// Where the topics end.
    pub edge: Edge,
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
pub(crate) enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Projector(#[from] ProjectorGone),
    #[error("told to stop")]
    Stopped,
}

/// Why a decision is not done.
enum Undone {
    /// It is skipped and not tried again.
    Skipped(Skipped, String),
    /// The worker cannot go on.
    Failed(WorkError),
}

impl<E: Into<WorkError>> From<E> for Undone {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Why a decision was skipped, and what to say of it.
struct SkippedDecision {
    reason: Skipped,
    message: String,
}

/// What a decision came to.
#[derive(Default)]
pub(super) struct Done<'w> {
    skipped: Option<SkippedDecision>,
    /// Deliveries that a purge removed.
    removed: Option<u64>,
    /// From its first write until it is noted that it is done: nobody else sees it done by half.
    deciding: Option<MutexGuard<'w, ()>>,
}

/// The next decision that the worker has not done.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(store: &SharedStore) -> Result<u64, StoreError> {
    Ok(reads::meta(&**store, totals::RETENTION_CURSOR)?
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}

/// Does the rest of the decision that is half done because a process ended, if there is one, in a store that
/// nobody else has open. Which it was.
pub(crate) fn finish_begun(
    store: &SharedStore,
    topic: &str,
    configured: &Arc<SagaDefinitions>,
    settings: &ProjectorSettings,
) -> Result<Option<u64>, WorkError> {
    let Some(begun) = purged::begun(&**store)? else {
        return Ok(None);
    };
    let (projector, projecting) =
        projector::spawn(store.clone(), topic, configured.clone(), settings.clone())?;
    let worker = Worker {
        store: store.clone(),
        edge: Edge::of_nobody(topic, &projector),
        projector,
        configured: configured.clone(),
        definitions: configured.clone().into(),
        ops: Arc::default(),
        status: Arc::default(),
        space: Arc::new(Boundless),
        reclaim_percent: 100,
        shutdown: CancellationToken::new(),
    };
    let done = worker.finish(begun);
    drop(worker);
    // It ends when nobody has its handle any more; what it failed at, the worker was told.
    let _ended = projecting.join();
    done.map(|()| Some(begun))
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

    pub(crate) fn run(&self) -> Result<(), WorkError> {
        let mut next = cursor(&self.store)?;
        self.recall()?;
        loop {
            failpoint::pass("thread.removals");
            self.status.done(next);
            self.pause(POLL_INTERVAL)?;
            let end = self.ops.snapshot().next;
            while next < end {
                let (decisions, reached) = decisions_from(&*self.store, next, end, 1)?;
                let mut done = Done::default();
                for recorded in &decisions {
                    done = self.apply(recorded)?;
                }
                next = reached;
                self.note(next, done.skipped)?;
                drop(done.deciding);
                if let Some(removed) = done.removed {
                    self.reclaim_when_due(removed)?;
                }
                self.status.done(next);
            }
        }
    }

    /// Does the rest of the decision that is begun.
    fn finish(&self, begun: u64) -> Result<(), WorkError> {
        let (found, next) = decisions_from(&*self.store, begun, begun.saturating_add(1), 1)?;
        let recorded = found.first().ok_or_else(|| {
            StoreError::Corrupt(format!(
                "decisions: {begun} is begun, and there is no record of it"
            ))
        })?;
        let done = self.apply(recorded)?;
        Ok(self.note(next, done.skipped)?)
    }

    /// Tells what was skipped before this start, too.
    fn recall(&self) -> Result<(), StoreError> {
        let counts = reads::meta_counts(&*self.store, totals::RETENTION_SKIPPED)?;
        let last = reads::meta(&*self.store, totals::RETENTION_LAST_SKIPPED)?;
        self.status.update(|status| {
            status.last_skipped = last;
            for reason in Skipped::ALL {
                let count = counts.get(reason.as_str()).copied().unwrap_or(0);
                status.skipped.insert(reason, count);
            }
        });
        Ok(())
    }

    /// Writes that all before `next` is done, and which decision was skipped, if one was.
    fn note(&self, next: u64, skipped: Option<SkippedDecision>) -> Result<(), StoreError> {
        failpoint::pass("retention.before_cursor");
        let mut batch = Batch::new();
        reads::put_meta(&mut batch, totals::RETENTION_CURSOR, &next.to_string());
        purged::put_begun(&mut batch, None);
        let Some(SkippedDecision { reason, message }) = skipped else {
            return self.store.write(&batch, Durability::Process);
        };
        tracing::error!(reason = reason.as_str(), "{message}");
        let count = reads::meta_count(&*self.store, totals::RETENTION_SKIPPED, reason.as_str())? + 1;
        reads::put_meta_count(&mut batch, totals::RETENTION_SKIPPED, reason.as_str(), count);
        reads::put_meta(&mut batch, totals::RETENTION_LAST_SKIPPED, &message);
        // Told as a counter: nothing may take back what was told, and the next process begins with what is here.
        self.store.write(&batch, Durability::Power)?;
        self.status.update(|status| {
            status.skipped.insert(reason, count);
            status.last_skipped = Some(message);
        });
        Ok(())
    }

    /// Does a decision, and says what it came to.
    pub(super) fn apply(&self, recorded: &Recorded) -> Result<Done<'_>, WorkError> {
        let Some(decision) = &recorded.decision else {
            return Ok(Done::default());
        };
        if recorded.outcome != DecisionOutcome::Applied {
            return Ok(Done::default());
        }
        let done = match decision.kind.as_str() {
            PURGE => self.purge(recorded, &decision.body),
            RESTORE => self.restore(recorded, &decision.body),
            _ => return Ok(Done::default()),
        };
        match done {
            Ok(done) => Ok(done),
            Err(Undone::Skipped(reason, detail)) => {
                let message = format!(
                    "decision {} to {} is skipped: {detail}",
                    recorded.offset, decision.kind
                );
                Ok(Done {
                    skipped: Some(SkippedDecision { reason, message }),
                    ..Done::default()
                })
            }
            Err(Undone::Failed(error)) => Err(error),
        }
    }

    fn purge(&self, recorded: &Recorded, body: &Value) -> Result<Done<'_>, Undone> {
        let malformed = |why| Undone::Skipped(Skipped::Malformed, why);
        let body = PurgeBody::deserialize(body).map_err(|error| malformed(error.to_string()))?;
        let checked = body.checked().map_err(malformed)?;
        if !self.is_begun(recorded.offset)? {
            self.wait_for(recorded.offset, &checked.extent.cut)?;
            self.wait_for_letters(&checked)?;
            self.wait_for_definitions(recorded.offset)?;
        }
        let claim = self.claim(recorded, &body, &checked)?;
        let purge = Purge {
            decision: recorded.offset,
            at: recorded.arrived_at,
            rule: body.rule.as_str().into(),
            extent: self.within_reach(&checked.extent),
            definitions: in_force_at(&*self.store, recorded.offset, &self.configured)?,
        };
        let holds = Arc::new(Holds::read(&*self.store)?);
        let _alone = self.no_rebuild()?;
        let deciding = self.projector.deciding();
        self.begin(recorded.offset)?;
        let mut removed = 0;
        for chunk in checked.sagas.chunks(CHUNK) {
            removed += self.purge_chunk(&purge, &claim, chunk, &holds)?;
            self.pause(CHUNK_PAUSE)?;
        }
        Ok(Done {
            skipped: None,
            removed: Some(removed),
            deciding: Some(deciding),
        })
    }

    /// The cut without what expired before this replica could read it: there is nothing of it here.
    fn within_reach(&self, extent: &Extent) -> Extent {
        let cursor = self.projector.status().cursor;
        let edges = extent.cut.iter();
        Extent {
            cut: edges
                .map(|(number, next)| (number, next.min(cursor.next(number))))
                .collect(),
            unread: extent.unread.clone(),
        }
    }

    /// What the decision claims of time, as far as it holds here. A decision about another topic of
    /// this name is skipped as a whole.
    fn claim(&self, recorded: &Recorded, body: &PurgeBody, checked: &CheckedPurge) -> Result<Claim, Undone> {
        if let Some(position) = claim::stranger(&*self.store, &checked.seen, &checked.extent.cut)? {
            return Err(Undone::Skipped(
                Skipped::Elsewhere,
                format!(
                    "at {position} of {} it has seen another record than this replica",
                    body.topic
                ),
            ));
        }
        Ok(Claim::checked(
            body.days,
            body.quiet_hours,
            &checked.seen,
            (recorded.offset, recorded.arrived_at),
            &*self.store,
        )?)
    }

    fn purge_chunk(
        &self,
        purge: &Purge,
        claim: &Claim,
        chunk: &[PurgeSaga],
        holds: &Arc<Holds>,
    ) -> Result<u64, WorkError> {
        let chunk = self.due_of(purge, claim, chunk)?;
        let (purge, sagas, holds) = (purge.clone(), chunk.clone(), holds.clone());
        let outcomes = self.projector.between_windows(move |projector| {
            let held = |saga: &SagaId, state: &crate::domain::SagaState| {
                holds.keeping(purge.decision, saga, state).is_some()
            };
            projector.purge(&purge, &sagas, &held)
        })??;
        self.finish_rows()?;
        let mut removed = 0;
        for (entry, outcome) in chunk.iter().zip(&outcomes) {
            match outcome {
                PurgeOutcome::Purged => removed += u64::from(entry.events),
                PurgeOutcome::Differs => tracing::warn!(
                    saga = ?entry.saga,
                    "not purged: the log does not hold what the decision names"
                ),
                PurgeOutcome::Held | PurgeOutcome::Already => {}
            }
            self.status.count(*outcome);
        }
        Ok(removed)
    }

    /// Those of the sagas that are due by what the decision has seen. The log inside a cut that is
    /// folded does not change but by decisions before this one, so every replica finds the same.
    fn due_of(
        &self,
        purge: &Purge,
        claim: &Claim,
        chunk: &[PurgeSaga],
    ) -> Result<Vec<PurgeSaga>, StoreError> {
        let mut due = Vec::with_capacity(chunk.len());
        for entry in chunk {
            if claim.holds_of(&*self.store, &entry.saga, &purge.extent)? {
                due.push(entry.clone());
            } else {
                tracing::warn!(
                    saga = ?entry.saga,
                    decision = purge.decision,
                    "not purged: it is not due by what the decision has seen"
                );
                self.status.update(|status| status.not_due += 1);
            }
        }
        Ok(due)
    }

    /// Removes what is left in the log of large sagas that went, and names again what came back; windows go
    /// on in between.
    fn finish_rows(&self) -> Result<(), WorkError> {
        while self.projector.between_windows(Projector::remove_more)?? {
            self.pause(CHUNK_PAUSE)?;
        }
        Ok(())
    }

    /// Whether a decision is half done. All that it had to wait for was there then; it is not waited for again,
    /// because nobody may leave it now.
    fn is_begun(&self, decision: u64) -> Result<bool, StoreError> {
        Ok(purged::begun(&*self.store)? == Some(decision))
    }

    /// Writes that a decision is being done, until [`Worker::note`].
    fn begin(&self, decision: u64) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        purged::put_begun(&mut batch, Some(decision));
        self.store.write(&batch, Durability::Process)
    }

    /// Waits until no rebuild reads the log.
    fn no_rebuild(&self) -> Result<MutexGuard<'_, ()>, WorkError> {
        loop {
            if let Some(guard) = self.projector.try_no_purges() {
                return Ok(guard);
            }
            self.pause(POLL_INTERVAL)?;
        }
    }

    fn pause(&self, time: Duration) -> Result<(), WorkError> {
        if self.shutdown.is_cancelled() {
            return Err(WorkError::Stopped);
        }
        wait::park(time);
        Ok(())
    }
}
