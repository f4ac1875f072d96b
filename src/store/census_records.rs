//! Values about the status that sagas had at any instant.

use super::StoreError;
use super::codec::{Record, status};
use crate::domain::{Milestone, Millis, SagaStatus, StatusChange, StatusLog, StatusMove, StatusPath};
use bincode::{BorrowDecode, Encode};

/// `by_started`: what is known of a saga's status at every instant.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct StartedRecord {
    changes: ChangesRecord,
    /// The last change, where it is not the last one that is kept.
    last: Option<(i64, u8)>,
}

/// The first changes of a saga's status. Times are told by how far they are from the one before (the first
/// from the saga's start): few bytes where they come one soon after the other.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub(super) struct ChangesRecord {
    total: u32,
    kept: Vec<(i64, u8)>,
}

impl ChangesRecord {
    pub(super) fn of(log: &StatusLog, started_at: Millis) -> Self {
        let mut before = started_at.0;
        let later_by = |change: &StatusChange| {
            let later_by = change.at.0.wrapping_sub(before);
            before = change.at.0;
            (later_by, change.status.tag())
        };
        Self {
            total: log.total,
            kept: log.kept.iter().map(later_by).collect(),
        }
    }

    pub(super) fn log(self, started_at: Millis, table: &str) -> Result<StatusLog, StoreError> {
        let mut at = started_at.0;
        let change = |(later_by, tag): (i64, u8)| {
            at = at.wrapping_add(later_by);
            Ok(StatusChange {
                at: Millis(at),
                status: status(tag, table)?,
            })
        };
        Ok(StatusLog {
            kept: self
                .kept
                .into_iter()
                .map(change)
                .collect::<Result<_, StoreError>>()?,
            total: self.total,
        })
    }
}

impl Record<'_> for StartedRecord {
    const TABLE: &'static str = "by_started";
    const FORMAT: u8 = 2;
}

impl StartedRecord {
    /// The record of a saga that started then.
    pub fn of(path: &StatusPath, started_at: Millis) -> Self {
        let last = (path.last.at.0, path.last.status.tag());
        Self {
            changes: ChangesRecord::of(&path.changes, started_at),
            last: (!path.changes.is_complete()).then_some(last),
        }
    }

    /// What it says of a saga that started then.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status that does not exist, or none at all.
    pub fn path(self, started_at: Millis) -> Result<StatusPath, StoreError> {
        let changes = self.changes.log(started_at, Self::TABLE)?;
        let last = match self.last {
            Some((at, tag)) => Some(StatusChange {
                at: Millis(at),
                status: status(tag, Self::TABLE)?,
            }),
            None => changes.kept.last().copied(),
        };
        let last = last.ok_or_else(|| StoreError::Corrupt("by_started: no change of status".into()))?;
        Ok(StatusPath { changes, last })
    }
}

/// `census`: how often sagas entered and left each status, by number of status.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct CensusRecord {
    /// Entries, the first status of a saga among them.
    pub entered: [i64; 5],
    /// What left it.
    pub left: [i64; 5],
    /// Sagas that entered FAILED, each once.
    pub ever_failed: i64,
    /// Of those, the ones that entered COMPENSATED afterwards, each once.
    pub ever_compensated: i64,
    /// Of those that entered COMPLETED, less those that left it: the time since their start, milliseconds.
    pub completed_millis: i64,
}

impl Record<'_> for CensusRecord {
    const TABLE: &'static str = "census";
    const FORMAT: u8 = 2;
}

impl CensusRecord {
    /// One move of a saga that started then, as often as `sign` says.
    pub fn add_move(&mut self, step: &StatusMove, started_at: Millis, sign: i64) {
        const COMPLETED: SagaStatus = SagaStatus::Completed;
        let since_start = i64::try_from(step.at.since(started_at)).unwrap_or(i64::MAX);
        self.entered[usize::from(step.to.tag())] += sign;
        if step.to == COMPLETED {
            self.completed_millis += sign * since_start;
        }
        match step.first {
            Some(Milestone::Failure) => self.ever_failed += sign,
            Some(Milestone::Compensation) => self.ever_compensated += sign,
            None => {}
        }
        if let Some(from) = step.from {
            self.left[usize::from(from.tag())] += sign;
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.add_times(other, 1);
    }

    /// Adds another one so many times.
    pub fn add_times(&mut self, other: &Self, times: i64) {
        let pairs = |mine: &mut [i64; 5], others: &[i64; 5]| {
            mine.iter_mut()
                .zip(others)
                .for_each(|(sum, by)| *sum += times * by);
        };
        pairs(&mut self.entered, &other.entered);
        pairs(&mut self.left, &other.left);
        self.ever_failed += times * other.ever_failed;
        self.ever_compensated += times * other.ever_compensated;
        self.completed_millis += times * other.completed_millis;
    }

    /// How many are in a status: those that entered and did not leave.
    pub fn standing(&self, status: SagaStatus) -> i64 {
        let status = usize::from(status.tag());
        self.entered[status] - self.left[status]
    }
}

/// `moves`: a saga came into another status. When and which saga is its key.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct MoveRecord<'a> {
    /// The saga's type.
    pub saga_type: &'a str,
    /// How long ago it started, milliseconds.
    started_before: i64,
    /// What it left; one more than the number of the status, 0 for nothing.
    from: u8,
    to: u8,
    /// 1 for the first failure, 2 for the first compensation behind it, 0 for all others.
    first: u8,
}

impl<'a> Record<'a> for MoveRecord<'a> {
    const TABLE: &'static str = "moves";
    const FORMAT: u8 = 2;
}

impl<'a> MoveRecord<'a> {
    /// The record of a move.
    pub fn of(saga_type: &'a str, started_at: Millis, step: &StatusMove) -> Self {
        Self {
            saga_type,
            started_before: step.at.0.wrapping_sub(started_at.0),
            from: step.from.map_or(0, |status| status.tag() + 1),
            to: step.to.tag(),
            first: match step.first {
                None => 0,
                Some(Milestone::Failure) => 1,
                Some(Milestone::Compensation) => 2,
            },
        }
    }

    /// The move at an instant, and when the saga started.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status, or a mark, that does not exist.
    pub fn at(&self, at: Millis) -> Result<(StatusMove, Millis), StoreError> {
        let from = match self.from {
            0 => None,
            tag => Some(status(tag - 1, Self::TABLE)?),
        };
        let to = status(self.to, Self::TABLE)?;
        let first = match self.first {
            0 => None,
            1 => Some(Milestone::Failure),
            2 => Some(Milestone::Compensation),
            mark => return Err(StoreError::Corrupt(format!("moves: mark {mark}"))),
        };
        let started_at = Millis(at.0.wrapping_sub(self.started_before));
        Ok((StatusMove { at, from, to, first }, started_at))
    }
}

/// `many_changes`: of which stretch of time only the log can tell what a saga's status was.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct ManyChangesRecord {
    /// Its first instant.
    pub from: i64,
    /// The first one behind it.
    pub until: i64,
}

impl Record<'_> for ManyChangesRecord {
    const TABLE: &'static str = "many_changes";
    const FORMAT: u8 = 1;
}
