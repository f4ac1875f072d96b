//! The account of dead letters: what happened to each after it was stored, and how many are open,
//! redriven and discarded, by reason, exact at every moment.
//!
//! A letter is **redriven** once it came back ([`super::letter_marks`] says what counts), **discarded**
//! when that was decided and it did not come back, and otherwise **open**. Marks are added in
//! any order, before or after the letter itself: of two partitions one may be read further than the
//! other. Of a letter that was **removed** one mark is left, whenever what else there was of it came: its
//! rows, and other marks, go or are not kept. So what is stored is a function of the topics.
//! Ingest and the consumer of decisions both add to the account, so whoever does holds the
//! [`LetterBook`] from reading the sums until the batch is written.

use super::codec::Record;
use super::letter_marks::removed;
pub use super::letter_marks::{
    Happened, LetterMark, LetterState, Removal, Returned, ValueHash, is_announced, marks, marks_between,
    returns,
};
use super::records::{DeadLetterRecord, LetterRecord};
use super::{Batch, Durability, Key, Read, Store, StoreError, Table, TableRange, keys, read, totals};
use crate::domain::Position;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Letters that others wrote onto the dead-letter topic have the numbers of its partitions with this
/// bit set: Kafka's are never negative, so no partition of the tracker topic has it.
pub const FOREIGN: u32 = 1 << 31;

/// Letters and what happened to them, gathered for one batch.
#[derive(Debug, Default)]
pub struct LetterChanges {
    letters: Vec<(Position, Known)>,
    taken_back: Vec<Position>,
    marks: Vec<(Position, LetterMark)>,
}

/// What the account needs to know of a letter.
#[derive(Clone, Debug)]
struct Known {
    reason: String,
    value: ValueHash,
    event_id: Option<String>,
}

impl Known {
    fn of(record: &LetterRecord<'_>) -> Self {
        Self {
            reason: record.reason.to_owned(),
            value: ValueHash(record.value),
            event_id: record.event_id.map(str::to_owned),
        }
    }
}

impl LetterChanges {
    /// A new letter. Its rows are the caller's to put into the batch, before the account is entered.
    pub fn add_letter(&mut self, letter: Position, listed: &LetterRecord<'_>) {
        self.letters.push((letter, Known::of(listed)));
    }

    /// A letter is one no more, or one of another reason that is added: its schema is known now. Its rows are
    /// the caller's to delete.
    pub fn take_back(&mut self, letter: Position) {
        self.taken_back.push(letter);
    }

    /// Something happened to a letter, whether or not the letter is there yet.
    pub fn add_mark(&mut self, letter: Position, mark: LetterMark) {
        self.marks.push((letter, mark));
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.taken_back.is_empty() && self.marks.is_empty()
    }

    /// Forgets what was gathered.
    pub fn clear(&mut self) {
        self.letters.clear();
        self.taken_back.clear();
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
    letter: Option<Known>,
    is_new: bool,
    taken_back: bool,
    before: Vec<LetterMark>,
    added: Vec<LetterMark>,
}

/// By how much sums change, by family and reason.
#[derive(Default)]
struct Sums(BTreeMap<(&'static str, String), i64>);

impl Sums {
    fn add(&mut self, family: &'static str, reason: &str, by: i64) {
        *self.0.entry((family, reason.to_owned())).or_default() += by;
    }

    fn moved(&mut self, reason: &str, from: Option<LetterState>, to: LetterState) {
        match from {
            None => self.add(totals::DEAD_LETTER_COUNTS, reason, 1),
            Some(from) => {
                if let Some(family) = family(from) {
                    self.add(family, reason, -1);
                }
            }
        }
        if let Some(family) = family(to) {
            self.add(family, reason, 1);
        }
    }

    fn left(&mut self, reason: &str, from: LetterState) {
        self.add(totals::DEAD_LETTER_COUNTS, reason, -1);
        if let Some(family) = family(from) {
            self.add(family, reason, -1);
        }
    }

    fn put(self, read: &dyn Read, batch: &mut Batch) -> Result<(), StoreError> {
        for ((family, reason), by) in self.0.into_iter().filter(|(_, by)| *by != 0) {
            let now = read::meta_count(read, family, &reason)?.saturating_add_signed(by);
            read::put_meta_count(batch, family, &reason, now);
        }
        Ok(())
    }
}

impl LetterBook {
    /// Waits until nobody else changes the account.
    pub fn hold(&self) -> HeldBook<'_> {
        // What is guarded is in the store; a panic elsewhere leaves nothing half-changed here.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the marks and the changed sums to the batch, which must be written before the book is
    /// let go. Rows of letters that were removed, in the batch or in the store, go.
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
        for (letter, known) in &changes.letters {
            let entry = touched.entry(*letter).or_default();
            entry.letter = Some(known.clone());
            entry.is_new = true;
        }
        for letter in &changes.taken_back {
            touched.entry(*letter).or_default().taken_back = true;
        }
        for (letter, mark) in &changes.marks {
            touched.entry(*letter).or_default().added.push(mark.clone());
        }
        let mut sums = Sums::default();
        for (letter, mut entry) in touched {
            entry.before = marks(read, letter)?;
            match known_of(read, letter)? {
                Some(known) if entry.taken_back => {
                    sums.left(&known.reason, LetterState::after(known.value, &entry.before));
                }
                Some(known) => {
                    entry.letter = Some(known);
                    entry.is_new = false;
                }
                None => {}
            }
            entry.enter(letter, batch, &mut sums);
        }
        sums.put(read, batch)
    }
}

impl Touched {
    fn enter(self, letter: Position, batch: &mut Batch, sums: &mut Sums) {
        if removed(&self.before).is_some() {
            return self.enter_removed(letter, batch, sums);
        }
        match self
            .added
            .iter()
            .position(|mark| matches!(mark.what, Happened::Removed(_)))
        {
            Some(place) => self.remove(place, letter, batch, sums),
            None => self.add_marks(letter, batch, sums),
        }
    }

    /// What is usual: marks are added to those that are there.
    fn add_marks(self, letter: Position, batch: &mut Batch, sums: &mut Sums) {
        for mark in &self.added {
            mark.put(batch, letter);
        }
        let Some(known) = self.letter else { return };
        let from = LetterState::after(known.value, &self.before);
        let all: Vec<LetterMark> = self.before.into_iter().chain(self.added).collect();
        let to = LetterState::after(known.value, &all);
        sums.moved(&known.reason, (!self.is_new).then_some(from), to);
    }

    /// The letter is removed now: one mark takes the place of everything else.
    fn remove(mut self, place: usize, letter: Position, batch: &mut Batch, sums: &mut Sums) {
        let from = self.letter.as_ref().filter(|_| !self.is_new);
        let from = from.map(|known| LetterState::after(known.value, &self.before));
        for mark in self.before.drain(..) {
            mark.delete(batch, letter);
        }
        let removal = self.added.swap_remove(place);
        self.before.push(removal);
        self.settle(letter, from, batch, sums);
    }

    /// The letter was removed before, perhaps before it came. Nothing of it is kept.
    fn enter_removed(self, letter: Position, batch: &mut Batch, sums: &mut Sums) {
        let counted = removed(&self.before).is_some_and(|removal| removal.reason.is_some());
        match (&self.letter, counted) {
            (None, _) => {}
            (Some(known), true) => delete_rows(batch, letter, known),
            (Some(_), false) => self.settle(letter, None, batch, sums),
        }
    }

    /// Counts a removed letter, if it has come, and names its reason in the mark that is left.
    fn settle(self, letter: Position, from: Option<LetterState>, batch: &mut Batch, sums: &mut Sums) {
        for mut mark in self.before {
            let Happened::Removed(removal) = &mut mark.what else {
                continue;
            };
            removal.reason = self.letter.as_ref().map(|known| known.reason.clone());
            if let Some(known) = &self.letter {
                delete_rows(batch, letter, known);
                sums.moved(&known.reason, from, removal.state());
                sums.add(removed_family(removal), &known.reason, 1);
            }
            mark.put(batch, letter);
        }
    }
}

fn delete_rows(batch: &mut Batch, letter: Position, known: &Known) {
    let mut key = Key::default();
    keys::by_offset(&mut key, letter);
    batch.delete(Table::DeadLetters, &key);
    batch.delete(Table::Letters, &key);
    if let Some(id) = &known.event_id {
        keys::letter_by_event(&mut key, id, letter);
        batch.delete(Table::LettersByEvent, &key);
    }
}

fn family(state: LetterState) -> Option<&'static str> {
    match state {
        LetterState::Open => None,
        LetterState::Redriven => Some(totals::REDRIVEN_COUNTS),
        LetterState::Discarded => Some(totals::DISCARDED_COUNTS),
    }
}

fn removed_family(removal: &Removal) -> &'static str {
    if removal.redriven {
        totals::REMOVED_REDRIVEN_COUNTS
    } else {
        totals::REMOVED_DISCARDED_COUNTS
    }
}

fn known_of(read: &dyn Read, letter: Position) -> Result<Option<Known>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, letter);
    read.get(Table::Letters, &key)?
        .map(|value| Ok(Known::of(&LetterRecord::read(&value)?)))
        .transpose()
}

/// How many letters there are of one reason, by state, and how many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterCounts {
    /// Nothing happened to them yet.
    pub open: u64,
    /// Came back.
    pub redriven: u64,
    /// Discarded.
    pub discarded: u64,
    /// Came back, and were removed since.
    pub removed_redriven: u64,
    /// Discarded, and removed since.
    pub removed_discarded: u64,
}

impl LetterCounts {
    /// All that there are.
    pub fn total(&self) -> u64 {
        self.open + self.redriven + self.discarded
    }

    /// All that were removed.
    pub fn removed(&self) -> u64 {
        self.removed_redriven + self.removed_discarded
    }

    /// One more in that state.
    pub fn add(&mut self, state: LetterState) {
        match state {
            LetterState::Open => self.open += 1,
            LetterState::Redriven => self.redriven += 1,
            LetterState::Discarded => self.discarded += 1,
        }
    }

    /// One more that was removed.
    pub fn add_removed(&mut self, removal: &Removal) {
        if removal.redriven {
            self.removed_redriven += 1;
        } else {
            self.removed_discarded += 1;
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
    let removed_redriven = read::meta_counts(read, totals::REMOVED_REDRIVEN_COUNTS)?;
    let removed_discarded = read::meta_counts(read, totals::REMOVED_DISCARDED_COUNTS)?;
    let all = read::meta_counts(read, totals::DEAD_LETTER_COUNTS)?;
    Ok(all
        .into_iter()
        .map(|(reason, all)| {
            let of = |counts: &BTreeMap<String, u64>| counts.get(&reason).copied().unwrap_or(0);
            let (redriven, discarded) = (of(&redriven), of(&discarded));
            let (removed_redriven, removed_discarded) = (of(&removed_redriven), of(&removed_discarded));
            let counts = LetterCounts {
                open: all.saturating_sub(redriven + discarded),
                redriven: redriven.saturating_sub(removed_redriven),
                discarded: discarded.saturating_sub(removed_discarded),
                removed_redriven,
                removed_discarded,
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
    let whole = TableRange::whole(Table::DeadLetters);
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
                value: ValueHash::of(letter.value).0,
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
