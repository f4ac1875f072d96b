//! In which partitions something lies that this replica cannot read yet.
//!
//! A dead letter of an unknown schema becomes an event at its own place once the registry says its schema.
//! Until then nobody here knows which saga it is of, while another replica may have decoded it at once.
//! So its partition tells no time to whoever decides, and whoever applies waits for it. One that was discarded, or
//! came back, is waited for until the registry was asked for its schema since it is there: what is settled may be
//! an event elsewhere all the same, and a made-up id must hold nothing up for good. After that its schema may still
//! become known, so a decision names it: it is about nothing that stands there, whoever can read it.

use super::body::{MAX_UNREAD, SeenBody};
use super::claim::{SeenAll, seen_within};
use crate::domain::{Cut, Position};
use crate::pipeline::projector::Extent;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterState, ValueHash, counts, state};
use crate::store::records::{DeadLetterSummaryRecord, UNKNOWN_SCHEMA};
use crate::store::{StoreError, StoreRead, Table, keys, reads};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The partitions with dead letters of unknown schemas, of those that are meant, that are waited for. `store` is one
/// moment, and `asked` what had been asked for before it.
///
/// # Errors
/// [`StoreError`] when dead letters cannot be read.
pub(super) fn waiting_dead_letters(
    store: &dyn StoreRead,
    meant: &Extent,
    asked: &Cut,
) -> Result<BTreeSet<u32>, StoreError> {
    Ok(UnreadableDeadLetters::look(store, meant, asked)?.waiting)
}

/// What cannot be read here.
#[derive(Default)]
struct UnreadableDeadLetters {
    /// Partitions with dead letters that are waited for.
    waiting: BTreeSet<u32>,
    /// Dead letters that are settled; the last ones, if they are many.
    settled: BTreeSet<Position>,
}

impl UnreadableDeadLetters {
    fn look(store: &dyn StoreRead, meant: &Extent, asked: &Cut) -> Result<Self, StoreError> {
        let mut unread = Self::default();
        let counts = counts(store)?;
        if counts
            .get(UNKNOWN_SCHEMA)
            .is_none_or(|counts| counts.total() == 0)
        {
            return Ok(unread);
        }
        reads::try_scan_table(store, Table::Letters, |partition, sort, value| {
            let partition = keys::parse_offset_partition(partition)?;
            let letter = Position::new(partition, keys::parse_offset(sort)?);
            if unread.waiting.contains(&partition) || !meant.contains(letter) {
                return Ok(());
            }
            let record = DeadLetterSummaryRecord::read(value)?;
            if record.reason == UNKNOWN_SCHEMA {
                unread.add(letter, is_waiting(store, letter, &record, asked)?);
            }
            Ok(())
        })?;
        Ok(unread)
    }

    fn add(&mut self, letter: Position, waits: bool) {
        if waits {
            self.waiting.insert(letter.partition);
            self.settled
                .retain(|settled| settled.partition != letter.partition);
            return;
        }
        self.settled.insert(letter);
        if self.settled.len() > MAX_UNREAD {
            self.settled.pop_first();
        }
    }
}

fn is_waiting(
    store: &dyn StoreRead,
    letter: Position,
    record: &DeadLetterSummaryRecord<'_>,
    asked: &Cut,
) -> Result<bool, StoreError> {
    let is_asked_for = asked.contains(letter);
    Ok(!is_asked_for || state(store, letter, ValueHash(record.value))? == DeadLetterState::Open)
}

/// What whoever decides can read, and what of it a decision may be about.
pub(crate) struct Readable {
    /// What is seen of the partitions in which all can be read.
    pub(crate) seen: SeenAll,
    /// What a decision may be about: what lies in these partitions inside the cut, but for settled dead letters whose
    /// schemas are unknown here.
    pub(crate) extent: Extent,
}

impl Readable {
    /// Inside a cut: where a dead letter waits for its schema, nobody here knows what has arrived, so nothing is due
    /// there. What was asked for is older than the snapshot.
    pub(crate) fn within(snapshot: &dyn StoreRead, cut: &Cut, asked: &Cut) -> Result<Self, StoreError> {
        let UnreadableDeadLetters { waiting, mut settled } =
            UnreadableDeadLetters::look(snapshot, &cut.clone().into(), asked)?;
        let mut seen = seen_within(snapshot, cut)?;
        seen.retain(|partition, _| !waiting.contains(partition));
        let cut: Cut = seen.keys().map(|number| (*number, cut.next(*number))).collect();
        settled.retain(|letter| cut.contains(*letter));
        let unread = Arc::new(settled);
        Ok(Self {
            seen,
            extent: Extent { cut, unread },
        })
    }

    /// The cut, as a decision says it.
    pub(crate) fn cut(&self) -> BTreeMap<u32, u64> {
        self.extent.cut.iter().filter(|(_, next)| *next > 0).collect()
    }

    /// What is seen, as a decision says it.
    pub(crate) fn seen(&self) -> BTreeMap<u32, SeenBody> {
        let seen = self.seen.iter();
        seen.map(|(number, seen)| (*number, SeenBody::from(seen)))
            .collect()
    }

    /// The settled dead letters, as a decision says them.
    pub(crate) fn unread(&self) -> Option<BTreeMap<u32, Vec<u64>>> {
        let mut unread: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for letter in &*self.extent.unread {
            unread.entry(letter.partition).or_default().push(letter.offset);
        }
        Some(unread)
    }
}
