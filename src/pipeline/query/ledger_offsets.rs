//! The ledger offset by offset: what each came to, as the sums count it. Read from the feed and from what it names;
//! offsets in a row that came to the same, none of which has a record of its own, are one entry.

use super::QueryError;
use crate::domain::{Cut, Millis, OPERATOR_STATUS_CHANGE, Position, SagaId, SagaStatus, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::{DeadLetterSummaryRecord, FeedRecord, GapRecord, LogRecord, OffsetClass};
use crate::store::{
    Generation, Key, Scan, Store, StoreError, StoreRead, Table, keys, purged, reads, timelines, until,
};
use std::ops::{Bound, Range};

/// Which offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetsRequest {
    /// Only of this partition.
    pub partition: Option<u32>,
    /// From this one on, in the order of partitions and offsets.
    pub from: Position,
    /// Entries of one answer, at most.
    pub limit: usize,
}

/// Offsets in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetsPage {
    /// What each came to.
    pub offsets: Vec<LedgerOffset>,
    /// Where the next ones begin, when there may be more.
    pub next: Option<Position>,
}

/// What an offset came to, or several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerOffset {
    /// The first of them.
    pub position: Position,
    /// How many there are.
    pub count: u64,
    /// What they came to; [`OffsetClass::Logged`] is in the log and not folded yet.
    pub class: OffsetClass,
    /// When the record arrived; of a gap, when the one behind it did. `None` when nothing is left that tells.
    pub arrived_at: Option<Millis>,
    /// The event, while it is in the log.
    pub event: Option<LedgerEvent>,
    /// Why it is a dead letter, while that one is kept.
    pub reason: Option<String>,
    /// The decision that removed it: its offset in the ops topic.
    pub decision: Option<u64>,
}

/// What is told of an event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEvent {
    /// Its id.
    pub event_id: String,
    /// Its saga.
    pub saga_id: SagaId,
    /// Its step.
    pub step: String,
    /// What it said of the saga.
    pub status: SagaStatus,
    /// Event time.
    pub recorded_at: Millis,
}

impl LedgerOffset {
    fn of(position: Position, class: OffsetClass) -> Self {
        Self {
            position,
            count: 1,
            class,
            arrived_at: None,
            event: None,
            reason: None,
            decision: None,
        }
    }

    /// The class by its name in the ledger.
    pub fn class_name(&self) -> &'static str {
        match self.class {
            OffsetClass::Logged => "pending",
            class => class.as_str(),
        }
    }

    /// The first offset behind it.
    pub fn next(&self) -> Position {
        let offset = self.position.offset.saturating_add(self.count);
        Position::new(self.position.partition, offset)
    }
}

pub(super) fn offsets(
    store: &dyn Store,
    topic: &str,
    request: &OffsetsRequest,
) -> Result<OffsetsPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let ledger = Ledger {
        store: &*snapshot,
        generation,
        cursor: reads::cursor(&*snapshot, generation)?,
    };
    let mut found = Vec::new();
    for (partition, row) in reads::offsets(&*snapshot, topic)? {
        let asked = request.partition.is_none_or(|only| only == partition);
        if asked && partition >= request.from.partition {
            let is_begun = partition == request.from.partition;
            let first = row.start.max(if is_begun { request.from.offset } else { 0 });
            ledger.partition(partition, first..row.next, request.limit, &mut found)?;
        }
    }
    let next = (found.len() == request.limit).then(|| found.last().map(LedgerOffset::next));
    Ok(OffsetsPage {
        offsets: found,
        next: next.flatten(),
    })
}

/// What the answer is read from.
struct Ledger<'s> {
    store: &'s dyn StoreRead,
    generation: Generation,
    cursor: Cut,
}

impl Ledger<'_> {
    /// Adds these offsets of a partition, until there are so many entries.
    fn partition(
        &self,
        partition: u32,
        mut offsets: Range<u64>,
        limit: usize,
        found: &mut Vec<LedgerOffset>,
    ) -> Result<(), StoreError> {
        while !offsets.is_empty() && found.len() < limit {
            let bucket = offsets.start >> keys::FEED_BUCKET_BITS;
            let end = offsets.end.min((bucket + 1) << keys::FEED_BUCKET_BITS);
            let position = Position::new(partition, offsets.start);
            offsets.start = self.bucket(position, end, limit, found)?;
        }
        found.truncate(limit);
        Ok(())
    }

    /// Adds those of one partition of the feed. Where the next one begins.
    fn bucket(
        &self,
        from: Position,
        end: u64,
        limit: usize,
        found: &mut Vec<LedgerOffset>,
    ) -> Result<u64, StoreError> {
        let mut next = from;
        let mut key = Key::default();
        keys::by_offset(&mut key, from);
        let range = (Bound::Included(key.sort()), Bound::Unbounded);
        Scan::of(Table::Feed, key.partition())
            .range(range)
            .limit(limit - found.len())
            .each(self.store, |sort, value| {
                let position = Position::new(from.partition, keys::parse_offset(sort)?);
                found.extend(unknown(next, position.offset));
                let entry = self.entry(position, &FeedRecord::read(value)?)?;
                next = entry.next();
                found.push(entry);
                Ok(until(found.len() >= limit))
            })?;
        if found.len() < limit {
            found.extend(unknown(next, end));
            next.offset = next.offset.max(end);
        }
        Ok(next.offset)
    }

    fn entry(&self, position: Position, row: &FeedRecord<'_>) -> Result<LedgerOffset, StoreError> {
        match *row {
            FeedRecord::Logged { saga_id, recorded_at } => {
                let recorded_at = Millis(recorded_at);
                self.logged(
                    &SagaId::new(saga_id),
                    TimelineKey {
                        recorded_at,
                        position,
                    },
                )
            }
            FeedRecord::DeadLetter => self.dead_letter(position),
            FeedRecord::Gap { next } => self.gap(position, next),
            FeedRecord::Purged { decision } => Ok(LedgerOffset {
                decision: Some(decision),
                ..LedgerOffset::of(position, OffsetClass::Purged)
            }),
        }
    }

    fn logged(&self, saga: &SagaId, place: TimelineKey) -> Result<LedgerOffset, StoreError> {
        let mut entry = LedgerOffset::of(place.position, OffsetClass::Logged);
        let mut key = Key::default();
        keys::log(&mut key, saga, place);
        // One that is being removed may be gone from the log already.
        if let Some(row) = self.store.get(Table::Log, &key)? {
            let event = LogRecord::read(&row)?.view(place)?;
            entry.arrived_at = Some(event.arrived_at);
            entry.event = Some(LedgerEvent {
                event_id: event.event_id.to_owned(),
                saga_id: saga.clone(),
                step: event.step.to_owned(),
                status: event.status,
                recorded_at: place.recorded_at,
            });
        }
        entry.class = self.folded(saga, place, entry.event.as_ref())?;
        Ok(entry)
    }

    /// What the fold says of a delivery in the log.
    fn folded(
        &self,
        saga: &SagaId,
        place: TimelineKey,
        event: Option<&LedgerEvent>,
    ) -> Result<OffsetClass, StoreError> {
        if !self.cursor.contains(place.position) {
            return Ok(OffsetClass::Logged);
        }
        if purged::gone(self.store, std::slice::from_ref(saga))?.contains(&true) {
            return Ok(OffsetClass::Purged);
        }
        if timelines::is_duplicate(self.store, self.generation, saga, place)? {
            return Ok(OffsetClass::Duplicate);
        }
        let by_operator = event.is_some_and(|event| event.step == OPERATOR_STATUS_CHANGE);
        Ok(OffsetClass::of_standing(by_operator))
    }

    fn dead_letter(&self, position: Position) -> Result<LedgerOffset, StoreError> {
        let mut entry = LedgerOffset::of(position, OffsetClass::DeadLetter);
        let mut key = Key::default();
        keys::by_offset(&mut key, position);
        if let Some(row) = self.store.get(Table::Letters, &key)? {
            let summary = DeadLetterSummaryRecord::read(&row)?;
            entry.arrived_at = Some(Millis(summary.arrived_at));
            entry.reason = Some(summary.reason.to_owned());
        }
        Ok(entry)
    }

    fn gap(&self, position: Position, next: u64) -> Result<LedgerOffset, StoreError> {
        let mut key = Key::default();
        keys::gap(&mut key, position);
        let mut entry = LedgerOffset::of(position, OffsetClass::Unexplained);
        entry.count = next.saturating_sub(position.offset).max(1);
        if let Some(row) = self.store.get(Table::Gaps, &key)? {
            let gap = GapRecord::read(&row)?;
            entry.class = gap.class()?;
            entry.arrived_at = Some(Millis(gap.arrived_at));
        }
        Ok(entry)
    }
}

/// Offsets that the feed has no entry of.
fn unknown(from: Position, end: u64) -> Option<LedgerOffset> {
    let count = end.checked_sub(from.offset).filter(|count| *count > 0)?;
    Some(LedgerOffset {
        count,
        ..LedgerOffset::of(from, OffsetClass::Unexplained)
    })
}
