//! A restore: which saga, what of it has come, and what is left to be done, or to be taken back,
//! after the one write that lets a large saga show. How the deliveries come and are folded is not decided here
//! (`restoring`).

use super::removal::ROWS;
use crate::domain::{Evidence, Millis, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::timelines::{self, RowsRemoved};
use crate::store::{
    Batch, Durability, Generation, Key, Scan, SharedStore, Store, StoreError, StoreRead, Table, keys, late,
    purged, reads, totals,
};
use std::ops::{Bound, ControlFlow};

/// A saga to restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The decision's offset in the ops topic.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// The saga.
    pub saga: SagaId,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It is back.
    Restored,
    /// The saga is not purged.
    NotGone,
    /// These are not the deliveries that were removed.
    Differs,
}

/// A restore whose deliveries are being brought.
pub(super) struct Restoring {
    pub(super) restore: Restore,
    pub(super) evidence: Evidence,
    pub(super) count: u32,
}

/// Ends what a crash left of restores: takes it back, or finishes it.
pub(super) fn finish(store: &SharedStore) -> Result<(), StoreError> {
    let generation = reads::active_generation(&**store)?;
    while let Some(mut rest) = Rest::unfinished(&**store)? {
        while !rest.write_step(&**store, generation)? {}
    }
    Ok(())
}

/// What is left to be done, or to be taken back, of a restore.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    saga: SagaId,
    gone: bool,
    behind: Option<TimelineKey>,
    log_done: bool,
    timeline: RowsRemoved,
}

impl Rest {
    pub(super) fn unfinished(store: &dyn StoreRead) -> Result<Option<Self>, StoreError> {
        let mut found = None;
        let partition = totals::UNFINISHED_RESTORES.as_bytes();
        Scan::of(Table::Meta, partition).limit(1).each(store, |saga, _| {
            found = Some(SagaId::new(keys::parse_text("meta", saga)?));
            Ok(ControlFlow::Break(()))
        })?;
        let Some(saga) = found else {
            return Ok(None);
        };
        let gone = purged::purged(store, &saga)?.is_some_and(|record| record.is_gone());
        Ok(Some(Self {
            saga,
            gone,
            behind: None,
            log_done: false,
            timeline: RowsRemoved::default(),
        }))
    }

    /// Writes the next step; whether that was the end.
    pub(super) fn write_step(
        &mut self,
        store: &dyn Store,
        generation: Generation,
    ) -> Result<bool, StoreError> {
        let mut rows = Batch::new();
        if !self.log_done {
            self.deliveries(store, &mut rows)?;
        }
        let mut done = self.log_done;
        if done && self.gone {
            done = timelines::remove(store, generation, &self.saga, &mut self.timeline, &mut rows, ROWS)?;
        }
        if done {
            rows.delete(Table::Meta, &marker(&self.saga));
        }
        store.write(&rows, Durability::Process)?;
        Ok(done)
    }

    /// The next deliveries of the saga: of those that were brought, the rows are taken back, or the feed
    /// names them again.
    fn deliveries(&mut self, store: &dyn StoreRead, rows: &mut Batch) -> Result<(), StoreError> {
        let places = self.next_places(store)?;
        self.log_done = places.len() < ROWS;
        self.behind = places.last().map(|(place, _)| *place).or(self.behind);
        let mut key = Key::default();
        let feed: Vec<Key> = places
            .iter()
            .map(|(place, _)| {
                keys::by_offset(&mut key, place.position);
                key.clone()
            })
            .collect();
        let found = store.multi_get(Table::Feed, &feed)?;
        for (((place, arrived_at), feed), value) in places.iter().zip(&feed).zip(found) {
            let value = value.as_deref().map(FeedRecord::read).transpose()?;
            if !matches!(value, Some(FeedRecord::Purged { .. })) {
                continue;
            }
            if self.gone {
                keys::log(&mut key, &self.saga, *place);
                rows.delete(Table::Log, &key);
                late::delete(rows, (place.recorded_at, *arrived_at), place.position);
            } else {
                let saga_id = self.saga.as_str();
                let recorded_at = place.recorded_at.0;
                rows.put_with(Table::Feed, feed, |bytes| {
                    FeedRecord::Logged { saga_id, recorded_at }.write(bytes);
                });
            }
        }
        Ok(())
    }

    /// Where the next ones stand, and when they arrived.
    fn next_places(&self, store: &dyn StoreRead) -> Result<Vec<(TimelineKey, Millis)>, StoreError> {
        let start = self.behind.map(keys::place_sort);
        let from = start
            .as_ref()
            .map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..]));
        let mut places = Vec::new();
        let (partition, range) = (self.saga.as_str().as_bytes(), (from, Bound::Unbounded));
        Scan::of(Table::Log, partition)
            .range(range)
            .limit(ROWS)
            .each(store, |sort, value| {
                places.push((keys::parse_log_sort(sort)?, LogRecord::read(value)?.arrived_at()));
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(places)
    }
}

/// Says in `meta` that a restore is under way.
pub(super) fn marker(saga: &SagaId) -> Key {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::UNFINISHED_RESTORES, saga.as_str());
    key
}
