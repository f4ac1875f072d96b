//! How far a rebuild has come, and why it did not come to its end.

use crate::store::{StoreError, keys};
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a rebuild has come. Read by anyone while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    events: AtomicU64,
    sagas: AtomicU64,
    counted: AtomicU64,
    cancelled: AtomicBool,
}

/// A reading of [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Events folded.
    pub events: u64,
    /// Sagas folded.
    pub sagas: u64,
    /// Sagas counted in the second pass.
    pub counted: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sagas from {} events", self.sagas, self.events)
    }
}

/// Why a rebuild did not come to its end. What serves goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was told to stop.
    #[error("stopped before its end; start it again when convenient")]
    Cancelled,
}

impl From<keys::KeyError> for RebuildError {
    fn from(error: keys::KeyError) -> Self {
        Self::Store(error.into())
    }
}

impl Progress {
    /// Tells the rebuild to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn add_folded(&self, sagas: u64, events: u64) {
        self.sagas.fetch_add(sagas, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn add_counted(&self) {
        self.counted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), RebuildError> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(RebuildError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// How far it has come.
    pub fn done(&self) -> Done {
        Done {
            events: self.events.load(Ordering::Relaxed),
            sagas: self.sagas.load(Ordering::Relaxed),
            counted: self.counted.load(Ordering::Relaxed),
        }
    }
}
