//! Why a snapshot was not made, checked, restored or pruned.

use super::SnapshotId;
use crate::operations::objects::ObjectsError;
use crate::store::StoreError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a snapshot was not made, checked, restored or pruned.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The object store.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or directory of this machine.
    #[error("{}: {why}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// What is in the object store is not what was put there.
    #[error(
        "{what} is damaged: {why}; take another snapshot, `saga-tracker snapshot verify` checks which are whole"
    )]
    Damaged {
        /// The object.
        what: String,
        /// What was found, what was expected.
        why: String,
    },
    /// A manifest of another version.
    #[error(
        "{what} has format {found}, this version reads {expected}; use a version of saga-tracker that knows it"
    )]
    UnknownFormat {
        /// The object.
        what: String,
        /// Its format.
        found: u64,
        /// Ours.
        expected: u64,
    },
    /// There is no such snapshot.
    #[error("{place} has no snapshot {wanted}; `saga-tracker snapshot list` shows what there is")]
    NoSuch {
        /// Where.
        place: String,
        /// Which.
        wanted: String,
    },
    /// More than pruning can remember.
    #[error(
        "{place} has {found}; at most {limit} are accepted. Nothing was deleted. Move snapshots you do not need away by hand"
    )]
    TooMany {
        /// Where.
        place: String,
        /// What is there.
        found: String,
        /// How many there may be.
        limit: usize,
    },
    /// The place to restore to is taken.
    #[error("{} is not empty: it holds {found}; restore into an empty directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The disk is too small.
    #[error("{} has {free} free bytes, the snapshot needs {needed}; make room, or restore elsewhere", path.display())]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The files are another engine's.
    #[error("the snapshot is of a store of {found}, this one is of {expected}")]
    OtherEngine {
        /// Whose files they are.
        found: String,
        /// Ours.
        expected: &'static str,
    },
    /// The engine keeps its rows elsewhere.
    #[error("this store cannot copy itself as files; back it up with the tools of its engine")]
    NoCopies,
    /// It took so long that files it counts on might be deleted.
    #[error(
        "snapshot {id} took {took:.0?}, longer than half of snapshot.grace_seconds; what was sent stays, so try again, or raise snapshot.grace_seconds or snapshot.mib_per_second"
    )]
    TooSlow {
        /// The snapshot.
        id: SnapshotId,
        /// How long.
        took: Duration,
    },
    /// A file went away while the snapshot was made.
    #[error("file {name} of snapshot {id} is gone from the object store; try again")]
    Gone {
        /// The snapshot.
        id: SnapshotId,
        /// The file.
        name: String,
    },
    /// A snapshot is under way.
    #[error("a snapshot is being made already")]
    Busy,
    /// Told to stop.
    #[error("stopped before its end")]
    Cancelled,
    /// A part of the program broke off; its message is in the log.
    #[error("a thread of the snapshot broke off; the log says why")]
    BrokeOff,
}

impl SnapshotError {
    pub(super) fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |why| Self::Disk {
            path: path.to_owned(),
            why,
        }
    }

    /// Whether nobody said where snapshots go.
    pub fn is_not_configured(&self) -> bool {
        matches!(self, Self::Objects(ObjectsError::NotConfigured))
    }

    /// Whether trying again, with nothing changed, may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Objects(error) => error.is_transient(),
            Self::Gone { .. } | Self::TooSlow { .. } => true,
            _ => false,
        }
    }
}
