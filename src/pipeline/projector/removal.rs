//! Takes the rows of a purged saga out of the log and out of what is kept of its timeline.
//!
//! The rows of a small saga go with the write that takes it out of the projections. Those of a larger one
//! go afterwards, some at a time, so that no write and no memory grows with it: a marker in `meta`, written
//! together with the record of the purge, says what is to be finished. Whoever opens the projections or
//! reads the whole log finishes it first; doing it twice does no harm.

use super::extent::Extent;
use crate::domain::{Position, SagaId, TimelineKey};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord, MetaRecord};
use crate::store::timelines::{self, RowsRemoved};
use crate::store::{
    Batch, Durability, Generation, Key, Scan, Store, StoreError, StoreRead, Table, keys, late, totals,
};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// Most deliveries of a saga, those behind the cut among them, whose rows go with everything else.
pub(super) const SMALL: u64 = if cfg!(test) { 6 } else { 1_024 };
/// Rows of a larger one that go in one write.
pub(super) const ROWS: usize = if cfg!(test) { 4 } else { 8_192 };

/// A removal under way.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    saga: SagaId,
    decision: u64,
    extent: Extent,
    log_behind: Option<TimelineKey>,
    log_done: bool,
    timeline: RowsRemoved,
}

impl Removal {
    pub(super) fn new(saga: SagaId, decision: u64, extent: Extent) -> Self {
        Self {
            saga,
            decision,
            extent,
            log_behind: None,
            log_done: false,
            timeline: RowsRemoved::default(),
        }
    }

    /// Adds the removal of a saga of so many deliveries to a write, or the marker that it is to be done.
    pub(super) fn begin(
        mut self,
        store: &dyn StoreRead,
        generation: Generation,
        deliveries: u64,
        rows: &mut Batch,
    ) -> Result<(), StoreError> {
        if deliveries <= SMALL {
            self.step(store, generation, rows, usize::MAX)?;
            return Ok(());
        }
        let edges = self.extent.cut.iter().map(|(_, next)| next.to_string());
        let unread = self.extent.unread.iter().map(Position::to_string);
        let decision = std::iter::once(self.decision.to_string());
        let words: Vec<String> = decision.chain(edges).chain(unread).collect();
        let value = words.join(" ");
        rows.put_with(Table::Meta, &marker(&self.saga), |bytes| {
            MetaRecord { value: &value }.write(bytes);
        });
        Ok(())
    }

    /// One that is to be done, if there is any.
    pub(super) fn unfinished(store: &dyn StoreRead) -> Result<Option<Self>, StoreError> {
        let mut found = None;
        let partition = totals::UNFINISHED_PURGES.as_bytes();
        Scan::of(Table::Meta, partition)
            .limit(1)
            .each(store, |saga, value| {
                let saga = SagaId::new(keys::parse_text("meta", saga)?);
                found = Some(Self::read(saga, MetaRecord::read(value)?.value)?);
                Ok(ControlFlow::Break(()))
            })?;
        Ok(found)
    }

    fn read(saga: SagaId, words: &str) -> Result<Self, StoreError> {
        let (places, numbers): (Vec<&str>, Vec<&str>) = words.split(' ').partition(|word| word.contains('@'));
        let numbers: Option<Vec<u64>> = numbers.iter().map(|word| word.parse().ok()).collect();
        let unread: Option<BTreeSet<Position>> = places.iter().map(|word| place(word)).collect();
        let (Some((decision, edges)), Some(unread)) =
            (numbers.as_deref().and_then(<[u64]>::split_first), unread)
        else {
            return Err(StoreError::Corrupt(format!(
                "meta: unfinished purge of saga {saga}: {words:?}"
            )));
        };
        let extent = Extent {
            cut: (0..).zip(edges.iter().copied()).collect(),
            unread: Arc::new(unread),
        };
        Ok(Self::new(saga, *decision, extent))
    }

    /// Adds the removal of the next rows, about so many at most; whether that is the end.
    fn step(
        &mut self,
        store: &dyn StoreRead,
        generation: Generation,
        rows: &mut Batch,
        limit: usize,
    ) -> Result<bool, StoreError> {
        if !self.log_done {
            self.remove_deliveries(store, rows, limit)?;
        }
        if !self.log_done {
            return Ok(false);
        }
        timelines::remove(store, generation, &self.saga, &mut self.timeline, rows, limit)
    }

    fn remove_deliveries(
        &mut self,
        store: &dyn StoreRead,
        rows: &mut Batch,
        limit: usize,
    ) -> Result<(), StoreError> {
        let start = self.log_behind.map(keys::place_sort);
        let from = start
            .as_ref()
            .map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..]));
        let (mut key, mut seen) = (Key::default(), 0);
        let (partition, range) = (self.saga.as_str().as_bytes(), (from, Bound::Unbounded));
        Scan::of(Table::Log, partition)
            .range(range)
            .limit(limit)
            .each(store, |sort, value| {
                seen += 1;
                let place = keys::parse_log_sort(sort)?;
                self.log_behind = Some(place);
                if self.extent.contains(place.position) {
                    keys::log(&mut key, &self.saga, place);
                    rows.delete(Table::Log, &key);
                    let arrived_at = LogRecord::read(value)?.arrived_at();
                    late::delete(rows, (place.recorded_at, arrived_at), place.position);
                    keys::by_offset(&mut key, place.position);
                    let decision = self.decision;
                    rows.put_with(Table::Feed, &key, |bytes| {
                        FeedRecord::Purged { decision }.write(bytes);
                    });
                }
                Ok(ControlFlow::Continue(()))
            })?;
        self.log_done = seen < limit;
        Ok(())
    }

    /// Writes the next step; whether that was the end.
    pub(super) fn write_step(
        &mut self,
        store: &dyn Store,
        generation: Generation,
    ) -> Result<bool, StoreError> {
        let mut rows = Batch::new();
        let done = self.step(store, generation, &mut rows, ROWS)?;
        if done {
            rows.delete(Table::Meta, &marker(&self.saga));
        }
        failpoint::pass("purge.between_batches");
        store.write(&rows, Durability::Process)?;
        Ok(done)
    }
}

/// A position, as it is shown.
fn place(word: &str) -> Option<Position> {
    let (partition, offset) = word.split_once('@')?;
    Some(Position::new(partition.parse().ok()?, offset.parse().ok()?))
}

fn marker(saga: &SagaId) -> Key {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::UNFINISHED_PURGES, saga.as_str());
    key
}
