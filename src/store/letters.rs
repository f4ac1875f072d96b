//! The account of dead letters: what happened to each after it was stored, and how many are open,
//! redriven and discarded, by reason, exact at every moment.
//!
//! A letter is **redriven** once a record that names it as its origin was consumed, **discarded**
//! when that was decided and it did not come back, and otherwise **open**. Marks are only added, in
//! any order, before or after the letter itself: of two partitions one may be read further than the
//! other. Ingest and the consumer of decisions both add to the account, so whoever does holds the
//! [`LetterBook`] from reading the sums until the batch is written.

use super::codec::Record;
use super::records::{DeadLetterRecord, LetterMarkRecord, LetterRecord, ReturnRecord};
use super::{
    Batch, Direction, Durability, Key, Read, Store, StoreError, Table, TableRange, keys, read, totals,
};
use crate::domain::{Millis, Position, SagaId};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Letters that others wrote onto the dead-letter topic have the numbers of its partitions with this
/// bit set: Kafka's are never negative, so no partition of the tracker topic has it.
pub const FOREIGN: u32 = 1 << 31;

/// Which state a letter is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LetterState {
    /// Nothing happened to it yet.
    Open,
    /// Its event was published again, and consumed.
    Redriven,
    /// It was discarded.
    Discarded,
}

impl LetterState {
    /// All of them.
    pub const ALL: [LetterState; 3] = [Self::Open, Self::Redriven, Self::Discarded];

    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }

    /// The state that a letter is in after all of these.
    pub fn after<'m>(marks: impl IntoIterator<Item = &'m LetterMark>) -> Self {
        marks.into_iter().fold(Self::Open, |state, mark| match mark.what {
            Happened::Returned(_) => Self::Redriven,
            Happened::Discarded { .. } if state == Self::Open => Self::Discarded,
            Happened::Discarded { .. } => state,
        })
    }
}

/// Something that happened to a letter after it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterMark {
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
    Returned(Returned),
    /// It was discarded.
    Discarded {
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
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

impl LetterMark {
    const RETURNED: u8 = 0;
    const DISCARDED: u8 = 1;

    fn kind(&self) -> u8 {
        match self.what {
            Happened::Returned(_) => Self::RETURNED,
            Happened::Discarded { .. } => Self::DISCARDED,
        }
    }

    fn put(&self, batch: &mut Batch, letter: Position) {
        let mut key = Key::default();
        keys::letter_mark(&mut key, letter, self.kind(), self.by);
        let record = match &self.what {
            Happened::Returned(Returned::Logged { saga_id, recorded_at }) => LetterMarkRecord::Returned {
                at: self.at.0,
                became: ReturnRecord::Logged {
                    saga_id: saga_id.as_str(),
                    recorded_at: recorded_at.0,
                },
            },
            Happened::Returned(Returned::DeadLetter { reason }) => LetterMarkRecord::Returned {
                at: self.at.0,
                became: ReturnRecord::DeadLetter { reason },
            },
            Happened::Discarded { by, why } => LetterMarkRecord::Discarded {
                at: self.at.0,
                by,
                why,
            },
        };
        batch.put_with(Table::LetterMarks, &key, |bytes| record.write(bytes));
    }

    fn read(by: Position, value: &[u8]) -> Result<Self, StoreError> {
        let (at, what) = match LetterMarkRecord::read(value)? {
            LetterMarkRecord::Returned { at, became } => {
                let returned = match became {
                    ReturnRecord::Logged { saga_id, recorded_at } => Returned::Logged {
                        saga_id: saga_id.into(),
                        recorded_at: Millis(recorded_at),
                    },
                    ReturnRecord::DeadLetter { reason } => Returned::DeadLetter {
                        reason: reason.to_owned(),
                    },
                };
                (at, Happened::Returned(returned))
            }
            LetterMarkRecord::Discarded { at, by, why } => {
                let (by, why) = (by.to_owned(), why.to_owned());
                (at, Happened::Discarded { by, why })
            }
        };
        let at = Millis(at);
        Ok(Self { by, at, what })
    }
}

/// All that happened to letters of one partition with offsets in `from..to` of one bucket of
/// [`keys::FEED_BUCKET_BITS`], by offset.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn marks_between(
    read: &dyn Read,
    from: Position,
    to: u64,
) -> Result<BTreeMap<u64, Vec<LetterMark>>, StoreError> {
    let mut found: BTreeMap<u64, Vec<LetterMark>> = BTreeMap::new();
    let mut key = Key::default();
    keys::by_offset(&mut key, from);
    let (first, end) = (from.offset.to_be_bytes(), to.to_be_bytes());
    let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
    read::try_scan(
        |visit| {
            read.scan(
                Table::LetterMarks,
                key.partition(),
                range,
                Direction::Forward,
                usize::MAX,
                visit,
            )
        },
        |sort, value| {
            let (offset, _, by) = keys::parse_letter_mark(sort)?;
            found
                .entry(offset)
                .or_default()
                .push(LetterMark::read(by, value)?);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(found)
}

/// All that happened to one letter.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn marks(read: &dyn Read, letter: Position) -> Result<Vec<LetterMark>, StoreError> {
    let mut found = marks_between(read, letter, letter.offset.saturating_add(1))?;
    Ok(found.remove(&letter.offset).unwrap_or_default())
}

/// Letters and what happened to them, gathered for one batch.
#[derive(Debug, Default)]
pub struct LetterChanges {
    letters: Vec<(Position, String)>,
    removed: Vec<Position>,
    marks: Vec<(Position, LetterMark)>,
}

impl LetterChanges {
    /// A new letter of that reason. Its rows are the caller's to write.
    pub fn add_letter(&mut self, letter: Position, reason: &str) {
        self.letters.push((letter, reason.to_owned()));
    }

    /// A letter is one no more, or one of another reason that is added. Its rows are the caller's to delete.
    pub fn remove_letter(&mut self, letter: Position) {
        self.removed.push(letter);
    }

    /// Something happened to a letter, whether or not the letter is there yet.
    pub fn add_mark(&mut self, letter: Position, mark: LetterMark) {
        self.marks.push((letter, mark));
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.removed.is_empty() && self.marks.is_empty()
    }

    /// Forgets what was gathered.
    pub fn clear(&mut self) {
        self.letters.clear();
        self.removed.clear();
        self.marks.clear();
    }
}

/// Held by whoever changes the account. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LetterBook {
    lock: Arc<Mutex<()>>,
}

/// While this lives, nobody else changes the account. Kept until the batch is written.
pub type HeldBook<'b> = MutexGuard<'b, ()>;

/// One letter, before and after a batch.
#[derive(Default)]
struct Touched {
    reason: Option<String>,
    removed: bool,
    before: Vec<LetterMark>,
    added: Vec<LetterMark>,
}

impl LetterBook {
    /// Waits until nobody else changes the account.
    pub fn hold(&self) -> HeldBook<'_> {
        // What is guarded is in the store; a panic elsewhere leaves nothing half-changed here.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the marks and the changed sums to the batch, which must be written before the book is
    /// let go.
    ///
    /// # Errors
    /// [`StoreError`] when the account cannot be read.
    pub fn enter(
        _held: &HeldBook<'_>,
        read: &dyn Read,
        batch: &mut Batch,
        changes: &LetterChanges,
    ) -> Result<(), StoreError> {
        let mut touched: BTreeMap<Position, Touched> = BTreeMap::new();
        for (letter, reason) in &changes.letters {
            touched.entry(*letter).or_default().reason = Some(reason.clone());
        }
        for letter in &changes.removed {
            touched.entry(*letter).or_default().removed = true;
        }
        for (letter, mark) in &changes.marks {
            mark.put(batch, *letter);
            touched.entry(*letter).or_default().added.push(mark.clone());
        }
        let mut sums: BTreeMap<(&'static str, String), i64> = BTreeMap::new();
        for (letter, mut entry) in touched {
            let known = reason_of(read, letter)?;
            entry.before = marks(read, letter)?;
            let before = LetterState::after(&entry.before);
            let after = LetterState::after(entry.before.iter().chain(&entry.added));
            let mut add = |family: Option<&'static str>, reason: &str, by: i64| {
                if let Some(family) = family {
                    *sums.entry((family, reason.to_owned())).or_default() += by;
                }
            };
            if let Some(known) = &known {
                add(Some(totals::DEAD_LETTER_COUNTS), known, -1);
                add(family(before), known, -1);
            }
            // What is known stays, unless it is removed; what is new counts from now on.
            if let Some(reason) = known.filter(|_| !entry.removed).or(entry.reason) {
                add(Some(totals::DEAD_LETTER_COUNTS), &reason, 1);
                add(family(after), &reason, 1);
            }
        }
        for ((family, reason), by) in sums.into_iter().filter(|(_, by)| *by != 0) {
            let now = read::meta_count(read, family, &reason)?.saturating_add_signed(by);
            read::put_meta_count(batch, family, &reason, now);
        }
        Ok(())
    }
}

fn family(state: LetterState) -> Option<&'static str> {
    match state {
        LetterState::Open => None,
        LetterState::Redriven => Some(totals::REDRIVEN_COUNTS),
        LetterState::Discarded => Some(totals::DISCARDED_COUNTS),
    }
}

fn reason_of(read: &dyn Read, letter: Position) -> Result<Option<String>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, letter);
    read.get(Table::Letters, &key)?
        .map(|value| Ok(LetterRecord::read(&value)?.reason.to_owned()))
        .transpose()
}

/// How many letters there are of one reason, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterCounts {
    /// Nothing happened to them yet.
    pub open: u64,
    /// Came back.
    pub redriven: u64,
    /// Discarded.
    pub discarded: u64,
}

impl LetterCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.open + self.redriven + self.discarded
    }

    /// One more in that state.
    pub fn add(&mut self, state: LetterState) {
        match state {
            LetterState::Open => self.open += 1,
            LetterState::Redriven => self.redriven += 1,
            LetterState::Discarded => self.discarded += 1,
        }
    }
}

/// How many letters there are, by reason and state, from the stored sums. `read` is one moment.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn counts(read: &dyn Read) -> Result<BTreeMap<String, LetterCounts>, StoreError> {
    let redriven = read::meta_counts(read, totals::REDRIVEN_COUNTS)?;
    let discarded = read::meta_counts(read, totals::DISCARDED_COUNTS)?;
    let all = read::meta_counts(read, totals::DEAD_LETTER_COUNTS)?;
    Ok(all
        .into_iter()
        .map(|(reason, all)| {
            let of = |counts: &BTreeMap<String, u64>| counts.get(&reason).copied().unwrap_or(0);
            let (redriven, discarded) = (of(&redriven), of(&discarded));
            let open = all.saturating_sub(redriven + discarded);
            let counts = LetterCounts {
                open,
                redriven,
                discarded,
            };
            (reason, counts)
        })
        .collect())
}

/// Lists the letters of a store that was filled before letters were listed, without what could be
/// decoded of them. Does nothing when that was done.
///
/// # Errors
/// [`StoreError`]; it goes on the next time.
pub fn list_all_once(store: &dyn Store) -> Result<(), StoreError> {
    const ROWS: usize = 1_000;
    if read::meta(store, totals::LETTERS_LISTED)?.is_some() {
        return Ok(());
    }
    let whole = TableRange {
        table: Table::DeadLetters,
        from: None,
        to: None,
    };
    let mut batch = Batch::new();
    read::try_scan_table(&*store.snapshot(), &whole, |partition, sort, value| {
        let letter = DeadLetterRecord::read(value)?;
        let key = Key::new(partition, sort);
        if store.get(Table::Letters, &key)?.is_none() {
            let listed = LetterRecord {
                topic: letter.topic,
                reason: letter.reason,
                detail: letter.detail,
                arrived_at: letter.arrived_at,
                bytes: letter.value.map_or(0, |value| value.len() as u64),
                ..LetterRecord::default()
            };
            batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
        }
        if batch.len() >= ROWS {
            store.write(&batch, Durability::Process)?;
            batch.clear();
        }
        Ok(())
    })?;
    read::put_meta(&mut batch, totals::LETTERS_LISTED, "1");
    store.write(&batch, Durability::Process)
}

#[cfg(test)]
#[path = "letters_tests.rs"]
mod tests;
