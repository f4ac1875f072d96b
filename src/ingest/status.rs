//! What ingest is doing, for health, metrics and progress. Written by ingest, read by everyone.

use super::space::Shortage;
use crate::domain::{Cut, Millis};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A handle that ingest writes and others read.
#[derive(Debug, Default)]
pub struct IngestStatus {
    inner: Mutex<IngestSnapshot>,
}

/// What ingest last knew.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct IngestSnapshot {
    /// When a broker was last heard from; none before the first time.
    pub last_contact: Option<Millis>,
    /// Since when no broker answers; none while one does.
    pub unreachable_since: Option<Millis>,
    /// When ingest began to look for a broker.
    pub started_at: Option<Millis>,
    /// Why ingest stopped for good, with what to do.
    pub fatal: Option<String>,
    /// Why letters of others are read no more, with what to do.
    pub letters_stopped: Option<String>,
    /// Why ingest waits (registry down, disk full), with what to do.
    pub waiting: Option<String>,
    /// The disk is nearly full, and ingest waits for room.
    pub shortage: Option<Shortage>,
    /// Bytes free on the disk under the store, where known.
    pub free_bytes: Option<u64>,
    /// The next offset to consume, per partition, all before it is stored.
    pub next: Cut,
    /// The end of each partition at the broker, where known.
    pub end: Cut,
}

impl IngestSnapshot {
    /// Records at the broker that are not stored yet, per partition.
    pub fn lag(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.end
            .iter()
            .map(|(partition, end)| (partition, end.saturating_sub(self.next.next(partition))))
    }
}

impl IngestStatus {
    /// What is known now.
    pub fn snapshot(&self) -> IngestSnapshot {
        self.lock().clone()
    }

    /// Changes what is known.
    pub fn update(&self, change: impl FnOnce(&mut IngestSnapshot)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, IngestSnapshot> {
        // The data is plain values: a panic elsewhere cannot leave it half-changed in a harmful way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
