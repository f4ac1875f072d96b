//! What a timeline reported of the steps that its saga's definition names: how often each was reported with which
//! status, first and last by which event. Bounded by the definition, whatever the timeline is. What follows from
//! it is judged when somebody asks, in `conformance` and `stuck`.

use super::definition::Role;
use super::said::Said;
use super::{Millis, SagaStatus, TimelineKey};

/// An event of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number, from 1.
    pub number: u32,
    /// Its time.
    pub at: Millis,
}

/// A step that was reported with a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// The step's number in its definition.
    pub step: u16,
    /// The status.
    pub status: SagaStatus,
    /// How often.
    pub count: u32,
    /// By which event first.
    pub first: Mark,
    /// And last.
    pub last: Mark,
}

/// What was reported of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTally {
    /// By step and status, in their order.
    pub reports: Vec<Reports>,
    /// The number of the event that made the saga FAILED last; 0 when none did.
    pub failed_by: u32,
    /// Events of steps that the definition, which says which there are, does not know.
    pub strange: u32,
    /// The last of those steps.
    pub last_strange: Option<Said>,
    /// Events whose metadata does not fit the schema that the definition has for their steps.
    pub unfit: u32,
    /// The last of those steps, and what does not fit.
    pub last_unfit: Option<Said>,
}

impl Reports {
    fn key(&self) -> (u16, u8) {
        (self.step, self.status.tag())
    }
}

impl StepTally {
    /// Notes that an event reported a step that is counted.
    pub(super) fn note(&mut self, role: Role, status: SagaStatus, mark: Mark) {
        let Some(step) = role.counted else {
            return;
        };
        match self.place((step, status.tag())) {
            Ok(place) => {
                let known = &mut self.reports[place];
                known.count = known.count.saturating_add(1);
                known.last = mark;
            }
            Err(place) => {
                let (first, last) = (mark, mark);
                let new = Reports {
                    step,
                    status,
                    count: 1,
                    first,
                    last,
                };
                self.reports.insert(place, new);
            }
        }
    }

    /// Notes an event of a step that the definition does not know.
    pub(super) fn note_strange(&mut self, place: TimelineKey, step: &str) {
        self.strange = self.strange.saturating_add(1);
        let text = step.into();
        self.last_strange = Some(Said { place, text });
    }

    /// Notes an event whose metadata does not fit, and why.
    pub(super) fn note_unfit(&mut self, place: TimelineKey, why: &str) {
        self.unfit = self.unfit.saturating_add(1);
        let text = why.into();
        self.last_unfit = Some(Said { place, text });
    }

    /// What was reported of any of these steps.
    pub fn of<'s>(&'s self, steps: &'s [u16]) -> impl Iterator<Item = &'s Reports> {
        self.reports
            .iter()
            .filter(|reports| steps.contains(&reports.step))
    }

    fn place(&self, key: (u16, u8)) -> Result<usize, usize> {
        self.reports.binary_search_by_key(&key, Reports::key)
    }

    fn get(&self, key: (u16, u8)) -> Option<&Reports> {
        self.place(key).ok().and_then(|place| self.reports.get(place))
    }

    /// Whether [`exchange`](Self::exchange) can tell the first event of everything: of what only `old` had, nothing
    /// may have come behind it.
    pub(super) fn can_exchange(&self, old: &Self, new: &Self) -> bool {
        old.reports.iter().all(|gone| {
            let all = || self.get(gone.key()).is_none_or(|all| all.count == gone.count);
            new.get(gone.key()).is_some() || all()
        })
    }

    /// Takes out `old`, the tally of the first so many events, which this begins with, and puts in `new` there.
    pub(super) fn exchange(&mut self, (old, events): (&Self, u32), (new, new_events): (&Self, u32)) {
        let moved = |mark: Mark| Mark {
            number: mark.number.wrapping_sub(events).wrapping_add(new_events),
            ..mark
        };
        let all = std::mem::replace(&mut self.reports, new.reports.clone());
        for reports in all {
            let before = old.get(reports.key()).map_or(0, |before| before.count);
            let count = reports.count.wrapping_sub(before);
            if count == 0 {
                continue;
            }
            let last = moved(reports.last);
            match self.place(reports.key()) {
                Ok(place) => {
                    let known = &mut self.reports[place];
                    known.count = known.count.wrapping_add(count);
                    known.last = last;
                }
                Err(place) => {
                    let first = moved(reports.first);
                    let behind = Reports {
                        count,
                        first,
                        last,
                        ..reports
                    };
                    self.reports.insert(place, behind);
                }
            }
        }
        self.failed_by = if self.failed_by > events {
            self.failed_by.wrapping_sub(events).wrapping_add(new_events)
        } else {
            new.failed_by
        };
        self.strange = self.strange.wrapping_sub(old.strange).wrapping_add(new.strange);
        Said::exchange(&mut self.last_strange, &old.last_strange, &new.last_strange);
        self.unfit = self.unfit.wrapping_sub(old.unfit).wrapping_add(new.unfit);
        Said::exchange(&mut self.last_unfit, &old.last_unfit, &new.last_unfit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Position;

    /// Each event is a letter for its step and status; `?` is of a step that nobody knows, `%` has metadata that does
    /// not fit, `!` makes the saga FAILED.
    fn tally(timeline: &str) -> StepTally {
        let mut tally = StepTally::default();
        for (number, letter) in (1..).zip(timeline.bytes()) {
            let at = Millis(i64::from(letter));
            let place = TimelineKey {
                recorded_at: at,
                position: Position::new(0, u64::from(number)),
            };
            match letter {
                b'?' => tally.note_strange(place, "?"),
                b'%' => tally.note_unfit(place, "%"),
                b'!' => tally.failed_by = number,
                _ => {
                    let step = u16::from(letter - b'a');
                    let role = Role {
                        counted: Some(step / 2),
                        ..Role::default()
                    };
                    let status = SagaStatus::ALL[usize::from(step % 2)];
                    tally.note(role, status, Mark { number, at });
                }
            }
        }
        tally
    }

    #[test]
    fn a_part_that_changed_is_exchanged_as_if_all_had_been_read_again() {
        let parts = [
            "", "a", "ab", "ba", "aab", "!a", "a!b!", "cc", "abcd", "dcba!", "%", "a%%",
        ];
        let (mut exchanged, mut refused) = (0, 0);
        for old in parts {
            for new in parts {
                for behind in ["", "a", "ab", "bca", "!", "d!d", "aaaa"] {
                    let mut last = tally(&format!("{old}{behind}"));
                    let (old_part, new_part) = (tally(old), tally(new));
                    if !last.can_exchange(&old_part, &new_part) {
                        refused += 1;
                        continue;
                    }
                    let events = |part: &str| u32::try_from(part.len()).unwrap();
                    last.exchange((&old_part, events(old)), (&new_part, events(new)));
                    assert_eq!(last, tally(&format!("{new}{behind}")), "{old} {new} {behind}");
                    exchanged += 1;
                }
            }
        }
        assert!(exchanged > 400 && refused > 20, "{exchanged} {refused}");
    }

    #[test]
    fn what_only_comes_in_is_always_exchanged() {
        for (old, new) in [("", "a"), ("b", "ab"), ("a!b", "a!cb")] {
            for behind in ["a", "b", "c", "abc!"] {
                let last = tally(&format!("{old}{behind}"));
                assert!(last.can_exchange(&tally(old), &tally(new)));
            }
        }
    }

    #[test]
    fn strange_steps_are_counted_and_the_last_is_named() {
        let tally = tally("a??");
        assert_eq!(tally.strange, 2);
        assert_eq!(tally.last_strange.map(|said| said.place.position.offset), Some(3));
    }
}
