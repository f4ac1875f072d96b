//! Finds letters that were redriven or discarded long ago, and redrives that ended long ago, and lets go
//! of them. Open letters stay.
//!
//! Letters go by a decision that every replica applies ([`super::remove`]); it is made only where this replica has
//! read both topics to their ends, and by a clock that is never ahead of the newest arrival, so that a tracker
//! that was away, or whose clock is wrong, decides nothing that another would not. Redrives are this
//! replica's own affair, and so is their end.

use super::consumption::Consumption;
use super::named::Deciding;
use super::redrive::Redrives;
use super::remove;
use super::settings::DeadLetterSettings;
use super::stored::published;
use crate::domain::clock::SharedClock;
use crate::domain::{Cut, Millis, Position};
use crate::operations::decisions::OpsError;
use crate::pipeline::decode::DefectReason;
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterState, EXTERNAL, ValueHash, counted, state};
use crate::store::records::DeadLetterSummaryRecord;
use crate::store::{Key, SharedStore, StoreError, StoreRead, Table, keys, reads, totals};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between the end of one search and the next.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// How often it is looked whether it is time.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Letters that one search finds, at most; the next one follows at once then.
const MAX_FOUND: usize = 100_000;

/// Lets go of what was settled long ago.
pub struct DeadLetterRetention {
    /// The store.
    pub store: SharedStore,
    /// How long to keep what.
    pub settings: DeadLetterSettings,
    /// The topics that letters lie in, and the ops topic.
    pub topics: DeadLetterTopics,
    /// Decisions, see [`super::remove`].
    pub deciding: Arc<dyn Deciding>,
    /// The ops topic's name: arrivals there count as well.
    pub ops_topic: String,
    /// How far the topics are read.
    pub consumption: Consumption,
    /// Whether letters go to the dead-letter topic from here; those that did not yet are kept.
    pub publishes: bool,
    /// The redrives of this replica.
    pub redrives: Redrives,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Letters that were removed.
    pub letters: usize,
    /// Redrives that were removed.
    pub redrives: usize,
}

impl DeadLetterRetention {
    /// Starts searching on a thread of its own, every hour.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("letter-retention".to_owned())
            .spawn(move || self.run())
    }

    fn run(&self) {
        let mut last: Option<Instant> = None;
        let mut asked = None;
        while !self.shutdown.is_cancelled() {
            crate::failpoint::pass("thread.letter-retention");
            if last.is_none_or(|at| at.elapsed() > INTERVAL) && self.has_read_all(&mut asked) {
                asked = None;
                match self.sweep() {
                    Ok(swept) if swept.letters >= MAX_FOUND => {}
                    Ok(_) => last = Some(Instant::now()),
                    Err(error) => {
                        tracing::warn!(%error, "settled dead letters are not removed now; it is tried again in an hour");
                        last = Some(Instant::now());
                    }
                }
            }
            crate::wait::park(POLL_INTERVAL);
        }
    }

    /// Whether this replica has read both topics to their ends, the tracker topic to where the broker says that
    /// it is: `asked` is which of the questions for it was the last when this was looked at first.
    fn has_read_all(&self, asked: &mut Option<u64>) -> bool {
        let asked = *asked.get_or_insert_with(|| self.consumption.asked());
        self.consumption.has_read_decisions() && self.consumption.shows_all_since(asked)
    }

    /// Lets go of what is due now. Blocks.
    ///
    /// # Errors
    /// [`OpsError`]; the rest is found the next time.
    pub fn sweep(&self) -> Result<Swept, OpsError> {
        let now = self.now()?;
        let mut swept = Swept::default();
        if let Some(edge) = edge(now, self.settings.settled_days) {
            swept.letters = self.remove_letters(edge)?;
        }
        if let Some(edge) = edge(now, self.settings.redrive_days) {
            swept.redrives = self.redrives.forget_ended_before(edge)?;
        }
        if swept != Swept::default() {
            tracing::info!(
                letters = swept.letters,
                redrives = swept.redrives,
                "old settled dead letters removed"
            );
        }
        Ok(swept)
    }

    fn remove_letters(&self, edge: Millis) -> Result<usize, OpsError> {
        let due = self.due(edge)?;
        let days = self.settings.settled_days;
        let why = format!("settled {days} days ago (dead_letters.settled_days)");
        for chunk in due.chunks(remove::BATCH) {
            if self.shutdown.is_cancelled() {
                break;
            }
            // Another replica may have decided meanwhile.
            let left = self.still_there(chunk)?;
            if !left.is_empty() {
                remove::remove(&left, &why, &self.topics, &*self.deciding)?;
            }
        }
        Ok(due.len())
    }

    fn still_there(&self, letters: &[(Position, bool)]) -> Result<Vec<(Position, bool)>, StoreError> {
        let rows = letters.iter().map(|(letter, _)| {
            let mut key = Key::default();
            keys::by_offset(&mut key, *letter);
            key
        });
        let found = self.store.multi_get(Table::Letters, &rows.collect::<Vec<_>>())?;
        let there = letters.iter().zip(found).filter(|(_, row)| row.is_some());
        Ok(there.map(|(letter, _)| *letter).collect())
    }

    /// The clock, but never ahead of the newest arrival.
    fn now(&self) -> Result<Millis, StoreError> {
        let mut newest = Millis(i64::MIN);
        for topic in [&self.topics.topic, &self.topics.dlt_topic, &self.ops_topic] {
            for (_, row) in reads::offsets(&*self.store, topic)? {
                newest = newest.max(Millis(row.arrived_at));
            }
        }
        Ok(self.clock.now().min(newest))
    }

    /// Letters about which nothing happened since, and of each whether it came back.
    fn due(&self, edge: Millis) -> Result<Vec<(Position, bool)>, StoreError> {
        let snapshot = self.store.snapshot();
        let unpublished = if self.publishes {
            Some(published(&*snapshot, totals::DEAD_LETTER_CURSOR)?)
        } else {
            None
        };
        let mut due = Vec::new();
        reads::try_scan_table(&*snapshot, Table::Letters, |partition, sort, value| {
            let letter = Position::new(
                keys::parse_offset_partition(partition)?,
                keys::parse_offset(sort)?,
            );
            if due.len() < MAX_FOUND
                && !self.shutdown.is_cancelled()
                && is_published(unpublished.as_ref(), letter)
                && let Some(redriven) = settled_before(&*snapshot, letter, value, edge)?
            {
                due.push((letter, redriven));
            }
            Ok(())
        })?;
        Ok(due)
    }
}

/// The end of the time that lies so many days back; `None` when all is kept.
fn edge(now: Millis, days: u64) -> Option<Millis> {
    const DAY: i64 = 86_400_000;
    let days = i64::try_from(days).ok().filter(|days| *days > 0)?;
    Some(Millis(now.0.saturating_sub(days.saturating_mul(DAY))))
}

/// Whether a letter lies before the cursor of publishing, or is none of those that are published.
fn is_published(cursor: Option<&Cut>, letter: Position) -> bool {
    letter.partition & EXTERNAL != 0 || cursor.is_none_or(|cursor| cursor.contains(letter))
}

/// Whether a letter was settled by then, and if so whether it came back. One of an unknown schema stays: the
/// record is an event to whoever reads it when its schema is known, and must become one here as well.
fn settled_before(
    store: &dyn StoreRead,
    letter: Position,
    row: &[u8],
    edge: Millis,
) -> Result<Option<bool>, StoreError> {
    let record = DeadLetterSummaryRecord::read(row)?;
    if record.arrived_at > edge.0 || record.reason == DefectReason::UnknownSchema.as_str() {
        return Ok(None);
    }
    let value = ValueHash(record.value);
    let state = state(store, letter, value)?;
    let last = counted(store, letter, value)?.iter().map(|mark| mark.at).max();
    let due = state != DeadLetterState::Open && last.is_some_and(|last| last <= edge);
    Ok(due.then_some(state == DeadLetterState::Redriven))
}

#[cfg(test)]
mod tests;
