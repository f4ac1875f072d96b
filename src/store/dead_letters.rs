//! The account of dead letters: what happened to each after it was stored, and how many are open,
//! redriven and discarded, by reason, exact at every moment.
//!
//! A letter is **redriven** once it came back ([`super::dead_letter_marks`] says what counts), **discarded**
//! when that was decided and it did not come back, and otherwise **open**. Marks are added in
//! any order, before or after the letter itself: of two partitions one may be read further than the
//! other. Of a letter that was **removed** the mark that says so is left, and those that never counted;
//! its rows and what did count go or are not kept, whenever they come. A decision to remove a letter that
//! arrived later than the decision is void, so one that is read before its letter waits for it; and as
//! long as a letter is one of an unknown schema only here, its record may be an event to others, and is
//! removed by nothing. What is stored is a function of the topics.
//! Ingest and the consumer of decisions both add to the account, so whoever does holds the
//! [`DeadLetterLock`] from reading the sums until the batch is written.

use super::codec::Record;
pub use super::dead_letter_marks::{DeadLetterMark, DeadLetterState, Happened, Removal, Returned, ValueHash};
pub use super::letter_states::{counted, is_announced, marks, marks_between, removed, state};
use super::letter_states::{each_of_kind, first_about, is_returned};
use super::records::{DeadLetterRecord, DeadLetterSummaryRecord, UNKNOWN_SCHEMA};
use super::{Batch, Durability, Key, Store, StoreError, StoreRead, Table, keys, reads, totals};
use crate::domain::{Millis, Position};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Letters that others wrote onto the dead-letter topic have the numbers of its partitions with this
/// bit set: Kafka's are never negative, so no partition of the tracker topic has it.
pub const EXTERNAL: u32 = 1 << 31;

/// Letters and what happened to them, gathered for one batch.
#[derive(Debug, Default)]
pub struct DeadLetterChanges {
    letters: Vec<(Position, Known)>,
    taken_back: Vec<Position>,
    marks: Vec<(Position, DeadLetterMark)>,
}

/// What the account needs to know of a letter.
#[derive(Clone, Debug)]
struct Known {
    reason: String,
    value: ValueHash,
    arrived_at: Millis,
    event_id: Option<String>,
}

impl Known {
    fn of(record: &DeadLetterSummaryRecord<'_>) -> Self {
        Self {
            reason: record.reason.to_owned(),
            value: ValueHash(record.value),
            arrived_at: Millis(record.arrived_at),
            event_id: record.event_id.map(str::to_owned),
        }
    }
}

impl DeadLetterChanges {
    /// A new letter. Its rows are the caller's to put into the batch, before the account is entered.
    pub fn add_letter(&mut self, letter: Position, listed: &DeadLetterSummaryRecord<'_>) {
        self.letters.push((letter, Known::of(listed)));
    }

    /// A letter is no longer one, or is one of another reason that is added: its schema is known now. Its rows are
    /// the caller's to delete.
    pub fn take_back(&mut self, letter: Position) {
        self.taken_back.push(letter);
    }

    /// Something happened to a letter, whether or not the letter is there yet.
    pub fn add_mark(&mut self, letter: Position, mark: DeadLetterMark) {
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
pub struct DeadLetterLock {
    lock: Arc<Mutex<()>>,
}

/// While this lives, nobody else changes the account. Kept until the batch is written.
pub type DeadLetterGuard<'b> = MutexGuard<'b, ()>;

/// Tells marks apart of which one is kept: kind, value and, as decisions to remove are all kept until
/// their letter has come, which one.
type Kept = (u8, ValueHash, Option<Position>);

/// What a batch says of one letter.
#[derive(Default)]
struct Touched {
    new: Option<Known>,
    taken_back: bool,
    added: BTreeMap<Kept, DeadLetterMark>,
}

/// By how much sums change, by family and reason.
#[derive(Default)]
struct Sums(BTreeMap<(&'static str, String), i64>);

impl Sums {
    fn add(&mut self, family: &'static str, reason: &str, by: i64) {
        *self.0.entry((family, reason.to_owned())).or_default() += by;
    }

    fn moved(&mut self, reason: &str, from: Option<DeadLetterState>, to: DeadLetterState) {
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

    fn left(&mut self, reason: &str, from: DeadLetterState) {
        self.add(totals::DEAD_LETTER_COUNTS, reason, -1);
        if let Some(family) = family(from) {
            self.add(family, reason, -1);
        }
    }

    fn put(self, store: &dyn StoreRead, batch: &mut Batch) -> Result<(), StoreError> {
        for ((family, reason), by) in self.0.into_iter().filter(|(_, by)| *by != 0) {
            let now = reads::meta_count(store, family, &reason)?.saturating_add_signed(by);
            reads::put_meta_count(batch, family, &reason, now);
        }
        Ok(())
    }
}

impl DeadLetterLock {
    /// Waits until nobody else changes the account.
    pub fn hold(&self) -> DeadLetterGuard<'_> {
        // What is guarded is in the store; a panic elsewhere leaves nothing half-changed here.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the marks and the changed sums to the batch, which must be written before the book is
    /// let go. Rows of letters that were removed, in the batch or in the store, go.
    ///
    /// # Errors
    /// [`StoreError`] when the account cannot be read.
    pub fn enter(
        _held: &DeadLetterGuard<'_>,
        store: &dyn StoreRead,
        batch: &mut Batch,
        changes: &DeadLetterChanges,
    ) -> Result<(), StoreError> {
        let mut touched: BTreeMap<Position, Touched> = BTreeMap::new();
        for (letter, known) in &changes.letters {
            touched.entry(*letter).or_default().new = Some(known.clone());
        }
        for letter in &changes.taken_back {
            touched.entry(*letter).or_default().taken_back = true;
        }
        for (letter, mark) in &changes.marks {
            touched.entry(*letter).or_default().add(mark);
        }
        let mut sums = Sums::default();
        for (letter, entry) in touched {
            entry.enter(letter, store, batch, &mut sums)?;
        }
        sums.put(store, batch)
    }
}

impl Touched {
    fn add(&mut self, mark: &DeadLetterMark) {
        let removes = matches!(mark.what, Happened::Removed(_));
        let kept = (mark.kind(), mark.about(), removes.then_some(mark.by));
        match self.added.get(&kept) {
            Some(other) if other.by < mark.by => {}
            _ => {
                self.added.insert(kept, mark.clone());
            }
        }
    }

    fn has(&self, kind: u8, value: ValueHash) -> bool {
        self.added.contains_key(&(kind, value, None))
    }

    fn enter(
        mut self,
        letter: Position,
        store: &dyn StoreRead,
        batch: &mut Batch,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        if let Some((_, removal)) = removed(store, letter)? {
            if let Some(known) = &self.new {
                delete_rows(batch, letter, known);
            }
            return self.put(letter, store, batch, |mark| {
                is_kept_of_removed(mark, removal.value)
            });
        }
        let new = self.new.take();
        let (known, from) = match known_of(store, letter)? {
            Some(known) if self.taken_back => {
                sums.left(&known.reason, state(store, letter, known.value)?);
                (new, None)
            }
            Some(known) => {
                let from = state(store, letter, known.value)?;
                (Some(known), Some(from))
            }
            None => (new, None),
        };
        let Some(known) = known else {
            return self.put(letter, store, batch, |_| true);
        };
        if known.reason == UNKNOWN_SCHEMA {
            // It may still become an event: decisions to remove it wait, as for a letter that has not come.
            return self.stay((letter, &known, from), store, batch, sums, |_| true);
        }
        let (valid, void): (Vec<_>, Vec<_>) = self
            .removals(letter, store)?
            .into_iter()
            .partition(|mark| mark.at >= known.arrived_at);
        let mut valid = valid.into_iter();
        let first = valid.next();
        for mark in void.into_iter().chain(valid) {
            mark.delete(batch, letter);
        }
        match first {
            Some(mark) => self.remove(mark, (letter, &known, from), store, batch, sums),
            None => self.stay((letter, &known, from), store, batch, sums, |mark| {
                !matches!(mark.what, Happened::Removed(_))
            }),
        }
    }

    /// The letter is not removed, and keeps these marks.
    fn stay(
        &self,
        (letter, known, from): (Position, &Known, Option<DeadLetterState>),
        store: &dyn StoreRead,
        batch: &mut Batch,
        sums: &mut Sums,
        is_kept: impl Fn(&DeadLetterMark) -> bool,
    ) -> Result<(), StoreError> {
        let to = self.state_after(letter, known, store, from)?;
        sums.moved(&known.reason, from, to);
        self.put(letter, store, batch, is_kept)
    }

    /// Puts those marks that are kept into the batch, in place of such that came from further behind.
    fn put(
        &self,
        letter: Position,
        store: &dyn StoreRead,
        batch: &mut Batch,
        is_kept: impl Fn(&DeadLetterMark) -> bool,
    ) -> Result<(), StoreError> {
        for ((kind, value, removes), mark) in self.added.iter().filter(|(_, mark)| is_kept(mark)) {
            if removes.is_none()
                && let Some(there) = first_about(store, letter, *kind, *value)?
            {
                if there.by < mark.by {
                    continue;
                }
                there.delete(batch, letter);
            }
            mark.put(batch, letter);
        }
        Ok(())
    }

    /// All decisions to remove the letter, in their order.
    fn removals(&self, letter: Position, store: &dyn StoreRead) -> Result<Vec<DeadLetterMark>, StoreError> {
        let mut all = BTreeMap::new();
        each_of_kind(store, letter, DeadLetterMark::REMOVED, |mark| {
            all.insert(mark.by, mark);
            Ok(ControlFlow::Continue(()))
        })?;
        let added = self.added.values();
        let added = added.filter(|mark| matches!(mark.what, Happened::Removed(_)));
        all.extend(added.map(|mark| (mark.by, mark.clone())));
        Ok(all.into_values().collect())
    }

    /// The state of a letter that stays, once the batch is written.
    fn state_after(
        &self,
        letter: Position,
        known: &Known,
        store: &dyn StoreRead,
        from: Option<DeadLetterState>,
    ) -> Result<DeadLetterState, StoreError> {
        let before = from.map_or_else(|| state(store, letter, known.value), Ok)?;
        if before == DeadLetterState::Redriven {
            return Ok(before);
        }
        let mut discarded = before == DeadLetterState::Discarded;
        for mark in self.added.values() {
            let returned = match mark.what {
                Happened::Returned { value, .. } => {
                    value == known.value
                        || self.has(DeadLetterMark::ANNOUNCED, value)
                        || is_announced(store, letter, value)?
                }
                // What came in the same batch is looked at by itself.
                Happened::Announced { value } => is_returned(store, letter, value)?,
                Happened::Discarded { .. } => {
                    discarded = true;
                    false
                }
                Happened::Removed(_) => false,
            };
            if returned {
                return Ok(DeadLetterState::Redriven);
            }
        }
        Ok(if discarded {
            DeadLetterState::Discarded
        } else {
            before
        })
    }

    /// The letter is removed: one mark takes the place of those that count, and of its rows.
    fn remove(
        self,
        mut mark: DeadLetterMark,
        (letter, known, from): (Position, &Known, Option<DeadLetterState>),
        store: &dyn StoreRead,
        batch: &mut Batch,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        delete_rows(batch, letter, known);
        self.put(letter, store, batch, |mark| is_kept_of_removed(mark, known.value))?;
        delete_counting(letter, known.value, store, batch)?;
        if let Happened::Removed(removal) = &mut mark.what {
            removal.reason = Some(known.reason.clone());
            removal.value = known.value;
            sums.moved(&known.reason, from, removal.state());
            sums.add(removed_family(removal), &known.reason, 1);
        }
        mark.put(batch, letter);
        Ok(())
    }
}

/// Whether a mark stays, or is kept when it comes, although its letter of that value is removed: such as say
/// that it came back with another value, of which there may be any number, stay.
fn is_kept_of_removed(mark: &DeadLetterMark, own: ValueHash) -> bool {
    matches!(mark.what, Happened::Returned { value, .. } if value != own)
}

/// Deletes the marks that a letter of that value does not keep when it is removed. Those are as many as the
/// decisions that name it, and one.
fn delete_counting(
    letter: Position,
    own: ValueHash,
    store: &dyn StoreRead,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if let Some(mark) = first_about(store, letter, DeadLetterMark::RETURNED, own)? {
        mark.delete(batch, letter);
    }
    for kind in [DeadLetterMark::DISCARDED, DeadLetterMark::ANNOUNCED] {
        each_of_kind(store, letter, kind, |mark| {
            mark.delete(batch, letter);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
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

fn family(state: DeadLetterState) -> Option<&'static str> {
    match state {
        DeadLetterState::Open => None,
        DeadLetterState::Redriven => Some(totals::REDRIVEN_COUNTS),
        DeadLetterState::Discarded => Some(totals::DISCARDED_COUNTS),
    }
}

fn removed_family(removal: &Removal) -> &'static str {
    if removal.redriven {
        totals::REMOVED_REDRIVEN_COUNTS
    } else {
        totals::REMOVED_DISCARDED_COUNTS
    }
}

fn known_of(store: &dyn StoreRead, letter: Position) -> Result<Option<Known>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, letter);
    store
        .get(Table::Letters, &key)?
        .map(|value| Ok(Known::of(&DeadLetterSummaryRecord::read(&value)?)))
        .transpose()
}

/// How many letters there are of one reason, by state, and how many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
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

impl DeadLetterCounts {
    /// All that there are.
    pub fn total(&self) -> u64 {
        self.open + self.redriven + self.discarded
    }

    /// All that were removed.
    pub fn removed(&self) -> u64 {
        self.removed_redriven + self.removed_discarded
    }

    /// One more in that state.
    pub fn add(&mut self, state: DeadLetterState) {
        match state {
            DeadLetterState::Open => self.open += 1,
            DeadLetterState::Redriven => self.redriven += 1,
            DeadLetterState::Discarded => self.discarded += 1,
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
pub fn counts(store: &dyn StoreRead) -> Result<BTreeMap<String, DeadLetterCounts>, StoreError> {
    let redriven = reads::meta_counts(store, totals::REDRIVEN_COUNTS)?;
    let discarded = reads::meta_counts(store, totals::DISCARDED_COUNTS)?;
    let removed_redriven = reads::meta_counts(store, totals::REMOVED_REDRIVEN_COUNTS)?;
    let removed_discarded = reads::meta_counts(store, totals::REMOVED_DISCARDED_COUNTS)?;
    let all = reads::meta_counts(store, totals::DEAD_LETTER_COUNTS)?;
    Ok(all
        .into_iter()
        .map(|(reason, all)| {
            let of = |counts: &BTreeMap<String, u64>| counts.get(&reason).copied().unwrap_or(0);
            let (redriven, discarded) = (of(&redriven), of(&discarded));
            let (removed_redriven, removed_discarded) = (of(&removed_redriven), of(&removed_discarded));
            let counts = DeadLetterCounts {
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
    if reads::meta(store, totals::LETTERS_LISTED)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    reads::try_scan_table(
        &*store.snapshot(),
        Table::DeadLetters,
        |partition, sort, value| {
            let letter = DeadLetterRecord::read(value)?;
            let key = Key::new(partition, sort);
            if store.get(Table::Letters, &key)?.is_none() {
                let listed = DeadLetterSummaryRecord {
                    topic: letter.topic,
                    reason: letter.reason,
                    detail: letter.detail,
                    arrived_at: letter.arrived_at,
                    bytes: letter.value.map_or(0, |value| value.len() as u64),
                    value: ValueHash::of(letter.value).0,
                    ..DeadLetterSummaryRecord::default()
                };
                batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
            }
            if batch.len() >= ROWS {
                store.write(&batch, Durability::Process)?;
                batch.clear();
            }
            Ok(())
        },
    )?;
    reads::put_meta(&mut batch, totals::LETTERS_LISTED, "1");
    store.write(&batch, Durability::Process)
}

#[cfg(test)]
mod tests;
