//! How far this replica has read the topics that dead letters depend on.

use crate::operations::decisions::OpsStatus;
use crate::pipeline::ingest::IngestStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells how far events and decisions are read. Cheap to clone; what one clone learns, all know.
#[derive(Clone, Default)]
pub struct Consumption {
    pub(super) ingest: Arc<IngestStatus>,
    pub(super) ops: Arc<OpsStatus>,
    has_caught_up: Arc<AtomicBool>,
}

impl Consumption {
    /// Of the tracker topic, and of decisions.
    pub fn new(ingest: Arc<IngestStatus>, ops: Arc<OpsStatus>) -> Self {
        Self {
            ingest,
            ops,
            has_caught_up: Arc::default(),
        }
    }

    /// How often the broker has been asked for the ends of the tracker topic so far, for
    /// [`unread_since`](Self::unread_since).
    pub(super) fn asked(&self) -> u64 {
        self.ingest.snapshot().asked
    }

    /// What is not read of what the topics held when only so many questions had been asked, in words; `None` when
    /// answers show all of it.
    pub(super) fn unread_since(&self, asked: u64) -> Option<String> {
        if !self.shows_all_since(asked) {
            return Some("the tracker topic is not read to its end yet".to_owned());
        }
        let ops = self.ops.snapshot();
        // A topic that is not there, and of which nothing was ever read, holds no decisions.
        let never_was = ops.missing_since.is_some() && ops.next == 0 && ops.fatal.is_none();
        if ops.is_at_the_end() || never_was {
            return None;
        }
        Some(match ops.fatal.or(ops.waiting) {
            Some(why) => format!("decisions are not read: {why}"),
            None => "not every decision of the ops topic is read yet".to_owned(),
        })
    }

    /// Whether answers show all that the tracker topic held when only so many questions had been asked.
    pub(super) fn shows_all_since(&self, asked: u64) -> bool {
        self.ingest.snapshot().has_reached_end_since(asked)
    }

    /// Whether every decision that the broker tells of is in force here.
    pub(super) fn has_read_decisions(&self) -> bool {
        self.ops.snapshot().is_at_the_end()
    }

    /// Whether, since it was started, this replica has once read both topics to their ends.
    pub(super) fn has_caught_up(&self) -> bool {
        self.has_caught_up.load(Ordering::Relaxed)
    }

    pub(super) fn set_caught_up(&self) {
        self.has_caught_up.store(true, Ordering::Relaxed);
    }
}
