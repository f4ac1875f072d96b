//! What ingest is doing, for health, metrics and progress. Written by ingest, read by everyone.

use super::space::Shortage;
use crate::domain::{Cut, Millis};
use crate::pipeline::projector::ProjectorWatch;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A handle that ingest writes and others read.
#[derive(Default)]
pub struct IngestStatus {
    inner: Mutex<IngestSnapshot>,
    projected: OnceLock<ProjectorWatch>,
}

/// What ingest last knew.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct IngestSnapshot {
    /// When a broker was last heard from; `None` before the first time.
    pub last_contact: Option<Millis>,
    /// Since when no broker answers; `None` while one does.
    pub unreachable_since: Option<Millis>,
    /// When ingest began to look for a broker.
    pub started_at: Option<Millis>,
    /// Why ingest stopped for good, with what to do.
    pub fatal: Option<String>,
    /// Why external dead letters are no longer read, and what to do.
    pub letters_stopped: Option<String>,
    /// Why ingest waits (registry down, disk full), with what to do.
    pub waiting: Option<String>,
    /// What keeps records from being consumed although the broker gives them.
    pub held_up: Option<String>,
    /// The disk is nearly full, and ingest waits for room.
    pub shortage: Option<Shortage>,
    /// Bytes free on the disk under the store, where known.
    pub free_bytes: Option<u64>,
    /// The next offset to consume, per partition, all before it is stored.
    pub next: Cut,
    /// The end of each partition at the broker, where known.
    pub end: Cut,
    /// How far the projections are, which is what answers show; `None` where nobody folds.
    pub projected: Option<Cut>,
    /// How often the broker has been asked for its ends, a question on its way included.
    pub asked: u64,
    /// Which of these questions `end` is at least as new as.
    pub answered: u64,
}

impl IngestSnapshot {
    /// Records at the broker that answers do not show yet, per partition: not read, or stored and not folded.
    pub fn lag(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.end
            .iter()
            .map(|(partition, end)| (partition, end.saturating_sub(self.shown(partition))))
    }

    fn shown(&self, partition: u32) -> u64 {
        let next = self.next.next(partition);
        let projected = self.projected.as_ref();
        projected.map_or(next, |cut| cut.next(partition).min(next))
    }

    /// Whether everything that the topic held when only `asked` questions had been asked shows in answers.
    /// Nobody knows while no broker answers.
    pub fn has_reached_end_since(&self, asked: u64) -> bool {
        let known = self.unreachable_since.is_none() && self.answered > asked;
        known && self.lag().all(|(_, lag)| lag == 0)
    }
}

impl IngestStatus {
    /// What is known now.
    pub fn snapshot(&self) -> IngestSnapshot {
        let mut snapshot = self.lock().clone();
        // Read later than the ends: it may have come further meanwhile, which is true then.
        if let Some(projected) = self.projected.get() {
            snapshot.projected = Some(projected.status().cursor);
        }
        snapshot
    }

    /// From now on the lag includes what is stored and not folded yet.
    pub fn follow(&self, projected: ProjectorWatch) {
        // Whoever came first stays: there is one projector.
        let _known = self.projected.set(projected);
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
