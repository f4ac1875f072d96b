//! What events of a timeline said that its state remembers: the traces it belongs to, and the last failure.

use super::TimelineKey;

/// At most so many trace ids of each saga are kept: the first ones of its timeline.
pub const MAX_TRACE_IDS: usize = if cfg!(test) { 3 } else { 8 };

/// The first [`MAX_TRACE_IDS`] different trace ids of a timeline, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TraceIds(pub Vec<Box<str>>);

impl TraceIds {
    /// Adds one that comes behind those that are there.
    pub fn add(&mut self, trace_id: &str) {
        if self.0.len() < MAX_TRACE_IDS && !self.contains(trace_id) {
            self.0.push(trace_id.into());
        }
    }

    /// Whether this one is among those that are kept.
    pub fn contains(&self, trace_id: &str) -> bool {
        self.0.iter().any(|known| **known == *trace_id)
    }

    /// Whether [`exchange`](Self::exchange) can tell what a timeline has that begins with `new` instead of
    /// `old`: what only `old` had may come again behind.
    pub(super) fn can_exchange(old: &Self, new: &Self) -> bool {
        new.0.len() == MAX_TRACE_IDS || old.0.iter().all(|trace_id| new.contains(trace_id))
    }

    /// Takes out `old`, which this begins with, and puts in `new` there.
    pub(super) fn exchange(&mut self, old: &Self, new: &Self) {
        let behind = self.0.split_off(old.0.len().min(self.0.len()));
        self.0.clone_from(&new.0);
        behind.iter().for_each(|trace_id| self.add(trace_id));
    }
}

/// Something that an event said, and where in the timeline that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The event's place.
    pub place: TimelineKey,
    /// What it said.
    pub text: Box<str>,
}

impl Said {
    /// What was said last in a timeline that begins with a part of which it was `new` instead of `old`.
    pub(super) fn exchange(last: &mut Option<Self>, old: &Option<Self>, new: &Option<Self>) {
        if last == old {
            last.clone_from(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> TraceIds {
        let mut ids = TraceIds::default();
        text.split_whitespace().for_each(|id| ids.add(id));
        ids
    }

    #[test]
    fn the_first_different_ids_are_kept() {
        assert_eq!(ids("a b a c d").0, ["a", "b", "c"].map(Into::into));
    }

    #[test]
    fn a_part_that_changed_is_exchanged_as_if_all_had_been_read_again() {
        let texts = ["", "a", "b", "a b", "b a", "a b c", "d a b c", "c", "x y z a"];
        let mut exchanged = 0;
        for old in texts {
            for new in texts {
                if !TraceIds::can_exchange(&ids(old), &ids(new)) {
                    continue;
                }
                for behind in texts {
                    let mut last = ids(&format!("{old} {behind}"));
                    last.exchange(&ids(old), &ids(new));
                    assert_eq!(
                        last,
                        ids(&format!("{new} {behind}")),
                        "{old:?} {new:?} {behind:?}"
                    );
                    exchanged += 1;
                }
            }
        }
        assert!(exchanged > 300, "{exchanged}");
    }
}
