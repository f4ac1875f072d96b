//! How far back an overview looks.

use crate::domain::{DAY_MILLIS, HOUR_MILLIS, Millis};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// A choice of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    FiveMinutes,
    Hour,
    Day,
}

impl Range {
    const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    pub(super) const ACCEPTED: &'static str = "5m, 1h or 24h";

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == name)
    }

    /// The period of the flow. It ends at a round instant, so that an answer stays the same while nothing happens.
    pub(super) fn period(self, now: Millis) -> (Millis, Millis) {
        let (length, round) = match self {
            Self::FiveMinutes => (5 * MINUTE, 10 * SECOND),
            Self::Hour => (HOUR_MILLIS, MINUTE),
            Self::Day => (DAY_MILLIS, 10 * MINUTE),
        };
        let to = now.0.div_euclid(round).saturating_mul(round);
        (Millis(to.saturating_sub(length)), Millis(to))
    }

    /// How long a stretch of the series is, and how many there are.
    fn stretches(self) -> (i64, i64) {
        match self {
            // Fewer would be no picture.
            Self::FiveMinutes | Self::Hour => (MINUTE, 60),
            Self::Day => (30 * MINUTE, 48),
        }
    }

    pub(super) fn every_seconds(self) -> u64 {
        self.stretches().0.unsigned_abs() / SECOND.unsigned_abs()
    }

    /// The last instant before each stretch, and the last one of all: the last stretch is the one that now lies in.
    pub(super) fn edges(self, now: Millis) -> Vec<Millis> {
        let (every, count) = self.stretches();
        let end = now.0.div_euclid(every).saturating_add(1).saturating_mul(every);
        (0..=count)
            .map(|n| Millis(end.saturating_sub((count - n) * every).saturating_sub(1)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_at_a_round_instant_and_its_stretches_are_whole() {
        let now = Millis(1_769_904_012_345);
        let (from, to) = Range::FiveMinutes.period(now);
        assert_eq!(
            (to.0 - from.0, to.0, now.0 - to.0),
            (300_000, 1_769_904_010_000, 2_345)
        );
        for (range, every, count) in [
            (Range::FiveMinutes, 60, 60),
            (Range::Hour, 60, 60),
            (Range::Day, 1_800, 48),
        ] {
            let edges = range.edges(now);
            assert_eq!((range.every_seconds(), edges.len()), (every, count + 1));
            assert!(
                edges
                    .iter()
                    .all(|edge| (edge.0 + 1) % (every as i64 * 1_000) == 0)
            );
            assert!(edges[count] >= now && edges[count - 1] < now);
            assert_eq!(Range::from_name(range.as_str()), Some(range));
        }
        assert_eq!(Range::from_name("2h"), None);
    }
}
