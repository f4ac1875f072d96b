//! Reads the topic again, beside consuming it, and fills in what the log lacks.
//!
//! What the log has is recognised by its position and left alone: replaying is idempotent. What it
//! lacks lies in a recorded gap, where the broker delivered nothing at first; such a record is decoded
//! and accounted for as ingest would have done it, on the projector's thread, in one write with the
//! states that it changes and with what is left of the gap. Offsets before the one that the store
//! starts at, and those that are not consumed yet, are not replay's to fill.

use super::arrival::Arrival;
use super::kept::Kept;
use super::late_schemas::AskedFor;
use super::origin::DeadLetterTopics;
use super::remaining::{POLL, Remaining, Share};
use super::writer::{put_letter, returned_mark};
use crate::domain::{Event, Millis, Position, TimelineKey};
use crate::pipeline::decode::{DefectReason, Rejected, wire};
use crate::pipeline::kafka::reader::{Given, TopicReader};
use crate::pipeline::kafka::source::OwnedRecord;
use crate::pipeline::kafka::{KafkaSettings, TopicError};
use crate::pipeline::projector::ProjectorHandle;
use crate::pipeline::registry::{SchemaError, SchemaSource};
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock};
use crate::store::ledger::OffsetSums;
use crate::store::records::{
    DeadLetterRecord, DeadLetterSummaryRecord, FeedRecord, GapRecord, LogRecord, OffsetClass, OffsetRecord,
};
use crate::store::{
    Batch, Direction, Key, Scan, SharedStore, StoreError, StoreRead, Table, keys, offsets, reads, totals,
    until,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Records that are looked up, and filled in, together.
const CHUNK: usize = 1_000;
/// So many bytes of records are kept together; one look at the broker more than that.
const CHUNK_BYTES: usize = 8 << 20;
/// So far the records beside one that is filled in are looked for, in offsets and in rows.
const NEAR: u64 = 1 << 22;
const NEAR_ROWS: usize = 4_096;

/// From where to read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// From what the broker still has.
    Beginning,
    /// From this offset of each partition.
    Offset(u64),
    /// From the first record that arrived then or later.
    Time(Millis),
}

/// What to read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRange {
    /// From where.
    pub from: ReplayFrom,
    /// Only this partition.
    pub partition: Option<u32>,
}

/// How far a replay is, and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayDone {
    /// Offsets to go through, from the first that the broker has to what is consumed.
    pub total: u64,
    /// Records read.
    pub read: u64,
    /// Records that the store accounts for already.
    pub known: u64,
    /// Records that were filled in.
    pub filled: u64,
    /// Records before the offset that the store starts at.
    pub before_start: u64,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] TopicError),
    /// There is nothing that could be read again.
    #[error("no partition of the topic that was asked for has been consumed")]
    NotConsumed,
    /// The broker holds less than was consumed.
    #[error(
        "partition {partition} of {topic} ends at offset {end}, but is consumed up to {consumed}: it is another \
         topic, or lost data, and nothing of it was read"
    )]
    Shorter {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the broker says that it ends.
        end: u64,
        /// The first offset that is not consumed.
        consumed: u64,
    },
    /// The registry could not be asked.
    #[error("the schema registry is needed and does not answer: {0}")]
    Registry(SchemaError),
    /// The broker did not answer any more.
    #[error(
        "incomplete: the broker gave nothing for 15 seconds; not read again: {0}. What was filled in stays, and the \
         same replay can be started again"
    )]
    Incomplete(String),
    /// The projector stopped.
    #[error(transparent)]
    Projector(#[from] crate::pipeline::projector::ProjectorGone),
    /// It was told to stop.
    #[error("it was stopped; what was filled in stays, and the same replay can be started again")]
    Stopped,
}

/// A replay of the topic.
pub struct Replay {
    /// The store.
    pub store: SharedStore,
    /// How to reach Kafka, and the topic.
    pub settings: KafkaSettings,
    /// Where writer schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// Who folds what is filled in.
    pub projector: ProjectorHandle,
    /// The account of dead letters and gaps.
    pub book: DeadLetterLock,
    /// Told when dead letters of unknown schemas are put between others.
    pub asked_for: Arc<AskedFor>,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Replay {
    /// Reads again, and tells how far it is. Blocks.
    ///
    /// # Errors
    /// [`ReplayError`]; what was filled in before stays.
    pub fn run(
        &self,
        range: &ReplayRange,
        told: &mut dyn FnMut(ReplayDone),
    ) -> Result<ReplayDone, ReplayError> {
        let rows: BTreeMap<u32, OffsetRecord> = reads::offsets(&*self.store, &self.settings.topic)?
            .into_iter()
            .collect();
        let chosen: BTreeMap<u32, OffsetRecord> = rows
            .into_iter()
            .filter(|(partition, row)| {
                row.next > row.start && range.partition.is_none_or(|only| only == *partition)
            })
            .collect();
        if chosen.is_empty() {
            return Err(ReplayError::NotConsumed);
        }
        let reader = TopicReader::open(&self.settings, "replay")?;
        let mut done = ReplayDone::default();
        let mut left = Remaining::default();
        for (partition, row) in &chosen {
            let next = self.first_offset(&reader, *partition, row.next, &range.from)?;
            if next < row.next {
                done.total += row.next - next;
                let end = row.next;
                left.add(*partition, Share { next, end });
            }
        }
        told(done);
        if left.is_empty() {
            return Ok(done);
        }
        reader.start(left.next())?;
        self.read(&mut || reader.look(POLL), &chosen, left, &mut done, told)?;
        Ok(done)
    }

    /// Reads what is left. A broker that falls silent is not taken for one that has no more.
    pub(super) fn read(
        &self,
        look: &mut dyn FnMut() -> Given,
        rows: &BTreeMap<u32, OffsetRecord>,
        mut left: Remaining,
        done: &mut ReplayDone,
        told: &mut dyn FnMut(ReplayDone),
    ) -> Result<(), ReplayError> {
        let mut chunk: Vec<OwnedRecord> = Vec::new();
        let mut bytes = 0;
        while !left.is_empty() {
            if self.stop.is_cancelled() {
                return Err(ReplayError::Stopped);
            }
            let given = left.take(look());
            bytes += given.iter().map(OwnedRecord::bytes).sum::<usize>();
            chunk.extend(given);
            let missing = left.gives_up();
            if chunk.len() >= CHUNK || bytes >= CHUNK_BYTES || left.is_empty() || missing.is_some() {
                bytes = 0;
                self.take(rows, std::mem::take(&mut chunk), done)?;
                told(*done);
            }
            if let Some(missing) = missing {
                return Err(ReplayError::Incomplete(missing));
            }
        }
        Ok(())
    }

    /// Looks up a chunk of records and fills in those that the store lacks.
    pub(crate) fn take(
        &self,
        rows: &BTreeMap<u32, OffsetRecord>,
        records: Vec<OwnedRecord>,
        done: &mut ReplayDone,
    ) -> Result<(), ReplayError> {
        done.read += records.len() as u64;
        let feed: Vec<Key> = records.iter().map(|record| feed_key(record.position)).collect();
        let found = self.store.multi_get(Table::Feed, &feed)?;
        let mut missing = Vec::new();
        for (record, entry) in records.into_iter().zip(found) {
            let Position { partition, offset } = record.position;
            if rows.get(&partition).is_none_or(|row| offset < row.start) {
                done.before_start += 1;
                continue;
            }
            match entry.as_deref().map(FeedRecord::read).transpose()? {
                // The first offset of a gap holds the gap's own entry.
                None | Some(FeedRecord::Gap { .. }) => missing.push(record),
                Some(_) => done.known += 1,
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        done.filled += self.fill(rows, missing)?;
        Ok(())
    }

    /// Accounts for records that lie in gaps, in one write; how many. What is not folded yet is left out: it
    /// would be folded again when its turn comes.
    fn fill(
        &self,
        rows: &BTreeMap<u32, OffsetRecord>,
        records: Vec<OwnedRecord>,
    ) -> Result<u64, ReplayError> {
        let mut decoded = Vec::with_capacity(records.len());
        let mut last = BTreeMap::new();
        for record in records {
            let arrived_at = self.arrival(rows, &record, &mut last)?;
            let outcome = self.decode(&record, arrived_at)?;
            decoded.push((record, arrived_at, outcome));
        }
        let forgets = decoded.iter().any(|(_, _, outcome)| is_unknown(outcome));
        if forgets {
            self.asked_for.forget();
        }
        let (store, book) = (self.store.clone(), self.book.clone());
        let topics = DeadLetterTopics {
            topic: self.settings.topic.clone(),
            dlt_topic: self.settings.dlt_topic.clone(),
        };
        let filled = self.projector.between_windows(move |projector| {
            let held = book.hold();
            let mut rows = Batch::new();
            let mut changes = DeadLetterChanges::default();
            let mut events: Vec<Event> = Vec::new();
            decoded.retain(|(record, ..)| projector.cursor().contains(record.position));
            let filled = decoded.iter();
            let filled = filled
                .map(|(record, arrived_at, outcome)| (record.position, (*arrived_at, class_of(outcome))))
                .collect();
            close_gaps(&*store, &filled, &mut rows)?;
            for (record, arrived_at, outcome) in decoded {
                if let Some(letter) = topics.letter_named(record.raw().headers) {
                    let mark = returned_mark(&record.raw(), arrived_at, &outcome);
                    changes.add_mark(letter, mark);
                }
                match outcome {
                    Ok(event) => events.push(event),
                    Err(rejected) => {
                        let rows = (&mut rows, &mut changes);
                        put_dead_letter(rows, &topics.topic, &record, arrived_at, &rejected);
                    }
                }
            }
            DeadLetterLock::enter(&held, &*store, &mut rows, &changes)?;
            projector.fill(&events, &rows)?;
            Ok::<_, StoreError>(filled.len() as u64)
        })?;
        if forgets {
            // A pass may have begun before they were there.
            self.asked_for.forget();
        }
        Ok(filled?)
    }

    /// The arrival time by the rule of consumption, from that of the record before: one of the store, or one
    /// that is filled in with it; and not behind that of the record after, or of the last one of the partition.
    fn arrival(
        &self,
        rows: &BTreeMap<u32, OffsetRecord>,
        record: &OwnedRecord,
        last: &mut BTreeMap<u32, (Position, Arrival)>,
    ) -> Result<Millis, StoreError> {
        let Position { partition, .. } = record.position;
        let stored = neighbour(&*self.store, record.position, Direction::Reverse)?;
        let stored = stored.map(|(place, at)| (place, Arrival::in_between(at)));
        let filled = last.get(&partition).copied();
        let before = stored.into_iter().chain(filled).max_by_key(|(place, _)| *place);
        let before = before.map(|(_, arrival)| arrival);
        let mut next = Arrival::after(before, record.timestamp, record.by_broker);
        let after = neighbour(&*self.store, record.position, Direction::Forward)?.map(|(_, at)| at);
        let latest = rows.get(&partition).map(|row| Millis(row.arrived_at));
        if let Some(after) = after.or(latest) {
            next.at = next.at.min(after);
        }
        last.insert(partition, (record.position, next));
        Ok(next.at)
    }

    fn decode(
        &self,
        record: &OwnedRecord,
        arrived_at: Millis,
    ) -> Result<Result<Event, Rejected>, ReplayError> {
        let (id, body) = match wire::payload(record.value.as_deref()) {
            Ok(parts) => parts,
            Err(defect) => return Ok(Err(defect.into())),
        };
        match self.schemas.plan(id) {
            Ok(plan) => Ok(plan.event(body, record.position, arrived_at)),
            Err(error) => match error.defect(id) {
                Some(defect) => Ok(Err(defect.into())),
                None => Err(ReplayError::Registry(error)),
            },
        }
    }

    /// The first offset to read of a partition that is consumed up to `consumed`.
    fn first_offset(
        &self,
        reader: &TopicReader,
        partition: u32,
        consumed: u64,
        from: &ReplayFrom,
    ) -> Result<u64, ReplayError> {
        let (low, end) = reader.bounds(partition)?;
        if end < consumed {
            return Err(ReplayError::Shorter {
                topic: self.settings.topic.clone(),
                partition,
                end,
                consumed,
            });
        }
        Ok(match from {
            ReplayFrom::Beginning => low,
            ReplayFrom::Offset(offset) => low.max(*offset),
            ReplayFrom::Time(at) => reader.offset_at(partition, *at)?.unwrap_or(end),
        })
    }
}

fn is_unknown(outcome: &Result<Event, Rejected>) -> bool {
    let rejected = outcome.as_ref().err();
    rejected.is_some_and(|rejected| rejected.defect.reason == DefectReason::UnknownSchema)
}

fn feed_key(position: Position) -> Key {
    let mut key = Key::default();
    keys::by_offset(&mut key, position);
    key
}

fn class_of(outcome: &Result<Event, Rejected>) -> OffsetClass {
    if outcome.is_ok() {
        OffsetClass::Logged
    } else {
        OffsetClass::DeadLetter
    }
}

/// What is filled in: when it arrived, and what it is.
type Filled = BTreeMap<Position, (Millis, OffsetClass)>;

/// Puts what is left of the gaps, when these offsets are filled, into the batch, with the sums.
fn close_gaps(store: &dyn StoreRead, filled: &Filled, rows: &mut Batch) -> Result<(), StoreError> {
    let partitions: BTreeSet<u32> = filled.keys().map(|at| at.partition).collect();
    let mut accounted = OffsetSums::default();
    for (at, (arrived_at, class)) in filled {
        accounted.add(at.partition, *arrived_at, *class, 1);
    }
    let mut sums: BTreeMap<(&'static str, &'static str), i64> = BTreeMap::new();
    for partition in partitions {
        for (first, gap) in gaps_of(store, partition)? {
            let inside = Position::new(partition, first)..Position::new(partition, gap.next);
            let offsets: Vec<u64> = filled.range(inside).map(|(at, _)| at.offset).collect();
            if offsets.is_empty() {
                continue;
            }
            let kind = gap.known_kind()?;
            let mut count = |gap: &GapRecord, from: u64, sign: i64| {
                let offsets = i64::try_from(gap.next.saturating_sub(from)).unwrap_or(i64::MAX);
                let arrived_at = Millis(gap.arrived_at);
                accounted.add(partition, arrived_at, kind.class(), sign * offsets);
            };
            count(&gap, first, -1);
            let rest = remaining(first, gap.next, &offsets);
            let mut key = Key::default();
            keys::gap(&mut key, Position::new(partition, first));
            rows.delete(Table::Gaps, &key);
            for (from, next) in &rest {
                let at = Position::new(partition, *from);
                keys::gap(&mut key, at);
                // What is behind it may be filled in now.
                let behind = filled.get(&Position::new(partition, *next));
                let record = GapRecord {
                    next: *next,
                    arrived_at: behind.map_or(gap.arrived_at, |(arrived_at, _)| arrived_at.0),
                    ..gap
                };
                count(&record, *from, 1);
                rows.put_with(Table::Gaps, &key, |bytes| record.write(bytes));
                keys::by_offset(&mut key, at);
                rows.put_with(Table::Feed, &key, |bytes| {
                    FeedRecord::Gap { next: *next }.write(bytes);
                });
            }
            let more = i64::try_from(rest.len()).unwrap_or(0) - 1;
            *sums.entry((totals::GAP_COUNTS, kind.as_str())).or_default() += more;
            let fewer = i64::try_from(offsets.len()).unwrap_or(0);
            *sums.entry((totals::GAP_OFFSETS, kind.as_str())).or_default() -= fewer;
        }
    }
    for ((family, kind), by) in sums {
        let now = reads::meta_count(store, family, kind)?.saturating_add_signed(by);
        reads::put_meta_count(rows, family, kind, now);
    }
    accounted.put(store, Table::Accounted, rows)
}

/// What is left of `first..next` without these offsets, which are in order.
fn remaining(first: u64, next: u64, without: &[u64]) -> Vec<(u64, u64)> {
    let mut rest = Vec::new();
    let mut from = first;
    for offset in without.iter().copied().chain([next]) {
        if offset > from {
            rest.push((from, offset));
        }
        from = offset + 1;
    }
    rest
}

fn gaps_of(store: &dyn StoreRead, partition: u32) -> Result<Vec<(u64, GapRecord)>, StoreError> {
    let mut key = Key::default();
    keys::gap(&mut key, Position::new(partition, 0));
    let mut gaps = Vec::new();
    Scan::of(Table::Gaps, key.partition()).each(store, |sort, value| {
        gaps.push((keys::parse_offset(sort)?, GapRecord::read(value)?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(gaps)
}

/// The place and the arrival time of the nearest record before or after that one, so far as it is not far.
fn neighbour(
    store: &dyn StoreRead,
    at: Position,
    direction: Direction,
) -> Result<Option<(Position, Millis)>, StoreError> {
    let feed = offsets::of_partition(store, Table::Feed, at.partition);
    let (mut found, mut rows) = (None, 0);
    let mut visit = |offset: u64, value: &[u8]| {
        let position = Position::new(at.partition, offset);
        found = arrived(store, position, &FeedRecord::read(value)?)?.map(|at| (position, at));
        rows += 1;
        Ok(until(found.is_some() || rows >= NEAR_ROWS))
    };
    match direction {
        Direction::Reverse => feed.backward(at.offset.saturating_sub(NEAR)..at.offset, &mut visit)?,
        Direction::Forward => {
            let first = at.offset.saturating_add(1);
            feed.forward(first..first.saturating_add(NEAR), &mut visit)?
        }
    };
    Ok(found)
}

/// When a record arrived that is still there.
fn arrived(
    store: &dyn StoreRead,
    position: Position,
    entry: &FeedRecord<'_>,
) -> Result<Option<Millis>, StoreError> {
    match entry {
        FeedRecord::Logged { saga_id, recorded_at } => {
            let saga = (*saga_id).into();
            let place = TimelineKey {
                recorded_at: Millis(*recorded_at),
                position,
            };
            let mut key = Key::default();
            keys::log(&mut key, &saga, place);
            let row = store.get(Table::Log, &key)?;
            row.map(|row| Ok(LogRecord::read(&row)?.arrived_at())).transpose()
        }
        FeedRecord::DeadLetter => {
            let row = store.get(Table::Letters, &feed_key(position))?;
            row.map(|row| Ok(Millis(DeadLetterSummaryRecord::read(&row)?.arrived_at)))
                .transpose()
        }
        FeedRecord::Gap { .. } | FeedRecord::Purged { .. } => Ok(None),
    }
}

fn put_dead_letter(
    (rows, changes): (&mut Batch, &mut DeadLetterChanges),
    topic: &str,
    record: &OwnedRecord,
    arrived_at: Millis,
    rejected: &Rejected,
) {
    let mut key = Key::default();
    let raw = record.raw();
    let kept = Kept::of(&raw);
    let letter = DeadLetterRecord {
        topic,
        reason: rejected.defect.reason.as_str(),
        detail: &kept.detail(&rejected.defect.detail),
        arrived_at: arrived_at.0,
        timestamp: record.timestamp.map(|at| at.0),
        key: kept.key,
        value: raw.value,
        headers: kept.headers.clone(),
    };
    put_letter(rows, changes, &mut key, &letter, (record.position, rejected));
    keys::by_offset(&mut key, record.position);
    rows.put_with(Table::Feed, &key, |bytes| FeedRecord::DeadLetter.write(bytes));
}

#[cfg(test)]
mod tests;
