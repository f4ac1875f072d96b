//! Which schema ids the registry is asked for, and in which order, so that ids that somebody made up hold no
//! real one up.
//!
//! An id that the registry does not know is asked for again after a second, and then ever later. Of those
//! that are due, half of the questions go to ids of the dead letters that came last, and half to those that
//! wait longest: what is written now is asked for at once, whatever was written before, and everything gets
//! its turn. What an answer means for a dead letter is not known here.

use crate::domain::{Millis, Position};
use crate::pipeline::decode::DecodePlan;
use crate::pipeline::registry::SchemaError;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ids that are asked for at once.
pub(super) const QUESTIONS: usize = 16;
/// So many ids are remembered: garbage can name billions.
const REMEMBERED: usize = if cfg!(test) { 3_000 } else { 16_384 };
/// An id is asked for again after a second, which doubles so often.
const DOUBLED: u32 = 9;

/// What the registry says of an id.
pub(super) type Answer = Result<Arc<DecodePlan>, SchemaError>;

/// A dead letter whose id is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met {
    pub(super) position: Position,
    pub(super) arrived_at: Millis,
    /// The pass that must not end before its id is asked for in it; 0 when that was done.
    pub(super) asked_since: u64,
}

/// The ids of dead letters that were met.
#[derive(Default)]
pub(super) struct Ids {
    met: HashMap<u32, Id>,
}

struct Id {
    /// Where its first dead letter is.
    first: Position,
    /// When its last dead letter came.
    newest: Millis,
    /// It is not asked for before then.
    due: Instant,
    refused: u32,
    /// The pass in which it was last asked for.
    asked_in: u64,
    /// The pass waits for it.
    wanted: bool,
    answer: Option<Answer>,
}

impl Id {
    fn new(letter: Met, now: Instant) -> Self {
        Self {
            first: letter.position,
            newest: letter.arrived_at,
            due: now,
            refused: 0,
            asked_in: 0,
            wanted: false,
            answer: None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.is_final() && self.due <= now
    }

    /// Whether the answer will be the same for ever.
    fn is_final(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !may_pass(answer))
    }

    /// Whether nothing is lost when it is forgotten.
    fn is_spare(&self) -> bool {
        !self.wanted && self.answer.is_some()
    }
}

/// Whether the registry may say otherwise later.
pub(super) fn may_pass(answer: &Answer) -> bool {
    matches!(answer, Err(why) if why.may_pass())
}

impl Ids {
    /// What was last said of an id.
    pub(super) fn answer(&self, id: u32) -> Option<&Answer> {
        self.met.get(&id)?.answer.as_ref()
    }

    /// Remembers a dead letter of this id, to ask for it. Whether there is room for that now.
    pub(super) fn meet(&mut self, id: u32, letter: Met, now: Instant) -> bool {
        if !self.met.contains_key(&id) && !self.has_room() {
            return false;
        }
        let known = self.met.entry(id).or_insert_with(|| Id::new(letter, now));
        known.first = known.first.min(letter.position);
        known.newest = known.newest.max(letter.arrived_at);
        if known.asked_in < letter.asked_since && !known.is_final() {
            known.wanted = true;
            known.due = known.due.min(now);
        }
        true
    }

    /// Makes room by forgetting those that were refused most often.
    fn has_room(&mut self) -> bool {
        if self.met.len() >= REMEMBERED {
            let spare = self.met.iter().filter(|(_, id)| id.is_spare());
            let mut spare: Vec<(u32, u32)> = spare.map(|(number, id)| (id.refused, *number)).collect();
            spare.sort_unstable_by_key(|id| Reverse(*id));
            for (_, number) in spare.iter().take(REMEMBERED / 4) {
                self.met.remove(number);
            }
        }
        self.met.len() < REMEMBERED
    }

    /// Those to ask for now.
    pub(super) fn next(&self, now: Instant) -> Vec<u32> {
        let due = self.met.iter().filter(|(_, id)| id.is_due(now));
        let mut due: Vec<(u32, &Id)> = due.map(|(number, id)| (*number, id)).collect();
        due.sort_unstable_by_key(|(number, id)| (Reverse(id.newest), *number));
        let half = due.len().min(QUESTIONS / 2);
        let (newest, rest) = due.split_at_mut(half);
        rest.sort_unstable_by_key(|(number, id)| (id.due, *number));
        let longest = rest.iter().take(QUESTIONS - newest.len());
        newest.iter().chain(longest).map(|(number, _)| *number).collect()
    }

    /// Whether any is to be asked for now.
    pub(super) fn is_any_due(&self, now: Instant) -> bool {
        self.met.values().any(|id| id.is_due(now))
    }

    /// Takes note of an answer, in a pass. Where the id's dead letters begin, if they come to something else now.
    pub(super) fn answered(
        &mut self,
        number: u32,
        answer: Answer,
        pass: u64,
        now: Instant,
    ) -> Option<Position> {
        let id = self.met.get_mut(&number)?;
        if matches!(answer, Err(SchemaError::Unavailable(_))) {
            id.due = now + Duration::from_secs(1);
            return None;
        }
        let refused = may_pass(&answer);
        (id.asked_in, id.wanted, id.answer) = (pass, false, Some(answer));
        if refused {
            id.due = now + Duration::from_secs(1 << id.refused.min(DOUBLED));
            id.refused = id.refused.saturating_add(1);
        }
        (!refused).then_some(id.first)
    }

    /// Whether a pass waits for any of them.
    pub(super) fn is_any_wanted(&self) -> bool {
        self.met.values().any(|id| id.wanted)
    }

    /// Forgets those whose dead letters were all read again.
    pub(super) fn forget_known(&mut self) {
        self.met.retain(|_, id| !id.is_final());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(offset: u64, asked_since: u64) -> Met {
        Met {
            position: Position::new(0, offset),
            arrived_at: Millis(i64::try_from(offset).unwrap()),
            asked_since,
        }
    }

    fn unknown() -> Answer {
        Err(SchemaError::Unknown)
    }

    #[test]
    fn what_is_refused_is_asked_for_ever_less_often() {
        let (mut ids, begun) = (Ids::default(), Instant::now());
        assert!(ids.meet(7, met(1, 0), begun));
        let mut asked = Vec::new();
        for second in 0..3_000 {
            let now = begun + Duration::from_secs(second);
            for id in ids.next(now) {
                assert_eq!(ids.answered(id, unknown(), 1, now), None);
                asked.push(second);
            }
        }
        assert_eq!(
            asked,
            [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1_023, 1_535, 2_047, 2_559]
        );
    }

    #[test]
    fn half_of_the_questions_go_to_what_came_last_and_half_to_what_waits_longest() {
        let (mut ids, begun) = (Ids::default(), Instant::now());
        for number in 0..100u32 {
            let now = begun + Duration::from_secs(u64::from(number));
            assert!(ids.meet(number, met(u64::from(number), 0), now));
        }
        let mut asked = ids.next(begun + Duration::from_secs(100));
        asked.sort_unstable();
        assert_eq!(asked, [0, 1, 2, 3, 4, 5, 6, 7, 92, 93, 94, 95, 96, 97, 98, 99]);
    }

    #[test]
    fn a_letter_that_came_since_is_asked_for_before_its_time_and_an_outage_answers_nothing() {
        let (mut ids, now) = (Ids::default(), Instant::now());
        ids.meet(7, met(5, 1), now);
        let away = Err(SchemaError::Unavailable("down".to_owned()));
        assert_eq!(ids.answered(7, away, 1, now), None);
        assert!(ids.is_any_wanted());
        ids.answered(7, unknown(), 1, now);
        ids.meet(7, met(3, 1), now);
        assert!(!ids.is_any_wanted() && !ids.is_any_due(now));
        ids.meet(7, met(9, 2), now);
        assert!(ids.is_any_wanted());
        assert_eq!(ids.next(now), [7]);
        let unreadable = Err(SchemaError::Unreadable("no record".to_owned()));
        assert_eq!(ids.answered(7, unreadable, 2, now), Some(Position::new(0, 3)));
        assert!(!ids.is_any_wanted() && !ids.is_any_due(now + Duration::from_secs(9_999)));
        ids.forget_known();
        assert!(ids.answer(7).is_none());
    }

    #[test]
    fn more_than_can_be_remembered_waits_until_something_was_asked_for() {
        let (mut ids, now) = (Ids::default(), Instant::now());
        let most = u32::try_from(REMEMBERED).unwrap();
        for number in 0..most {
            assert!(ids.meet(number, met(u64::from(number), 1), now));
        }
        assert!(!ids.meet(most, met(0, 1), now));
        ids.answered(17, unknown(), 1, now);
        assert!(ids.meet(most, met(0, 1), now));
        assert!(ids.answer(17).is_none());
        assert_eq!(ids.met.len(), REMEMBERED);
    }
}
