//! Keeps counters from falling while the process lives.
//!
//! They derive from state, and state may be revised: a late event can take a failure back, and a
//! rebuild under new rules can change any sum. To Prometheus a counter that falls is a restart, and
//! it would count everything once more.

use std::collections::HashMap;

/// The highest value seen of each counter.
#[derive(Debug, Default)]
pub(super) struct Floor {
    highest: HashMap<(&'static str, String), u64>,
}

impl Floor {
    /// The value, or the highest one before it.
    pub(super) fn raise(&mut self, family: &'static str, member: &str, value: u64) -> u64 {
        let highest = self.highest.entry((family, member.to_owned())).or_insert(value);
        *highest = value.max(*highest);
        *highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_never_falls_and_members_are_apart() {
        let mut floor = Floor::default();
        assert_eq!(floor.raise("failed", "a", 3), 3);
        assert_eq!(floor.raise("failed", "a", 2), 3);
        assert_eq!(floor.raise("failed", "b", 1), 1);
        assert_eq!(floor.raise("other", "a", 0), 0);
        assert_eq!(floor.raise("failed", "a", 5), 5);
    }
}
