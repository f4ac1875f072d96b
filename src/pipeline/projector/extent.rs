//! Which deliveries a decision to purge is about. How they are removed is not known here.

use crate::domain::{Cut, Position};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which deliveries a decision is about: those inside a cut, but for records that whoever decided could not read.
/// These may be deliveries on other replicas, now or later; they are treated like those behind the cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// All lie inside.
    pub cut: Cut,
    /// None of these is one.
    pub unread: Arc<BTreeSet<Position>>,
}

impl Extent {
    /// Whether a delivery there is meant.
    pub fn contains(&self, position: Position) -> bool {
        self.cut.contains(position) && !self.unread.contains(&position)
    }
}

impl From<Cut> for Extent {
    fn from(cut: Cut) -> Self {
        Self {
            cut,
            unread: Arc::default(),
        }
    }
}
