//! When a record arrived: Kafka's timestamp, made monotone within the partition, by a rule that is a
//! function of the topic alone, so that every replica says the same.
//!
//! A timestamp that the broker set when it appended the record is its word. One that a producer set
//! (CreateTime) is what a clock said that is not ours, in a unit that someone may have mistaken:
//!
//! | the timestamp | the arrival time |
//! |---|---|
//! | is missing, or at or beyond the latest event time that is accepted | that of the record before |
//! | is older than the arrival time before | that of the record before |
//! | is up to a week ahead | it |
//! | is further ahead | that of the record before, until five records in a row are: then the oldest of the five |
//!
//! So one wild clock cannot pin a partition's arrival time, and a partition that was silent for long is
//! late by a few records at most. The first record of a partition has nothing to be held against.

use crate::domain::Millis;
use crate::pipeline::kafka::source::RawRecord;
use crate::store::records::{AheadRecord, OffsetRecord};

/// So far ahead a producer's clock is believed at once.
pub const BELIEVED_MS: i64 = 7 * 86_400_000;
/// So many records in a row that are further ahead are believed.
pub const CONFIRMED_BY: u8 = 5;

/// The arrival time of a partition's last record, and the run of records that are too far ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The arrival time.
    pub at: Millis,
    /// Records in a row that are too far ahead.
    pub ahead: Option<AheadRecord>,
}

impl Arrival {
    /// That of a partition's last record; `None` when there was none.
    pub fn of(row: Option<&OffsetRecord>) -> Option<Self> {
        row.filter(|row| row.last.is_some()).map(|row| Self {
            at: Millis(row.arrived_at),
            ahead: row.ahead,
        })
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
        let at = before.map_or(Millis(0), |before| before.at);
        let ahead = before.and_then(|before| before.ahead);
        let Some(told) = timestamp.filter(|told| *told < Millis::LATEST_EVENT) else {
            return Self { at, ahead };
        };
        let believed = told.0 <= at.0.saturating_add(BELIEVED_MS);
        if by_broker || believed || before.is_none() {
            return Self {
                at: told.max(at),
                ahead: None,
            };
        }
        let run = ahead.map_or(
            AheadRecord {
                oldest: told.0,
                records: 1,
            },
            |run| AheadRecord {
                oldest: run.oldest.min(told.0),
                records: run.records.saturating_add(1),
            },
        );
        if run.records < CONFIRMED_BY {
            return Self { at, ahead: Some(run) };
        }
        Self {
            at: Millis(run.oldest),
            ahead: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 1_763_600_000_000;

    fn arrivals(timestamps: &[i64]) -> Vec<i64> {
        let mut last = None;
        let mut all = Vec::new();
        for told in timestamps {
            let next = Arrival::after(last, Some(Millis(*told)), false);
            all.push(next.at.0 - NOW);
            last = Some(next);
        }
        all
    }

    #[test]
    fn one_wild_clock_pins_nothing() {
        let micros = NOW * 1_000;
        assert_eq!(arrivals(&[NOW, micros, NOW + 5]), [0, 0, 5]);
        let years = NOW + 3_650 * DAY;
        assert_eq!(
            arrivals(&[NOW, years, years, NOW + 5, years, NOW + 9]),
            [0, 0, 0, 5, 5, 9]
        );
    }

    #[test]
    fn a_partition_that_was_silent_for_long_goes_on_after_a_few_records() {
        let later = NOW + 30 * DAY;
        let told = [
            NOW,
            later + 3,
            later + 1,
            later + 2,
            later + 4,
            later + 5,
            later + 6,
        ];
        let expected = [0, 0, 0, 0, 0, 1, 6].map(|ms| if ms == 0 { 0 } else { 30 * DAY + ms });
        assert_eq!(arrivals(&told), expected);
        assert_eq!(arrivals(&[NOW, NOW + 6 * DAY, NOW + DAY]), [0, 6 * DAY, 6 * DAY]);
    }

    #[test]
    fn the_brokers_word_is_taken() {
        let before = Some(Arrival::after(None, Some(Millis(NOW)), true));
        let later = Millis(NOW + 60 * DAY);
        assert_eq!(Arrival::after(before, Some(later), true).at, later);
        assert_eq!(Arrival::after(before, None, true).at, Millis(NOW));
    }

    proptest! {
        #[test]
        fn arrival_times_never_go_back_and_stay_in_bounds(told in prop::collection::vec(any::<i64>(), 1..40)) {
            let mut last: Option<Arrival> = None;
            for told in told {
                let next = Arrival::after(last, Some(Millis(told)), told % 2 == 0);
                prop_assert!(next.at >= last.map_or(Millis(0), |last| last.at) && next.at < Millis::LATEST_EVENT);
                last = Some(next);
            }
        }
    }
}
