//! Brings a large saga back, or one of which much came late: in writes of a bounded size.
//!
//! ```text
//! rows of the log, some at a time → fold, part by part → record, sums and state in one write → feed
//! ```
//!
//! Until that one write the saga counts as gone, so nothing of it shows. A marker in `meta` says that a
//! restore is under way. What it brought is known from the feed, where its places stay those of purged
//! deliveries until the end; so whoever opens the projections or reads the whole log first takes back what
//! is of a saga that is gone, or finishes what is of one that is back. Doing either twice does no harm.

use super::Projector;
use super::changes::{Changes, Scope};
use super::large;
use super::projections::Total;
use super::purge::{put_log_row, put_record};
use super::refold::Visible;
use super::removal::ROWS;
use super::restore::{Restore, RestoreOutcome};
use crate::domain::{Event, Evidence, PurgedSaga, SagaId, SagaState, TimelineKey};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, MetaRecord};
use crate::store::timelines::{self, RowsRemoved};
use crate::store::{
    Batch, Durability, Generation, Key, Scan, SharedStore, Store, StoreError, StoreRead, Table, keys, purged,
    reads, totals,
};
use std::ops::{Bound, ControlFlow};

/// A restore whose deliveries are being brought.
pub(super) struct Restoring {
    restore: Restore,
    evidence: Evidence,
    count: u32,
}

impl Projector {
    /// Begins to bring a saga back: its deliveries come by [`Projector::bring`], in the order of its
    /// timeline, then [`Projector::end_restore`].
    ///
    /// # Errors
    /// [`StoreError`]; the same call may be made again.
    pub fn begin_restore(&mut self, restore: &Restore) -> Result<(), StoreError> {
        self.remove_rest()?;
        self.restoring = None;
        finish(&self.store)?;
        if !purged::purged(&*self.store, &restore.saga)?.is_some_and(|record| record.is_gone()) {
            return Ok(());
        }
        let mut rows = Batch::new();
        rows.put_with(Table::Meta, &marker(&restore.saga), |bytes| {
            MetaRecord { value: "" }.write(bytes);
        });
        self.store.write(&rows, Durability::Process)?;
        self.restoring = Some(Restoring {
            restore: restore.clone(),
            evidence: Evidence::default(),
            count: 0,
        });
        Ok(())
    }

    /// Puts the next deliveries into the log, in one write. They must be of those that were removed: of
    /// what else is brought not everything is taken back.
    ///
    /// # Errors
    /// [`StoreError`]; the restore is begun again then.
    pub fn bring(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let Some(restoring) = &mut self.restoring else {
            return Ok(());
        };
        let mut rows = Batch::new();
        for event in events {
            // One of another saga is not put anywhere; by the evidence it is told.
            restoring.evidence.add(&event.saga_id, &event.view());
            restoring.count = restoring.count.saturating_add(1);
            if event.saga_id == restoring.restore.saga {
                put_log_row(&mut rows, event);
            }
        }
        failpoint::pass("restore.between_batches");
        self.store.write(&rows, Durability::Process)
    }

    /// Folds the saga and lets it show. What is left to be done then is done by
    /// [`Projector::remove_more`].
    ///
    /// # Errors
    /// [`StoreError`]; the restore is begun again then.
    pub fn end_restore(&mut self) -> Result<RestoreOutcome, StoreError> {
        let Some(restoring) = self.restoring.take() else {
            return Ok(RestoreOutcome::NotGone);
        };
        let saga = &restoring.restore.saga;
        let record = purged::purged(&*self.store, saga)?.filter(PurgedSaga::is_gone);
        let outcome = match record {
            None => RestoreOutcome::NotGone,
            Some(record) if (restoring.evidence.hash(), restoring.count) != (record.hash, record.events) => {
                RestoreOutcome::Differs
            }
            Some(record) => return self.let_show(&restoring.restore, record),
        };
        finish(&self.store)?;
        Ok(outcome)
    }

    fn let_show(&mut self, restore: &Restore, mut record: PurgedSaga) -> Result<RestoreOutcome, StoreError> {
        let mut changes = Changes::new(self.generation, Scope::All);
        let (state, deliveries) = self.fold_brought(&restore.saga, &mut changes)?;
        changes.returned_offsets();
        let late = i64::try_from(deliveries).unwrap_or(i64::MAX) - i64::from(record.events);
        changes.add(Total::Late, -late);
        changes.purged(&record, -1);
        if let Some(state) = state {
            changes.replace(&restore.saga, None, (&state, &self.definitions));
        }
        record.restored = Some((restore.decision, restore.at));
        put_record(&mut changes.rows, &restore.saga, &record);
        self.forget_saga(&restore.saga);
        failpoint::pass("restore.before_write");
        let written = self.write_changes(&mut changes);
        if written.is_err() {
            self.forget();
        }
        failpoint::pass("restore.after_write");
        written.map(|()| RestoreOutcome::Restored)
    }

    /// Folds what the log holds of the saga now, what came late with it. The rows of its parts are written;
    /// nobody looks at them as long as it is gone.
    pub(super) fn fold_brought(
        &self,
        saga: &SagaId,
        changes: &mut Changes,
    ) -> Result<(Option<SagaState>, u64), StoreError> {
        let visible = Visible {
            store: &*self.store,
            generation: self.generation,
            definitions: &self.definitions,
            within: &self.cursor,
        };
        large::fold_parts(visible, saga, changes, |rows| {
            failpoint::pass("restore.between_parts");
            self.store.write(rows, Durability::Process)?;
            rows.clear();
            Ok::<_, StoreError>(())
        })
    }

    /// Does some more for a saga that is back; whether there may be more.
    pub(super) fn restore_more(&mut self) -> Result<bool, StoreError> {
        if self.restoring.is_some() {
            return Ok(false);
        }
        let known = match self.rest.take() {
            Some(rest) => Some(rest),
            None => Rest::unfinished(&*self.store)?,
        };
        let Some(mut rest) = known else {
            return Ok(false);
        };
        if !rest.write_step(&*self.store, self.generation)? {
            self.rest = Some(rest);
        }
        Ok(true)
    }
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
    fn unfinished(store: &dyn StoreRead) -> Result<Option<Self>, StoreError> {
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
    fn write_step(&mut self, store: &dyn Store, generation: Generation) -> Result<bool, StoreError> {
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
        self.behind = places.last().copied().or(self.behind);
        let mut key = Key::default();
        let feed: Vec<Key> = places
            .iter()
            .map(|place| {
                keys::by_offset(&mut key, place.position);
                key.clone()
            })
            .collect();
        let found = store.multi_get(Table::Feed, &feed)?;
        for ((place, feed), value) in places.iter().zip(&feed).zip(found) {
            let value = value.as_deref().map(FeedRecord::read).transpose()?;
            if !matches!(value, Some(FeedRecord::Purged { .. })) {
                continue;
            }
            if self.gone {
                keys::log(&mut key, &self.saga, *place);
                rows.delete(Table::Log, &key);
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

    fn next_places(&self, store: &dyn StoreRead) -> Result<Vec<TimelineKey>, StoreError> {
        let start = self.behind.map(keys::place_sort);
        let from = start
            .as_ref()
            .map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..]));
        let mut places = Vec::new();
        let (partition, range) = (self.saga.as_str().as_bytes(), (from, Bound::Unbounded));
        Scan::of(Table::Log, partition)
            .range(range)
            .limit(ROWS)
            .each(store, |sort, _| {
                places.push(keys::parse_log_sort(sort)?);
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(places)
    }
}

fn marker(saga: &SagaId) -> Key {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::UNFINISHED_RESTORES, saga.as_str());
    key
}

#[cfg(test)]
mod tests;
