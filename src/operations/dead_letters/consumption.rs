//! How far this replica has read the topics that dead letters depend on.

use crate::operations::decisions::OpsStatus;
use crate::pipeline::ingest::IngestStatus;
use std::sync::Arc;

/// Tells how far events and decisions are read. Cheap to clone.
#[derive(Clone, Default)]
pub struct Consumption {
    /// How far the tracker topic is.
    pub ingest: Arc<IngestStatus>,
    /// How far decisions are.
    pub ops: Arc<OpsStatus>,
}

impl Consumption {
    /// How often the broker has been asked for the ends of the tracker topic so far, for
    /// [`shows_all_since`](Self::shows_all_since).
    pub(super) fn asked(&self) -> u64 {
        self.ingest.snapshot().asked
    }

    /// Whether answers show all that the tracker topic held when only so many questions had been asked.
    pub(super) fn shows_all_since(&self, asked: u64) -> bool {
        self.ingest.snapshot().has_reached_end_since(asked)
    }

    /// Whether every decision that the broker has told of is read and in force.
    pub(super) fn has_read_decisions(&self) -> bool {
        let ops = self.ops.snapshot();
        ops.closed().is_none() && ops.end.is_some_and(|end| ops.next >= end)
    }
}
