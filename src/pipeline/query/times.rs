//! How long something took, each time.

/// Times in milliseconds, sorted once all are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<u64>);

impl Times {
    pub(super) fn add(&mut self, millis: u64) {
        self.0.push(millis);
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The time within which so many in a hundred were: of the times that there were the first that is no shorter.
    /// 0 when there were none.
    pub fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(0)
    }

    /// Each of them, in order.
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
impl FromIterator<u64> for Times {
    fn from_iter<I: IntoIterator<Item = u64>>(times: I) -> Self {
        let mut times = Self(times.into_iter().collect());
        times.sort();
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_there_were() {
        let of = |times: &Times| [50, 95, 99].map(|percent| times.percentile(percent));
        assert_eq!(of(&Times((1..=200).collect())), [100, 190, 198]);
        assert_eq!(of(&Times(vec![7])), [7, 7, 7]);
        assert_eq!(of(&Times::default()), [0, 0, 0]);
    }
}
