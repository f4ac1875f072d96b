//! Reproducible choices: SplitMix64, seeded. Not for secrets.

use crate::domain::mix::{GOLDEN, scatter};

/// Draws the same numbers for the same seed, on every machine and in every version.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        scatter(self.0)
    }

    /// A number from 0 up to, not including, `bound`; 0 when there is none.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: even enough for bounds far below 2^64.
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number of the range, both ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// A position in a list of that length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        const { assert!(N > 0, "nothing to pick from") };
        choices[self.index(N)]
    }

    /// One of a list that is not empty, by weight.
    pub(crate) fn weighted<T: Copy, const N: usize>(&mut self, choices: [(u64, T); N]) -> T {
        const { assert!(N > 0, "nothing to pick from") };
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < weight {
                return choice;
            }
            left -= weight;
        }
        choices[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        // The published test vector of SplitMix64 for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn ranges_include_their_ends_and_nothing_beyond() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 3];
        for _ in 0..1000 {
            let drawn = rng.between(5, 7);
            assert!((5..=7).contains(&drawn), "{drawn}");
            seen[usize::try_from(drawn - 5).unwrap()] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn weights_are_kept() {
        let mut rng = Rng::new(2);
        let heavy = (0..10_000)
            .filter(|_| rng.weighted([(1, false), (9, true), (0, false)]))
            .count();
        assert!(
            (8_700..9_300).contains(&heavy),
            "{heavy} of 10000 for nine in ten"
        );
    }
}
