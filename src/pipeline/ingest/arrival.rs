//! When a record arrived: Kafka's timestamp, made monotone within the partition, by a rule that is a
//! function of the topic alone, so that every replica says the same.
//!
//! A timestamp that the broker set when it appended the record is its word. One that a producer set
//! (CreateTime) is what a clock said that is not ours, in a unit that someone may have mistaken. It is held
//! against the newest one that was believed:
//!
//! | the timestamp | the arrival time |
//! |---|---|
//! | is missing, or no time that an event may have | that of the record before |
//! | is older, or up to a week newer | it, or that of the record before if that is later |
//! | is more than a week newer | that of the record before; for each five such records in a row a week more than what is believed, up to the oldest of them |
//!
//! So one wild clock moves nothing and a handful of its records a week at most, once; to carry a partition to
//! 2099 takes some 19,000 of them without a believable one in between. A partition that was silent for a month is
//! late by 25 records.
//!
//! The first record has nothing to be held against, and may be the wild one. So its time is in doubt until five
//! others lie within a week of it. When five lie more than a week behind it before that, it is taken back: the
//! youngest of these five stands in its place, in doubt as well. Only here the arrival times of a partition go
//! back. Three rely on their order. `retention::claim`, that what comes behind a decision was later: whoever decides
//! takes no partition's time that is ahead of the decision's own arrival, and what is said to have arrived in the
//! future is not quiet before then, so what was taken back makes nothing due. And lists of dead letters, which go
//! back by offset and end at the first that is too old: by time they miss what is said to have arrived in the future.
//! And `store::late`, which finds offsets by arrival: it is told of no record that is in doubt.

use crate::domain::{DAY_MILLIS, Millis};
use crate::pipeline::kafka::source::RawRecord;
use crate::store::records::{AheadRecord, DoubtRecord, OffsetRecord, ToldRecord};

/// So far ahead a producer's clock is believed at once.
pub const BELIEVED_MS: i64 = 7 * DAY_MILLIS;
/// So many records are believed that say the same, for as long again.
pub const CONFIRMED_BY: u8 = 5;

/// The arrival time of a partition's last record, and what was told up to there. The default is that of a
/// partition of which no time is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The arrival time.
    pub at: Millis,
    /// What it follows from.
    pub told: ToldRecord,
}

impl Arrival {
    /// That of a partition's last record; `None` when there was none.
    pub fn of(row: Option<&OffsetRecord>) -> Option<Self> {
        row.filter(|row| row.last.is_some()).map(|row| Self {
            at: Millis(row.arrived_at),
            told: row.told,
        })
    }

    /// At this place of the log, where no more than its arrival time is known.
    pub(super) fn in_between(at: Millis) -> Self {
        let told = ToldRecord {
            believed: at.0,
            ..ToldRecord::default()
        };
        Self { at, told }
    }

    /// That of the record after it.
    #[must_use]
    pub fn next(before: Option<Self>, record: &RawRecord<'_>) -> Self {
        let by_broker = record.headers.are_of_append_time();
        Self::after(before, record.timestamp, by_broker)
    }

    /// The same of a timestamp, and whether the broker set it.
    #[must_use]
    pub(super) fn after(before: Option<Self>, timestamp: Option<Millis>, by_broker: bool) -> Self {
        let before = before.unwrap_or_default();
        let accepted = Millis::EARLIEST_EVENT..Millis::LATEST_EVENT;
        let Some(told) = timestamp.filter(|told| accepted.contains(told)) else {
            return before;
        };
        if by_broker {
            return before.by_broker(told);
        }
        let ahead = told.0.saturating_sub(before.told.believed);
        if before.told.believed == 0 {
            Self::first(told)
        } else if ahead > BELIEVED_MS {
            before.far_ahead(told)
        } else if ahead >= -BELIEVED_MS {
            before.near(told)
        } else {
            before.far_behind(told)
        }
    }

    fn first(told: Millis) -> Self {
        Self {
            at: told,
            told: ToldRecord {
                believed: told.0,
                ahead: None,
                doubt: Some(DoubtRecord::default()),
            },
        }
    }

    fn by_broker(self, told: Millis) -> Self {
        if self.told.doubt.is_some() {
            return Self::in_between(told);
        }
        Self::in_between(told.max(self.at))
    }

    fn near(mut self, told: Millis) -> Self {
        self.told.believed = self.told.believed.max(told.0);
        self.told.ahead = None;
        self.at = self.at.max(told);
        self.told.doubt = self.told.doubt.and_then(|mut doubt| {
            doubt.agreeing += 1;
            (doubt.agreeing < CONFIRMED_BY).then_some(doubt)
        });
        self
    }

    fn far_ahead(mut self, told: Millis) -> Self {
        let run = self.told.ahead.map_or(
            AheadRecord {
                oldest: told.0,
                records: 1,
            },
            |run| AheadRecord {
                oldest: run.oldest.min(told.0),
                records: run.records.saturating_add(1),
            },
        );
        let weeks = i64::from(run.records / u32::from(CONFIRMED_BY));
        let reached = self
            .told
            .believed
            .saturating_add(BELIEVED_MS.saturating_mul(weeks));
        self.at = self.at.max(Millis(run.oldest.min(reached)));
        if run.oldest > reached {
            self.told.ahead = Some(run);
            return self;
        }
        self.told = ToldRecord {
            believed: run.oldest,
            ..ToldRecord::default()
        };
        self
    }

    fn far_behind(mut self, told: Millis) -> Self {
        let Some(mut doubt) = self.told.doubt else {
            return self;
        };
        doubt.youngest = doubt.youngest.max(told.0);
        doubt.behind += 1;
        if doubt.behind >= CONFIRMED_BY {
            return Self::first(Millis(doubt.youngest));
        }
        self.told.doubt = Some(doubt);
        self
    }
}

#[cfg(test)]
mod tests;
