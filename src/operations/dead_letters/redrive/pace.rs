//! How fast letters are published where somebody wants it slower: some, then a pause. No pause is longer than a second,
//! so that a redrive that is cancelled ends soon.

use std::time::Duration;

/// How many letters are published at once.
pub(super) fn chunk(per_second: Option<u32>, most: usize) -> usize {
    let of_a_second = per_second.and_then(|letters| usize::try_from(letters).ok());
    of_a_second.unwrap_or(most).clamp(1, most)
}

/// How long to wait behind so many letters.
pub(super) fn pause(per_second: Option<u32>, letters: usize) -> Duration {
    let Some(per_second) = per_second else {
        return Duration::ZERO;
    };
    let letters = u64::try_from(letters).unwrap_or(u64::MAX);
    let millis = letters
        .saturating_mul(1_000)
        .div_ceil(u64::from(per_second.max(1)));
    Duration::from_millis(millis.min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_published_than_are_wanted_in_a_second() {
        for per_second in [1u32, 7, 20, 100, 1_000, 3_000, 7_000, 10_000] {
            let chunk = chunk(Some(per_second), 100);
            let pause = pause(Some(per_second), chunk);
            assert!(pause <= Duration::from_secs(1));
            let (rate, wanted) = (chunk as f64 / pause.as_secs_f64(), f64::from(per_second));
            assert!(rate <= wanted && rate > 0.9 * wanted, "{per_second}: {rate}");
        }
        assert_eq!((chunk(None, 100), pause(None, 100)), (100, Duration::ZERO));
    }
}
