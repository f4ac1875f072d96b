//! What happened to a dead letter after it was stored, as rows beside it, and the state that follows.
//!
//! A mark that says that a letter came back counts only if the record that came could be that letter:
//! its value is the letter's own, or one that was announced on the ops topic for it before it was
//! published with changes. So the state is a function of the letter and of the set of its marks, in
//! whatever order the topics were read, and three headers that anybody can write do not settle a letter.
//!
//! Of marks of one kind about one value only the one of the lowest position is kept: the others say
//! nothing that it does not. A letter may have any number of marks all the same, one for each value that
//! somebody made up; who asks for a state ([`super::letter_states`]) reads those only that count.
//!
//! How letters are counted is kept in [`super::dead_letters`].

use super::codec::Record;
use super::records::{DeadLetterMarkRecord, ReturnRecord};
use super::{Batch, Key, StoreError, Table, keys};
use crate::domain::text::{hex, unhex_array};
use crate::domain::{Millis, Position, SagaId};
use std::fmt;

/// Stands for the bytes of a record's value. A value that is not there differs from an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueHash(pub [u8; 16]);

impl ValueHash {
    /// Of this value.
    pub fn of(value: Option<&[u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(value.is_some())]);
        hasher.update(value.unwrap_or_default());
        let mut first = [0; 16];
        hasher.finalize_xof().fill(&mut first);
        Self(first)
    }

    /// The one that these hexadecimal digits say.
    pub fn from_hex(digits: &str) -> Option<Self> {
        unhex_array(digits).map(Self)
    }
}

impl fmt::Display for ValueHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Which state a letter is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadLetterState {
    /// Nothing happened to it yet.
    Open,
    /// Its event was published again, and consumed.
    Redriven,
    /// It was discarded.
    Discarded,
}

impl DeadLetterState {
    /// All of them.
    pub const ALL: [DeadLetterState; 3] = [Self::Open, Self::Redriven, Self::Discarded];

    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }

    /// The state that a letter of that value is in after all of these.
    pub fn after(value: ValueHash, marks: &[DeadLetterMark]) -> Self {
        if let Some(removed) = removed(marks) {
            return removed.state();
        }
        let discarded = |mark: &DeadLetterMark| matches!(mark.what, Happened::Discarded { .. });
        if returns(value, marks).next().is_some() {
            Self::Redriven
        } else if marks.iter().any(discarded) {
            Self::Discarded
        } else {
            Self::Open
        }
    }
}

/// The marks that say that a letter of that value came back, and could be right.
fn returns(value: ValueHash, marks: &[DeadLetterMark]) -> impl Iterator<Item = &DeadLetterMark> {
    let known = move |came: ValueHash| came == value || is_announced(came, marks);
    marks
        .iter()
        .filter(move |mark| matches!(mark.what, Happened::Returned { value, .. } if known(value)))
}

/// Whether it was announced that the letter will come back with that value.
fn is_announced(came: ValueHash, marks: &[DeadLetterMark]) -> bool {
    let says = |mark: &DeadLetterMark| matches!(mark.what, Happened::Announced { value } if value == came);
    marks.iter().any(says)
}

/// Says that the letter was removed, if it was.
fn removed(marks: &[DeadLetterMark]) -> Option<&Removal> {
    marks.iter().find_map(|mark| match &mark.what {
        Happened::Removed(removal) if removal.reason.is_some() => Some(removal),
        _ => None,
    })
}

/// Something that happened to a letter after it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterMark {
    /// The record that made it happen: in the tracker topic, or in the topic of decisions.
    pub by: Position,
    /// When that record arrived.
    pub at: Millis,
    /// What it was.
    pub what: Happened,
}

/// What can happen to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A record that names it as its origin was consumed.
    Returned {
        /// What became of the record.
        became: Returned,
        /// The record's value.
        value: ValueHash,
    },
    /// It was discarded.
    Discarded {
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
    /// It was said that it will be published again with another value.
    Announced {
        /// That value.
        value: ValueHash,
    },
    /// It was removed, with its bytes and whatever else happened to it.
    Removed(Removal),
}

/// What is left of a letter that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whether it had come back; otherwise it was discarded.
    pub redriven: bool,
    /// Why it was a letter; `None` before the letter itself was consumed, and until then nothing is removed:
    /// it may have arrived later than the decision.
    pub reason: Option<String>,
    /// Its own value, known with its reason.
    pub value: ValueHash,
}

impl Removal {
    /// Of a letter that has not been looked up.
    pub fn decided(redriven: bool) -> Self {
        Self {
            redriven,
            reason: None,
            value: ValueHash::default(),
        }
    }

    /// The state that it counts as.
    pub fn state(&self) -> DeadLetterState {
        if self.redriven {
            DeadLetterState::Redriven
        } else {
            DeadLetterState::Discarded
        }
    }
}

/// What became of a redriven letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is in the log.
    Logged {
        /// The saga.
        saga_id: SagaId,
        /// Event time.
        recorded_at: Millis,
    },
    /// It became a dead letter again.
    DeadLetter {
        /// One of the fixed reasons.
        reason: String,
    },
}

impl DeadLetterMark {
    pub(super) const RETURNED: u8 = 0;
    pub(super) const DISCARDED: u8 = 1;
    pub(super) const ANNOUNCED: u8 = 2;
    pub(super) const REMOVED: u8 = 3;

    pub(super) fn kind(&self) -> u8 {
        match self.what {
            Happened::Returned { .. } => Self::RETURNED,
            Happened::Discarded { .. } => Self::DISCARDED,
            Happened::Announced { .. } => Self::ANNOUNCED,
            Happened::Removed(_) => Self::REMOVED,
        }
    }

    /// The value that it is about; zeros when it is about none.
    pub(super) fn about(&self) -> ValueHash {
        match self.what {
            Happened::Returned { value, .. } | Happened::Announced { value } => value,
            Happened::Discarded { .. } | Happened::Removed(_) => ValueHash::default(),
        }
    }

    pub(super) fn put(&self, batch: &mut Batch, letter: Position) {
        let at = self.at.0;
        let record = match &self.what {
            Happened::Returned { became, value } => DeadLetterMarkRecord::Returned {
                at,
                became: match became {
                    Returned::Logged { saga_id, recorded_at } => ReturnRecord::Logged {
                        saga_id: saga_id.as_str(),
                        recorded_at: recorded_at.0,
                    },
                    Returned::DeadLetter { reason } => ReturnRecord::DeadLetter { reason },
                },
                value: value.0,
            },
            Happened::Discarded { by, why } => DeadLetterMarkRecord::Discarded { at, by, why },
            Happened::Announced { value } => DeadLetterMarkRecord::Announced { at, value: value.0 },
            Happened::Removed(removal) => DeadLetterMarkRecord::Removed {
                at,
                redriven: removal.redriven,
                reason: removal.reason.as_deref(),
                value: removal.value.0,
            },
        };
        batch.put_with(Table::DeadLetterMarks, &self.key(letter), |bytes| {
            record.write(bytes);
        });
    }

    pub(super) fn delete(&self, batch: &mut Batch, letter: Position) {
        batch.delete(Table::DeadLetterMarks, &self.key(letter));
    }

    fn key(&self, letter: Position) -> Key {
        let mut key = Key::default();
        keys::letter_mark(&mut key, letter, self.kind(), &self.about().0, self.by);
        key
    }

    /// The mark in a row of `letter_marks`.
    ///
    /// # Errors
    /// [`StoreError`] when the value is no mark.
    pub fn read(by: Position, value: &[u8]) -> Result<Self, StoreError> {
        let (at, what) = match DeadLetterMarkRecord::read(value)? {
            DeadLetterMarkRecord::Returned { at, became, value } => {
                let became = match became {
                    ReturnRecord::Logged { saga_id, recorded_at } => Returned::Logged {
                        saga_id: saga_id.into(),
                        recorded_at: Millis(recorded_at),
                    },
                    ReturnRecord::DeadLetter { reason } => Returned::DeadLetter {
                        reason: reason.to_owned(),
                    },
                };
                let value = ValueHash(value);
                (at, Happened::Returned { became, value })
            }
            DeadLetterMarkRecord::Discarded { at, by, why } => {
                let (by, why) = (by.to_owned(), why.to_owned());
                (at, Happened::Discarded { by, why })
            }
            DeadLetterMarkRecord::Announced { at, value } => {
                let value = ValueHash(value);
                (at, Happened::Announced { value })
            }
            DeadLetterMarkRecord::Removed {
                at,
                redriven,
                reason,
                value,
            } => {
                let removal = Removal {
                    redriven,
                    reason: reason.map(str::to_owned),
                    value: ValueHash(value),
                };
                (at, Happened::Removed(removal))
            }
        };
        let at = Millis(at);
        Ok(Self { by, at, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: Happened) -> DeadLetterMark {
        DeadLetterMark {
            by: Position::new(0, 1),
            at: Millis(0),
            what,
        }
    }

    fn came(value: &[u8]) -> DeadLetterMark {
        of(Happened::Returned {
            became: Returned::DeadLetter {
                reason: String::new(),
            },
            value: ValueHash::of(Some(value)),
        })
    }

    fn announced(value: &[u8]) -> DeadLetterMark {
        of(Happened::Announced {
            value: ValueHash::of(Some(value)),
        })
    }

    fn discarded() -> DeadLetterMark {
        of(Happened::Discarded {
            by: String::new(),
            why: String::new(),
        })
    }

    fn state(marks: &[DeadLetterMark]) -> DeadLetterState {
        DeadLetterState::after(ValueHash::of(Some(b"letter")), marks)
    }

    #[test]
    fn what_came_back_is_redriven_even_when_it_was_discarded() {
        assert_eq!(state(&[]), DeadLetterState::Open);
        assert_eq!(state(&[discarded()]), DeadLetterState::Discarded);
        assert_eq!(state(&[discarded(), came(b"letter")]), DeadLetterState::Redriven);
        assert_eq!(state(&[came(b"letter"), discarded()]), DeadLetterState::Redriven);
    }

    #[test]
    fn a_record_with_another_value_settles_a_letter_only_when_it_was_announced() {
        assert_eq!(state(&[came(b"other")]), DeadLetterState::Open);
        assert_eq!(
            state(&[came(b"other"), announced(b"third")]),
            DeadLetterState::Open
        );
        assert_eq!(
            state(&[came(b"other"), announced(b"other")]),
            DeadLetterState::Redriven
        );
        assert_eq!(
            state(&[announced(b"other"), came(b"other")]),
            DeadLetterState::Redriven
        );
        assert_eq!(state(&[announced(b"other")]), DeadLetterState::Open);
        assert_eq!(state(&[came(b"other"), discarded()]), DeadLetterState::Discarded);
    }

    #[test]
    fn a_hash_reads_back_from_its_digits() {
        let hash = ValueHash::of(Some(b"abc"));
        assert_eq!(ValueHash::from_hex(&hash.to_string()), Some(hash));
        assert_ne!(ValueHash::of(None), ValueHash::of(Some(b"")));
        let digits = "0".repeat(31);
        for wrong in ["", &digits, &format!("{digits}g"), &format!("{}é", &digits[1..])] {
            assert_eq!(ValueHash::from_hex(wrong), None, "{wrong}");
        }
    }
}
