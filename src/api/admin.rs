//! What the API asks of the running tracker beside questions about sagas. The app supplies it.

use super::caller::Caller;
use std::collections::BTreeMap;

/// The running tracker, as the internal routes see it.
pub trait Admin: Send + Sync + 'static {
    /// How far consumption and projection are.
    fn progress(&self) -> Progress;

    /// Starts to build the projections anew, while the present ones serve.
    ///
    /// # Errors
    /// [`AdminError::Busy`] when a rebuild runs already.
    fn start_rebuild(&self, by: &Caller) -> Result<RebuildStatus, AdminError>;

    /// What the rebuild does, or how the last one ended.
    fn rebuild_status(&self) -> RebuildStatus;

    /// A digest over all state. Takes as long as reading all of it.
    ///
    /// # Errors
    /// [`AdminError::Failed`] when state cannot be read.
    fn digest(&self) -> Result<Digest, AdminError>;
}

/// Why the tracker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Something is in the way; try again when it is over.
    #[error("{0}")]
    Busy(String),
    /// It cannot be done now; the message says what to do.
    #[error("{0}")]
    Unavailable(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

/// How far consumption and projection are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Each known partition.
    pub partitions: Vec<PartitionProgress>,
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

/// A digest over all state: equal on every tracker that has read the same topics up to the same
/// offsets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    /// By partition, the next offset: all before it is inside.
    pub at: BTreeMap<u32, u64>,
    /// Over all tables, hexadecimal.
    pub total: String,
    /// By table, hexadecimal.
    pub tables: BTreeMap<String, String>,
}
