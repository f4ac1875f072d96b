//! How long sagas took, in buckets: from FAILED to COMPENSATED, and from their start to an outcome.

use super::SagaStatus;

/// Upper bounds of the buckets that times from FAILED to COMPENSATED are counted in, seconds.
pub const COMPENSATION_BUCKETS: [f64; 14] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// The times that one saga took, each time that it was compensated: as many counts as there are
/// buckets, however often that was.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CompensationTimes {
    /// Bucket and how many times lie in it, by bucket; only those that have any. The bucket behind
    /// the last bound holds all that took longer.
    pub counts: Vec<(u8, u32)>,
    /// Sum of the times, milliseconds.
    pub millis: u64,
}

impl CompensationTimes {
    /// Adds one.
    pub fn add(&mut self, millis: u64) {
        let bucket = bucket_in(&COMPENSATION_BUCKETS, millis);
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.counts[place].1 = self.counts[place].1.saturating_add(1),
            Err(place) => self.counts.insert(place, (bucket, 1)),
        }
        self.millis = self.millis.saturating_add(millis);
    }
}

/// Upper bounds of the buckets that times from a saga's start to its outcome are counted in, seconds.
pub const DURATION_BUCKETS: [f64; 14] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 21_600.0, 86_400.0,
];

/// The statuses that such times are counted for.
pub const OUTCOMES: [SagaStatus; 3] = [SagaStatus::Completed, SagaStatus::Failed, SagaStatus::Compensated];

/// The number of the bucket that a time lies in; that of all bounds behind the last one.
pub fn bucket_in(bounds: &[f64], millis: u64) -> u8 {
    let seconds = millis as f64 / 1000.0;
    let bucket = bounds.iter().position(|bound| seconds <= *bound);
    u8::try_from(bucket.unwrap_or(bounds.len())).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_took_longer_than_all_to_the_last() {
        let mut times = CompensationTimes::default();
        for millis in [3_600_001, 100, 101, 99, 3_600_000] {
            times.add(millis);
        }
        assert_eq!(times.counts, [(0, 2), (1, 1), (13, 1), (14, 1)]);
        assert_eq!(times.millis, 7_200_301);
    }
}
