//! Letters in order of arrival, newest first, and how many there are.
//!
//! Within a partition letters arrive in the order of their offsets, so the order over all of them is
//! a merge of the partitions, and a cursor is one offset per partition. What is filtered by is in
//! rows of some hundred bytes; nothing here reads the letters' own bytes.

use super::filter::DeadLetterFilter;
use super::listed::Listed;
use crate::domain::{Millis, Position};
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterCounts, DeadLetterState, EXTERNAL, counts, marks_between, state};
use crate::store::records::DeadLetterSummaryRecord;
use crate::store::{StoreError, StoreRead, Table, keys, offsets, reads, until};
use std::collections::{BTreeMap, VecDeque};

/// Rows read at once; few in tests, so that they cross from one reading to the next.
const ROWS: usize = if cfg!(test) { 4 } else { 256 };

/// Marks read at once: a few of each letter. Where there are more, each letter is looked up.
const MARKS: usize = 4 * ROWS;

/// A part of the letters that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The letters, newest first.
    pub letters: Vec<Listed>,
    /// Leads to the next part; `None` when this was the last.
    pub next_cursor: Option<String>,
}

/// A cursor that was not given out.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor is not one of ours.
    #[error("cursor is not one that this list gave out; leave it out to start from the newest dead letter")]
    BadCursor,
}

/// The letters of one partition, backwards.
struct Lane {
    partition: u32,
    start: u64,
    /// Everything from here on was read.
    bound: u64,
    ready: VecDeque<Listed>,
}

impl Lane {
    /// Reads until something is ready or nothing is left.
    fn fill(&mut self, store: &dyn StoreRead) -> Result<(), StoreError> {
        while self.ready.is_empty() && self.bound > self.start {
            let first = keys::offset_bucket(self.bound - 1).start.max(self.start);
            let (rows, reached) = self.rows(store, first)?;
            if !rows.is_empty() {
                let from = Position::new(self.partition, reached);
                let (marks, all_before) = marks_between(store, from, self.bound, MARKS)?;
                for mut listed in rows {
                    let at = listed.position;
                    listed.state = if at.offset < all_before {
                        let happened = marks.get(&at.offset);
                        DeadLetterState::after(listed.value, happened.map_or(&[], Vec::as_slice))
                    } else {
                        state(store, at, listed.value)?
                    };
                    self.ready.push_back(listed);
                }
            }
            self.bound = reached;
        }
        Ok(())
    }

    /// Rows below the bound, at most [`ROWS`], and the offset down to which that is all.
    fn rows(&self, store: &dyn StoreRead, first: u64) -> Result<(Vec<Listed>, u64), StoreError> {
        let place = |offset| Position::new(self.partition, offset);
        let letters = offsets::of_partition(store, Table::Letters, self.partition);
        let mut rows = Vec::new();
        let reached = letters.backward(first..self.bound, |offset, value| {
            let record = DeadLetterSummaryRecord::read(value)?;
            rows.push(Listed::of(place(offset), &record, DeadLetterState::Open));
            Ok(until(rows.len() >= ROWS))
        })?;
        Ok((rows, reached))
    }

    /// Everything from here on was given out.
    fn given(&self) -> u64 {
        self.ready
            .front()
            .map_or(self.bound, |next| next.position.offset + 1)
    }
}

/// All letters, newest first.
pub(super) struct Walk<'r> {
    store: &'r dyn StoreRead,
    lanes: Vec<Lane>,
}

impl<'r> Walk<'r> {
    /// From the newest letter of these topics on.
    pub(super) fn new(store: &'r dyn StoreRead, topic: &str, dlt_topic: &str) -> Result<Self, StoreError> {
        let mut lanes = Vec::new();
        for (topic, flag) in [(topic, 0), (dlt_topic, EXTERNAL)] {
            for (partition, row) in reads::offsets(store, topic)? {
                lanes.push(Lane {
                    partition: partition | flag,
                    start: row.start,
                    bound: row.next,
                    ready: VecDeque::new(),
                });
            }
        }
        Ok(Self { store, lanes })
    }

    /// Goes on where a cursor stands. Partitions that it does not name had nothing then.
    fn resume(&mut self, cursor: &str) -> Result<(), ListError> {
        let mut bounds = BTreeMap::new();
        for part in cursor.split('.') {
            let (partition, bound) = part.split_once('-').ok_or(ListError::BadCursor)?;
            let partition = u32::from_str_radix(partition, 16).map_err(|_| ListError::BadCursor)?;
            let bound = u64::from_str_radix(bound, 16).map_err(|_| ListError::BadCursor)?;
            bounds.insert(partition, bound);
        }
        for lane in &mut self.lanes {
            let bound = bounds.get(&lane.partition).copied().unwrap_or(0);
            lane.bound = lane.bound.min(bound);
        }
        Ok(())
    }

    fn cursor(&self) -> String {
        let parts = self
            .lanes
            .iter()
            .map(|lane| format!("{:x}-{:x}", lane.partition, lane.given()));
        parts.collect::<Vec<_>>().join(".")
    }

    /// The next letter.
    pub(super) fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        for lane in &mut self.lanes {
            lane.fill(self.store)?;
        }
        let newest = self
            .lanes
            .iter_mut()
            .filter(|lane| !lane.ready.is_empty())
            .max_by_key(|lane| {
                let front = lane.ready.front();
                front.map(|letter| (letter.arrived_at, letter.position))
            });
        Ok(newest.and_then(|lane| lane.ready.pop_front()))
    }
}

/// A part of the letters that match, newest first, behind the cursor if there is one.
pub(super) fn page(
    mut walk: Walk<'_>,
    filter: &DeadLetterFilter,
    cursor: Option<&str>,
    size: usize,
) -> Result<DeadLetterPage, ListError> {
    if let Some(cursor) = cursor {
        walk.resume(cursor)?;
    }
    let mut letters = Vec::new();
    while let Some(letter) = walk.next()? {
        // All that follow are older.
        if filter.from.is_some_and(|from| letter.arrived_at < from) {
            break;
        }
        if !filter.matches(&letter) {
            continue;
        }
        letters.push(letter);
        if letters.len() == size {
            let next_cursor = Some(walk.cursor());
            return Ok(DeadLetterPage { letters, next_cursor });
        }
    }
    Ok(DeadLetterPage {
        letters,
        next_cursor: None,
    })
}

/// What letters can be told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Why they are letters.
    Reason,
    /// The topic that they came from.
    Topic,
    /// The step, as far as it could be decoded.
    Step,
}

/// Letters that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// What they have in common; `None` where it could not be decoded.
    pub name: Option<String>,
    /// How many there are.
    pub counts: DeadLetterCounts,
    /// The first of them to arrive.
    pub oldest: Option<Millis>,
    /// The last of them to arrive.
    pub newest: Option<Millis>,
    /// The last of them, as an example.
    pub example: Option<Position>,
}

/// So many groups are told apart; few in tests.
const MAX_GROUPS: usize = if cfg!(test) { 8 } else { 1_000 };

/// The letters that match, grouped, the largest group first; and those of no group, once there are as many
/// groups as are told apart.
pub(super) fn groups(
    mut walk: Walk<'_>,
    filter: &DeadLetterFilter,
    by: GroupBy,
) -> Result<(Vec<DeadLetterGroup>, DeadLetterCounts), StoreError> {
    let mut groups: BTreeMap<Option<String>, DeadLetterGroup> = BTreeMap::new();
    let mut others = DeadLetterCounts::default();
    while let Some(letter) = walk.next()? {
        if filter.from.is_some_and(|from| letter.arrived_at < from) {
            break;
        }
        if !filter.matches(&letter) {
            continue;
        }
        let name = match by {
            GroupBy::Reason => Some(letter.reason),
            GroupBy::Topic => Some(letter.topic),
            GroupBy::Step => letter.step,
        };
        if groups.len() >= MAX_GROUPS && !groups.contains_key(&name) {
            others.add(letter.state);
            continue;
        }
        let group = groups.entry(name.clone()).or_insert_with(|| DeadLetterGroup {
            name,
            newest: Some(letter.arrived_at),
            example: Some(letter.position),
            ..DeadLetterGroup::default()
        });
        group.counts.add(letter.state);
        group.oldest = Some(letter.arrived_at);
    }
    let mut groups: Vec<DeadLetterGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.counts.total()));
    Ok((groups, others))
}

/// How many letters match, by reason and state. Exact.
pub(super) fn count(
    walk: Walk<'_>,
    filter: &DeadLetterFilter,
) -> Result<BTreeMap<String, DeadLetterCounts>, StoreError> {
    if !filter.is_counted() {
        let (groups, _) = groups(walk, filter, GroupBy::Reason)?;
        let named = groups
            .into_iter()
            .filter_map(|group| Some((group.name?, group.counts)));
        return Ok(named.collect());
    }
    let all = counts(walk.store)?;
    let chosen = all
        .into_iter()
        .filter(|(reason, _)| filter.reason.as_ref().is_none_or(|wanted| wanted == reason))
        .map(|(reason, counts)| (reason, only(counts, filter.state)))
        .filter(|(_, counts)| counts.total() + counts.removed() > 0);
    Ok(chosen.collect())
}

fn only(counts: DeadLetterCounts, state: Option<DeadLetterState>) -> DeadLetterCounts {
    let when = |wanted: DeadLetterState, count: u64| {
        if state.is_none_or(|state| state == wanted) {
            count
        } else {
            0
        }
    };
    DeadLetterCounts {
        open: when(DeadLetterState::Open, counts.open),
        redriven: when(DeadLetterState::Redriven, counts.redriven),
        discarded: when(DeadLetterState::Discarded, counts.discarded),
        removed_redriven: when(DeadLetterState::Redriven, counts.removed_redriven),
        removed_discarded: when(DeadLetterState::Discarded, counts.removed_discarded),
    }
}

#[cfg(test)]
mod tests;
