//! Where an event stands: in its topic, and in its saga's timeline.

use super::Millis;
use std::fmt;

/// The place of a record in the tracker topic. Ordered by partition, then by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Kafka partition number.
    pub partition: u32,
    /// Kafka offset within the partition.
    pub offset: u64,
}

impl Position {
    /// The position of `offset` in `partition`.
    pub const fn new(partition: u32, offset: u64) -> Self {
        Self { partition, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

/// What a timeline is sorted by: event time, then position of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimelineKey {
    /// Event time.
    pub recorded_at: Millis,
    /// Breaks ties between events of one millisecond.
    pub position: Position,
}

impl TimelineKey {
    /// The first place behind this one.
    pub fn next(self) -> Self {
        let mut next = self;
        next.position.offset = next.position.offset.saturating_add(1);
        next
    }
}

/// A cut through the topic: for each partition the next offset, all before it are inside.
///
/// Every projection states the cut that it is the fold of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cut(Vec<u64>);

impl Cut {
    /// The next offset of `partition`: the first one that is not inside. 0 for a partition never seen.
    pub fn next(&self, partition: u32) -> u64 {
        self.0.get(partition as usize).copied().unwrap_or(0)
    }

    /// Whether the record at `position` is inside the cut.
    pub fn contains(&self, position: Position) -> bool {
        position.offset < self.next(position.partition)
    }

    /// Moves the partition's edge to `next`, forward or back.
    pub fn set(&mut self, partition: u32, next: u64) {
        let index = partition as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = next;
    }

    /// Every partition below the highest known one, with its next offset.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (0u32..).zip(self.0.iter().copied())
    }

    /// Whether everything inside `other` is inside this cut too.
    pub fn covers(&self, other: &Cut) -> bool {
        other.iter().all(|(partition, next)| self.next(partition) >= next)
    }
}

impl FromIterator<(u32, u64)> for Cut {
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(edges: I) -> Self {
        let mut cut = Self::default();
        for (partition, next) in edges {
            cut.set(partition, next);
        }
        cut
    }
}
