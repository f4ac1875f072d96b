//! What is purged, when, and by whose decision.
//!
//! [`Rules`] say how long a saga is kept; one replica's [`Sweeper`] finds what is due, has it archived
//! and publishes decisions; every replica's [`Worker`] applies them in their order; [`Holds`] keep sagas
//! from it. How rows are removed is not decided here (`projector::purge`), nor how decisions travel (`decisions`).

pub mod archived;
mod batch;
pub mod body;
mod claim;
mod contents;
mod decision;
mod edge;
mod holds;
pub mod parts;
mod pending;
mod plan;
mod restoring;
mod rules;
mod run;
mod service;
mod settings;
mod status;
mod sweep;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

pub use decision::appliers;
pub use edge::{Asked, Edge, Reach};
pub use holds::{Hold, HoldQuery, Holds, Lifted, Scope};
pub use plan::{Plan, PlanLine, plan};
pub use rules::{Rule, Rules};
pub use run::{Sweeper, Swept};
pub use service::{Restored, Retention, RetentionParts};
pub use settings::RetentionSettings;
pub use status::{RetentionSnapshot, RetentionStatus, Skipped};
#[cfg(test)]
pub(crate) use waiting::Readable;
pub(crate) use worker::finish_begun;
pub use worker::{Worker, cursor};

use crate::domain::SagaId;
use crate::operations::archive::ArchiveError;
use crate::operations::decisions::OpsError;
use crate::pipeline::query::QueryError;
use crate::store::StoreError;

/// Why something could not be purged, held, found again or restored.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The decision was not made.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The decision could not be written down.
    #[error("the decision could not be written as JSON: {0}")]
    Format(#[from] serde_json::Error),
    /// Not all that there is has been read and folded; a search for due sagas waits for that.
    #[error("{0}")]
    NotAtTheEnd(String),
    /// A decision takes long to be applied.
    #[error("decision {0} is not applied yet; a rebuild may hold it up")]
    Behind(u64),
    /// Not all decisions are read.
    #[error("not every decision of the ops topic is read yet")]
    DecisionsUnread,
    /// The saga was never removed.
    #[error("saga {0} was never purged")]
    NeverPurged(SagaId),
    /// The saga was removed without an archive.
    #[error("saga {0} was purged without being archived")]
    NotArchived(SagaId),
    /// The saga is in the archive, and too large for what was asked.
    #[error(
        "saga {saga} has {deliveries} deliveries in the archive, more than the {max_bytes} bytes that one answer holds \
         in memory; its steps are answered from the archive at any size, and it can be restored"
    )]
    TooLarge {
        /// The saga.
        saga: SagaId,
        /// Its deliveries.
        deliveries: u32,
        /// What is held in memory.
        max_bytes: usize,
    },
    /// Nobody said where objects are.
    #[error("objects.url is not set, so the archive cannot be read")]
    NoObjects,
    /// The archive has nothing of a saga that it should have.
    #[error("the archive holds nothing of saga {0}")]
    EmptyArchive(SagaId),
    /// What to hold is not named as it has to be; in words.
    #[error("{0}")]
    BadHold(String),
    /// There is no hold of that name.
    #[error("there is no hold {0}")]
    NoHold(u64),
    /// The hold has ended.
    #[error("hold {0} was lifted already")]
    AlreadyLifted(u64),
    /// The saga is there.
    #[error("saga {0} is not purged")]
    NotGone(SagaId),
    /// Somebody else restores it just now.
    #[error("saga {0} is being restored already; ask for it when that has ended")]
    Restoring(SagaId),
    /// A restore is decided, and takes long to be applied.
    #[error("decision {decision} is made and will restore saga {saga}; do not repeat it")]
    NotAppliedYet {
        /// The decision.
        decision: u64,
        /// The saga.
        saga: SagaId,
    },
    /// A restore was applied, and did nothing.
    #[error("decision {decision} did not restore saga {saga}; the log of the tracker says why")]
    NotRestored {
        /// The decision.
        decision: u64,
        /// The saga.
        saga: SagaId,
    },
}
