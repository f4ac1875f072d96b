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
mod tests {
    use super::*;
    use SagaStatus::{Compensated, Failed, InProgress, Started};

    fn path(changes: &[(i64, SagaStatus)]) -> StatusPath {
        let mut log = StatusLog::default();
        let changes: Vec<StatusChange> = changes
            .iter()
            .map(|(at, status)| StatusChange {
                at: Millis(*at),
                status: *status,
            })
            .collect();
        changes.iter().for_each(|change| log.push(*change));
        let last = changes[changes.len() - 1];
        StatusPath { changes: log, last }
    }

    fn moves(path: &StatusPath) -> Vec<(i64, Option<SagaStatus>, SagaStatus)> {
        path.moves().map(|step| (step.at.0, step.from, step.to)).collect()
    }

    #[test]
    fn of_changes_at_one_instant_the_last_counts() {
        let path = path(&[(1, Started), (5, InProgress), (5, Failed), (9, Compensated)]);
        assert_eq!(
            moves(&path),
            [
                (1, None, Started),
                (5, Some(Started), Failed),
                (9, Some(Failed), Compensated)
            ]
        );
        for (at, status) in [(4, Started), (5, Failed), (9, Compensated), (99, Compensated)] {
            assert_eq!(path.at(Millis(at)), StatusAt::Is(status), "{at}");
        }
        assert_eq!(path.at(Millis(0)), StatusAt::NotBegun);
        assert_eq!(path.in_log(), None);
    }

    #[test]
    fn the_first_failure_counts_and_the_first_compensation_behind_it() {
        let firsts = |changes: &[(i64, SagaStatus)]| -> Vec<(i64, Milestone)> {
            let path = path(changes);
            path.moves()
                .filter_map(|step| Some((step.at.0, step.first?)))
                .collect()
        };
        let twice = [(1, Failed), (2, Compensated), (3, Failed), (4, Compensated)];
        assert_eq!(
            firsts(&twice),
            [(1, Milestone::Failure), (2, Milestone::Compensation)]
        );
        assert_eq!(
            firsts(&[(1, Compensated), (2, Failed)]),
            [(2, Milestone::Failure)]
        );
        assert_eq!(
            firsts(&[(1, Failed), (2, InProgress), (3, Failed)]),
            [(1, Milestone::Failure)]
        );
        assert_eq!(firsts(&[(1, Started), (2, Compensated)]), []);
    }

    #[test]
    fn every_entry_counts_and_the_first_is_found() {
        let of = path(&[(1, Started), (5, Failed), (5, Started), (7, Failed)]);
        assert_eq!(of.entries(), [2, 0, 0, 2, 0]);
        assert_eq!(of.first(Failed), Some(Millis(5)));
        assert_eq!(of.first(Compensated), None);
        let statuses = [Failed, InProgress].into_iter().cycle();
        let mut many: Vec<(i64, SagaStatus)> = (0..).zip(statuses).take(20).collect();
        many.push((20, Compensated));
        let of = path(&many);
        assert_eq!(of.entries().iter().sum::<u32>() as usize, MAX_KEPT_CHANGES + 1);
        assert_eq!(of.first(Compensated), Some(Millis(20)));
    }

    #[test]
    fn what_came_and_went_within_an_instant_is_no_move() {
        let path = path(&[(1, Started), (5, Failed), (5, Started), (7, InProgress)]);
        assert_eq!(moves(&path), [(1, None, Started), (7, Some(Started), InProgress)]);
    }

    #[test]
    fn between_the_changes_that_are_kept_and_the_last_one_only_the_log_can_tell() {
        let statuses = [Failed, Compensated].into_iter().cycle();
        let changes: Vec<(i64, SagaStatus)> = (0..).step_by(10).zip(statuses).take(20).collect();
        let path = path(&changes);
        let kept = MAX_KEPT_CHANGES as i64;
        let from = (kept - 1) * 10;
        assert_eq!(path.in_log(), Some(Millis(from)..Millis(190)));
        for at in -1..300 {
            let now = changes.iter().rfind(|(then, _)| *then <= at);
            let expected = match now {
                None => StatusAt::NotBegun,
                Some(_) if (from..190).contains(&at) => StatusAt::InLog,
                Some((_, status)) => StatusAt::Is(*status),
            };
            assert_eq!(path.at(Millis(at)), expected, "{at}");
        }
        let at_last = moves(&path).last().copied();
        assert_eq!(at_last.map(|(_, _, to)| to), Some(changes[19].1));
    }
}
