//! What the API asks of the running tracker beside questions about sagas. The app supplies it.

use super::caller::Caller;
use crate::domain::{Millis, SagaId, SagaStatus};
use crate::operations::dead_letters::redrive::Redrives;
use crate::operations::decisions::{Decisions, OpsError};
use crate::operations::snapshot::{Known, Pruned, SnapshotId, Summary};
use crate::pipeline::ingest::topic_replay::ReplayRange;
use crate::store::stoppable::Stop;
use std::collections::BTreeMap;

/// The running tracker, as the internal routes see it.
pub trait Admin: Send + Sync + 'static {
    /// How far consumption and projection are.
    fn progress(&self) -> Progress;

    /// Threads and tasks of the tracker that ended unasked.
    fn ended_parts(&self) -> Vec<EndedPart> {
        Vec::new()
    }

    /// Starts to build the projections anew, while the present ones serve.
    ///
    /// # Errors
    /// [`AdminError::Busy`] when a rebuild runs already.
    fn start_rebuild(&self, by: &Caller) -> Result<RebuildStatus, AdminError>;

    /// What the rebuild does, or how the last one ended.
    fn rebuild_status(&self) -> RebuildStatus;

    /// Begins a snapshot beside everything else.
    ///
    /// # Errors
    /// [`AdminError::Busy`] while one is made, [`AdminError::Unavailable`] when there is nowhere to put it.
    fn start_snapshot(&self, by: &Caller) -> Result<SnapshotId, AdminError>;

    /// What snapshots are doing.
    fn snapshot_status(&self) -> Known;

    /// The newest snapshots, newest first.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the object store cannot be asked.
    fn snapshots(&self, limit: usize) -> Result<Vec<Summary>, AdminError>;

    /// Lets go of snapshots that the settings do not keep; with `dry_run`, says what would go.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when the object store cannot be asked.
    fn prune_snapshots(&self, dry_run: bool) -> Result<Pruned, AdminError>;

    /// What removes, keeps and archives; none when nothing does.
    fn retention(&self) -> Option<&dyn super::retention::RetentionService> {
        None
    }

    /// A digest over all state. Takes as long as reading all of it; ends early when told to.
    ///
    /// # Errors
    /// [`AdminError::Failed`] when state cannot be read.
    fn digest(&self, stop: Stop) -> Result<Digest, AdminError>;

    /// Starts to read the topic again, beside consuming it.
    ///
    /// # Errors
    /// [`AdminError::Busy`] while a replay or a rebuild runs.
    fn start_replay(&self, _range: ReplayRange, _by: &Caller) -> Result<ReplayStatus, AdminError> {
        Err(AdminError::Unavailable(NO_KAFKA.to_owned()))
    }

    /// How far the replay is, or what the last one found.
    fn replay_status(&self) -> ReplayStatus {
        ReplayStatus::default()
    }

    /// Redrives of dead letters.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when this tracker publishes nothing.
    fn redrives(&self) -> Result<Redrives, AdminError> {
        Err(AdminError::Unavailable(NO_KAFKA.to_owned()))
    }

    /// Operators' decisions.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`] when this tracker publishes nothing.
    fn decisions(&self) -> Result<Decisions, AdminError> {
        Err(AdminError::Unavailable(NO_KAFKA.to_owned()))
    }

    /// Sets a saga's status by an event on the tracker topic, and waits until it is applied.
    ///
    /// # Errors
    /// [`AdminError`]; what was changed is in its words.
    fn set_status(&self, _wish: &NewStatus, _by: &Caller) -> Result<StatusSet, AdminError> {
        Err(AdminError::Unavailable(NO_KAFKA.to_owned()))
    }
}

/// What a tracker says that was built without a way into Kafka.
const NO_KAFKA: &str = "this tracker publishes nothing; ask one that is connected to Kafka";

/// A status that an operator wants a saga to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatus {
    /// The saga.
    pub saga_id: SagaId,
    /// The status.
    pub status: SagaStatus,
    /// The status that the decision was made on, if it matters.
    pub expected: Option<SagaStatus>,
    /// Why.
    pub reason: String,
}

/// What setting it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet {
    /// The status that the change met.
    pub previous: SagaStatus,
    /// The status after it.
    pub current: SagaStatus,
    /// The event's time.
    pub updated_at: Millis,
    /// The event's id.
    pub event_id: String,
}

/// Why the tracker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Something is in the way; try again when it is over.
    #[error("{0}")]
    Busy(String),
    /// What it is about does not exist.
    #[error("{0}")]
    NotFound(String),
    /// What was asked for is wrong; the message says what is accepted.
    #[error("{0}")]
    Invalid(String),
    /// State does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be done now; the message says what to do.
    #[error("{0}")]
    Unavailable(String),
    /// It cannot be done now and was not begun: nothing was changed.
    #[error("{0}")]
    NotBegun(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<OpsError> for AdminError {
    fn from(error: OpsError) -> Self {
        let words = error.to_string();
        match error {
            OpsError::NotFound(_) => Self::NotFound(words),
            OpsError::Conflict(_) => Self::Conflict(words),
            OpsError::Unreachable(_) => Self::NotBegun(words),
            OpsError::Unsettled(_) => Self::Unavailable(words),
            OpsError::Failed(_) | OpsError::Store(_) => Self::Failed(words),
        }
    }
}

/// A thread or task of the tracker that ended unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedPart {
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub reason: String,
    /// Whether it panicked: then a restart helps.
    pub panicked: bool,
}

/// How far consumption and projection are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Each known partition.
    pub partitions: Vec<PartitionProgress>,
    /// How far decisions are read.
    pub ops: OpsProgress,
}

/// How far the ops topic is read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OpsProgress {
    /// The next offset to read; all before it has taken effect.
    pub next: u64,
    /// The end of the topic; none before it is known.
    pub end: Option<u64>,
    /// Why decisions are not read now.
    pub waiting: Option<String>,
    /// Whether they are read no more, whatever happens.
    pub stopped: bool,
    /// Since when a broker has answered that the topic does not exist.
    pub missing_since: Option<Millis>,
}

/// How far one partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Its number.
    pub partition: u32,
    /// The next offset to consume; all before it is stored.
    pub next: u64,
    /// The next offset to fold; all before it shows in answers.
    pub projected: u64,
    /// The end of the partition at the broker; none before it told.
    pub end: Option<u64>,
}

/// What a rebuild does, or how the last one ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RebuildStatus {
    /// Whether one runs.
    pub running: bool,
    /// What it does now, or how it ended.
    pub phase: String,
    /// Events folded so far.
    pub done: u64,
    /// Events to fold, estimated.
    pub total: u64,
    /// The generation of projections that serves.
    pub generation: String,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// How far a replay of the topic is, or what the last one found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReplayStatus {
    /// Whether one runs.
    pub running: bool,
    /// Offsets to go through.
    pub total: u64,
    /// Records read so far.
    pub read: u64,
    /// Records that the store accounts for already.
    pub known: u64,
    /// Records that were missing and are filled in.
    pub filled: u64,
    /// Records before the offset that the store starts at.
    pub before_start: u64,
    /// Why the last one ended early.
    pub error: Option<String>,
}

/// A digest over all state: equal on every tracker that has read the same topics up to the same
/// offsets, done the same decisions and folds under the same rules.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    /// By partition of the tracker topic, the next offset: all before it is inside, log and projections.
    pub at: BTreeMap<u32, u64>,
    /// By topic and partition, the next offset to read.
    pub topics: BTreeMap<String, BTreeMap<u32, u64>>,
    /// The next decision whose purge or restore is not done.
    pub applied: u64,
    /// Open dead letters of unknown schemas: they become events where the registry knows their schemas.
    pub waiting_letters: u64,
    /// The rules of the fold that the projections are made under.
    pub rules: String,
    /// Over all tables, hexadecimal.
    pub total: String,
    /// By table, hexadecimal.
    pub tables: BTreeMap<String, String>,
}
