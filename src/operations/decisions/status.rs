//! How far the ops topic is read. Written by the consumer, read by everyone.

use crate::domain::Millis;
use crate::pipeline::ingest::space::Shortage;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A handle that the consumer writes and others read and wait on.
#[derive(Debug, Default)]
pub struct OpsStatus {
    inner: Mutex<OpsSnapshot>,
    changed: Condvar,
}

/// What the consumer last knew.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OpsSnapshot {
    /// The next offset to read; all before it has taken effect.
    pub next: u64,
    /// The end of the topic, where known.
    pub end: Option<u64>,
    /// Why nothing can be read now, with what to do.
    pub waiting: Option<String>,
    /// Why the consumer stopped for good, with what to do.
    pub fatal: Option<String>,
    /// The disk is nearly full, and decisions wait for room.
    pub shortage: Option<Shortage>,
    /// Since when a broker has answered that the topic does not exist.
    pub missing_since: Option<Millis>,
}

impl OpsSnapshot {
    /// Messages that are not read yet, as far as known.
    pub fn lag(&self) -> u64 {
        self.end.map_or(0, |end| end.saturating_sub(self.next))
    }

    /// Whether all that the broker tells of is read, and what comes would be.
    pub fn is_at_the_end(&self) -> bool {
        self.closed().is_none() && self.end.is_some_and(|end| self.next >= end)
    }

    /// Why a decision that is published now would not be read here; `None` while it would.
    pub fn closed(&self) -> Option<&str> {
        match (&self.fatal, &self.shortage, &self.waiting) {
            (Some(why), _, _) | (None, Some(_), Some(why)) => Some(why),
            _ => None,
        }
    }
}

impl OpsStatus {
    /// What is known now.
    pub fn snapshot(&self) -> OpsSnapshot {
        self.lock().clone()
    }

    /// Changes what is known.
    pub fn update(&self, change: impl FnOnce(&mut OpsSnapshot)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the message at `offset` has been read and its rows are written, at most so long.
    /// Whether they are.
    pub fn wait_for(&self, offset: u64, timeout: Duration) -> bool {
        let status = crate::wait::wait_while(&self.inner, &self.changed, timeout, |status| {
            status.next <= offset && status.fatal.is_none()
        });
        status.next > offset
    }

    fn lock(&self) -> MutexGuard<'_, OpsSnapshot> {
        // Plain values: a panic elsewhere cannot leave them half-changed in a harmful way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
