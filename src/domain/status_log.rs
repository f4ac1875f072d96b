//! Which status a saga had since when, by event time.
//!
//! What a saga had *after* all events of an instant is what it had at that instant. All changes are counted
//! and the first of them kept, so of a saga with very many there is a stretch in its middle of which only
//! the log can tell.

use super::bounded::BoundedLog;
use super::{Millis, SagaStatus};
use std::ops::Range;

/// At most so many changes of status of each saga are kept; all of them are counted.
pub const MAX_KEPT_CHANGES: usize = if cfg!(test) { 6 } else { 32 };

/// A saga came into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusChange {
    /// The time of the event that brought it there.
    pub at: Millis,
    /// The status that it had from then on.
    pub status: SagaStatus,
}

/// The changes of a saga's status in the order of its timeline, its first status among them.
pub type StatusLog = BoundedLog<StatusChange, MAX_KEPT_CHANGES>;

/// What is known of a saga's status at every instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPath {
    /// The first changes.
    pub changes: StatusLog,
    /// The last one.
    pub last: StatusChange,
}

/// A saga's status at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusAt {
    /// It had not begun.
    NotBegun,
    /// It was this one.
    Is(SagaStatus),
    /// Only the log can tell.
    InLog,
}

/// A saga left a status and came into another one; several changes at one instant are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusMove {
    /// When.
    pub at: Millis,
    /// What it left; `None` when it began.
    pub from: Option<SagaStatus>,
    /// What it came into.
    pub to: SagaStatus,
    /// Whether it is the first that counts of its kind.
    pub first: Option<Milestone>,
}

/// What a saga may do several times, and counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// It came into FAILED.
    Failure,
    /// After that it came into COMPENSATED.
    Compensation,
}

impl Milestone {
    /// What comes next behind the one before, when a saga comes into a status.
    const fn after(before: Option<Self>, to: SagaStatus) -> Option<Self> {
        match (before, to) {
            (None, SagaStatus::Failed) => Some(Self::Failure),
            (Some(Self::Failure), SagaStatus::Compensated) => Some(Self::Compensation),
            _ => None,
        }
    }
}

impl StatusPath {
    /// The moves, one behind the other. Where only the log can tell, the saga counts as what it was at the
    /// beginning of that stretch.
    pub fn moves(&self) -> impl Iterator<Item = StatusMove> + '_ {
        let mut changes = self.known().peekable();
        let (mut before, mut done) = (None, None);
        std::iter::from_fn(move || {
            loop {
                let mut change = changes.next()?;
                while let Some(same) = changes.next_if(|next| next.at == change.at) {
                    change = same;
                }
                if before != Some(change.status) {
                    let from = before.replace(change.status);
                    let StatusChange { at, status: to } = change;
                    let first = Milestone::after(done, to);
                    done = first.or(done);
                    return Some(StatusMove { at, from, to, first });
                }
            }
        })
    }

    /// How often each status was entered, by number of status. Of a saga with very many changes the first ones and
    /// the last count.
    pub fn entries(&self) -> [u32; 5] {
        let mut entries = [0; 5];
        for change in self.known() {
            entries[usize::from(change.status.tag())] += 1;
        }
        entries
    }

    /// When it first came into a status.
    pub fn first(&self, status: SagaStatus) -> Option<Millis> {
        let mut known = self.known();
        known
            .find(|change| change.status == status)
            .map(|change| change.at)
    }

    /// The changes that are kept, and the last one.
    fn known(&self) -> impl Iterator<Item = StatusChange> + '_ {
        let last = Some(self.last).filter(|_| !self.changes.is_complete());
        self.changes.kept.iter().copied().chain(last)
    }

    /// The stretch of which only the log can tell, if there is one.
    pub fn in_log(&self) -> Option<Range<Millis>> {
        let from = self.changes.kept.last()?.at;
        (!self.changes.is_complete() && from < self.last.at).then_some(from..self.last.at)
    }

    /// The status at an instant.
    pub fn at(&self, at: Millis) -> StatusAt {
        if self.last.at <= at {
            return StatusAt::Is(self.last.status);
        }
        if self.in_log().is_some_and(|stretch| stretch.contains(&at)) {
            return StatusAt::InLog;
        }
        let behind = self.changes.kept.partition_point(|change| change.at <= at);
        match self.changes.kept[..behind].last() {
            Some(change) => StatusAt::Is(change.status),
            None => StatusAt::NotBegun,
        }
    }
}

#[cfg(test)]
mod tests;
