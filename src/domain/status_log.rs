//! Which status a saga had since when, by event time.

use super::bounded::BoundedLog;
use super::{Millis, SagaStatus};

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

/// A stretch of event time that a saga was in one status; of no length are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The status.
    pub status: SagaStatus,
    /// Its first instant.
    pub from: Millis,
    /// The first instant that it was in another one; `None` while it is in this one.
    pub until: Option<Millis>,
}

impl StatusLog {
    /// The stretches that a saga was in one status, one behind the other: what it had *after* all events of
    /// an instant is what it had at that instant. Of a log that is not complete, as far as it reaches.
    pub fn stays(&self) -> impl Iterator<Item = Stay> + '_ {
        let mut changes = self.kept.iter().copied().peekable();
        let mut next = move || {
            let mut last = changes.next()?;
            while let Some(same) = changes.next_if(|change| change.at == last.at) {
                last = same;
            }
            Some(last)
        };
        let mut upcoming = next();
        std::iter::from_fn(move || {
            let begun = upcoming?;
            upcoming = next();
            while upcoming.is_some_and(|change| change.status == begun.status) {
                upcoming = next();
            }
            Some(Stay {
                status: begun.status,
                from: begun.at,
                until: upcoming.map(|change| change.at),
            })
        })
    }

    /// The status at an instant: what it had after all events up to and at it; `None` before the first. Only
    /// of a log that is complete.
    pub fn at(&self, at: Millis) -> Option<SagaStatus> {
        let behind = self.kept.partition_point(|change| change.at <= at);
        Some(self.kept[..behind].last()?.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SagaStatus::{Compensated, Failed, InProgress, Started};

    fn log(changes: &[(i64, SagaStatus)]) -> StatusLog {
        let mut log = StatusLog::default();
        for (at, status) in changes {
            let (at, status) = (Millis(*at), *status);
            log.push(StatusChange { at, status });
        }
        log
    }

    #[test]
    fn of_changes_at_one_instant_the_last_counts() {
        let log = log(&[(1, Started), (5, InProgress), (5, Failed), (9, Compensated)]);
        let stays: Vec<_> = log
            .stays()
            .map(|stay| (stay.status, stay.from.0, stay.until.map(|at| at.0)))
            .collect();
        assert_eq!(
            stays,
            [
                (Started, 1, Some(5)),
                (Failed, 5, Some(9)),
                (Compensated, 9, None)
            ]
        );
        for (at, status) in [(0, None), (4, Some(Started)), (5, Some(Failed)), (99, Some(Compensated))] {
            assert_eq!(log.at(Millis(at)), status, "{at}");
        }
    }

    #[test]
    fn what_came_and_went_within_an_instant_is_no_stay() {
        let log = log(&[(1, Started), (5, Failed), (5, Started), (7, InProgress)]);
        let stays: Vec<_> = log.stays().map(|stay| (stay.status, stay.from.0)).collect();
        assert_eq!(stays, [(Started, 1), (InProgress, 7)]);
    }
}
