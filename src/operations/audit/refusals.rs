//! Which refused calls get an entry of their own, and which are only counted.
//!
//! Whoever is refused can call again at once, and without end: entries for all of it would fill the disk.
//! So in a stretch of time the first few of each kind are told one by one, and the rest by one entry that
//! says how many there were. While that goes on, the stretches get longer. What was done, failed or begun
//! is always told.

use super::entry::Act;
use crate::domain::Millis;
use std::collections::BTreeMap;

/// So many of one kind are told one by one,
const MAX_TOLD_PER_KIND: u32 = 5;
/// and so many of all kinds together.
const MAX_TOLD: u32 = 20;
/// So many kinds are counted apart.
const KINDS: usize = 64;
/// The first stretch of time, and the longest.
const MIN_PERIOD_MS: u64 = 60_000;
const MAX_PERIOD_MS: u64 = 3_600_000;

/// A kind of refused call: from where, and what. Not by whom: that is whatever the client says.
type Kind = (String, String);

/// Counts refused calls.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    stretch: Option<Stretch>,
    /// Stretches in a row in which something was only counted.
    crowded: u32,
}

#[derive(Debug)]
struct Stretch {
    from: Millis,
    until: Millis,
    told: u32,
    kinds: BTreeMap<Kind, Seen>,
    /// Of kinds beyond those.
    others: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    told: u32,
    counted: u64,
    last: Option<Act>,
}

impl Refusals {
    /// Whether the refusal of this act gets an entry; otherwise it is counted.
    pub(super) fn is_told(&mut self, act: &Act, now: Millis) -> bool {
        let length = self.length();
        let stretch = self.stretch.get_or_insert_with(|| Stretch::new(now, length));
        let kind = (act.origin.clone(), act.action.clone());
        let room = stretch.kinds.len() < KINDS || stretch.kinds.contains_key(&kind);
        let seen = if room {
            stretch.kinds.entry(kind).or_default()
        } else {
            &mut stretch.others
        };
        if seen.told < MAX_TOLD_PER_KIND && stretch.told < MAX_TOLD {
            seen.told += 1;
            stretch.told += 1;
            return true;
        }
        seen.counted += 1;
        seen.last = Some(act.clone());
        false
    }

    /// What the stretch that is over at `now` has to tell: acts, and in words how many there were.
    pub(super) fn over(&mut self, now: Millis) -> Vec<(Act, String)> {
        match &self.stretch {
            // A clock that was set back ends it too.
            Some(stretch) if now < stretch.from || stretch.until <= now => self.end(),
            _ => Vec::new(),
        }
    }

    /// What there is to tell now, whether the stretch is over or not.
    pub(super) fn end(&mut self) -> Vec<(Act, String)> {
        let Some(stretch) = self.stretch.take() else {
            return Vec::new();
        };
        let told = stretch.tell();
        self.crowded = if told.is_empty() { 0 } else { self.crowded + 1 };
        told
    }

    /// Whether anything waits to be told.
    pub(super) fn is_waiting(&self) -> bool {
        self.stretch.is_some()
    }

    fn length(&self) -> u64 {
        MIN_PERIOD_MS
            .checked_shl(self.crowded)
            .map_or(MAX_PERIOD_MS, |length| length.clamp(MIN_PERIOD_MS, MAX_PERIOD_MS))
    }
}

impl Stretch {
    fn new(from: Millis, length: u64) -> Self {
        let until = from.0.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        Self {
            from,
            until: Millis(until),
            told: 0,
            kinds: BTreeMap::new(),
            others: Seen::default(),
        }
    }

    fn tell(self) -> Vec<(Act, String)> {
        let from = self.from;
        let all = self.kinds.into_values().chain([self.others]);
        all.filter_map(|seen| {
            let last = seen.last?;
            let words = format!(
                "{} more calls like this were refused since {from}; this is the last of them",
                seen.counted
            );
            Some((last, words))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(origin: &str, who: &str) -> Act {
        Act {
            who: who.to_owned(),
            origin: origin.to_owned(),
            action: "set-status".to_owned(),
            ..Act::default()
        }
    }

    /// Entries that refused calls make: told one by one, and at the ends of stretches.
    fn entries(calls: impl Iterator<Item = (Act, Millis)>) -> (u64, u64) {
        let mut refusals = Refusals::default();
        let (mut entries, mut told_of) = (0, 0);
        let mut add = |ends: Vec<(Act, String)>| {
            for (_, words) in ends {
                entries += 1;
                told_of += words.split(' ').next().unwrap().parse::<u64>().unwrap();
            }
        };
        let mut single = 0;
        for (act, now) in calls {
            add(refusals.over(now));
            single += u64::from(refusals.is_told(&act, now));
        }
        add(refusals.end());
        assert!(!refusals.is_waiting());
        (entries + single, told_of + single)
    }

    #[test]
    fn a_few_refusals_are_told_one_by_one() {
        let calls = (0..5).map(|at| (act("10.0.0.1", "kim"), Millis(at)));
        assert_eq!(entries(calls), (5, 5));
        // Another minute, another few.
        let calls = (0..50).map(|minute| (act("10.0.0.1", "kim"), Millis(minute * 60_000)));
        assert_eq!(entries(calls), (50, 50));
    }

    #[test]
    fn endless_ones_make_few_entries_and_every_one_is_counted() {
        // A day of ten refused calls a second, each from elsewhere and under another name.
        let calls = (0..864_000).map(|n| {
            (
                act(&format!("10.0.0.{}", n % 250), &n.to_string()),
                Millis(n * 100),
            )
        });
        let (entries, told_of) = entries(calls);
        assert_eq!(told_of, 864_000);
        assert!(entries < 30 * (MAX_TOLD as u64 + KINDS as u64 + 1), "{entries}");
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_stretch() {
        let mut refusals = Refusals::default();
        for _ in 0..10 {
            refusals.is_told(&act("10.0.0.1", "kim"), Millis(1_000_000));
        }
        assert_eq!(refusals.over(Millis(1_000_001)).len(), 0);
        assert_eq!(refusals.over(Millis(0)).len(), 1);
    }
}
