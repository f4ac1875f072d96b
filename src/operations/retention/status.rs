//! What retention is doing, for metrics and answers.

use crate::domain::Millis;
use crate::pipeline::projector::PurgeOutcome;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A handle that the sweeper and the worker write and others read.
#[derive(Debug, Default)]
pub struct RetentionStatus {
    inner: Mutex<RetentionSnapshot>,
    changed: Condvar,
}

/// Why a decision to purge or restore was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// Its cut lies beyond what the topic holds.
    Unreachable,
    /// It was made about another topic of the same name.
    Elsewhere,
    /// It is not of its form, or not within bounds.
    Malformed,
    /// It carries other deliveries than were removed.
    Differs,
    /// Dead letters whose schemas its maker could read stayed unreadable here.
    UnreadableDeadLetters,
}

impl Skipped {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unreachable,
        Self::Elsewhere,
        Self::Malformed,
        Self::Differs,
        Self::UnreadableDeadLetters,
    ];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Elsewhere => "elsewhere",
            Self::Malformed => "malformed",
            Self::Differs => "differs",
            Self::UnreadableDeadLetters => "unread",
        }
    }
}

/// What they last knew. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionSnapshot {
    /// The next decision to be done; all before it are.
    pub next: u64,
    /// Sagas removed.
    pub purged: u64,
    /// Sagas that a hold kept.
    pub held: u64,
    /// Sagas that were not what a decision named.
    pub differing: u64,
    /// Sagas that were not due by what a decision had seen.
    pub not_due: u64,
    /// Decisions that were skipped, by why; of the store, not of the process.
    pub skipped: BTreeMap<Skipped, u64>,
    /// The last of them, and why, in words.
    pub last_skipped: Option<String>,
    /// What a search for due sagas waits for.
    pub waiting: Option<String>,
    /// In which partitions nothing is due, because dead letters wait for their schemas there.
    pub unreadable: Option<String>,
    /// What a decision waits for that is being done.
    pub held_up: Option<String>,
    /// When the last search for due sagas ended well.
    pub last_sweep: Option<Millis>,
    /// How long that one took.
    pub last_sweep_took: Duration,
    /// Sagas that it found due and that stay for now: held, recently active, or left for the next one.
    pub due: u64,
    /// Searches that ended well.
    pub sweeps: u64,
    /// Searches that did not.
    pub failed_sweeps: u64,
    /// Sagas that went into decisions.
    pub decided: u64,
    /// Why the last search did not end well.
    pub problem: Option<String>,
    /// When a search last did not end well.
    pub problem_at: Option<Millis>,
    /// Why nothing is removed any more until a restart.
    pub failed: Option<String>,
    /// Bytes that merging files gave back.
    pub reclaimed_bytes: u64,
}

impl RetentionSnapshot {
    /// Why nothing is found or removed now, if that is so.
    pub fn trouble(&self) -> Option<&str> {
        self.failed.as_deref().or(self.problem.as_deref())
    }
}

impl RetentionStatus {
    /// What is known now.
    pub fn snapshot(&self) -> RetentionSnapshot {
        self.lock().clone()
    }

    /// Changes what is known.
    pub fn update(&self, change: impl FnOnce(&mut RetentionSnapshot)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn done(&self, next: u64) {
        self.update(|status| status.next = next);
    }

    pub(super) fn count(&self, outcome: PurgeOutcome) {
        self.update(|status| match outcome {
            PurgeOutcome::Purged => status.purged += 1,
            PurgeOutcome::Held => status.held += 1,
            PurgeOutcome::Differs => status.differing += 1,
            PurgeOutcome::Already => {}
        });
    }

    /// Waits until the decision at that offset is done, at most so long. Whether it is.
    pub fn wait_for(&self, decision: u64, timeout: Duration) -> bool {
        let status = crate::wait::wait_while(&self.inner, &self.changed, timeout, |status| {
            status.next <= decision && status.failed.is_none()
        });
        status.next > decision
    }

    fn lock(&self) -> MutexGuard<'_, RetentionSnapshot> {
        // Plain values: a panic elsewhere cannot leave them half-changed in a harmful way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
