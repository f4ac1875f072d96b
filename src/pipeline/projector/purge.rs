//! Removes whole sagas up to a cut of the topic.
//!
//! Removal is a function of the log, the cut and the list: every replica that has folded all inside
//! the cut comes to the same rows, whatever it has folded beyond. Deliveries behind the cut stay in the
//! log as what they are, late; they make no new saga. So do records inside that whoever decided could not read.
//!
//! A saga is read as a stream. What is needed beside is at most what `subset` says. How its rows go is
//! not decided here (`removal`).

use super::Projector;
use super::extent::Extent;
use super::projections::{Changes, Footprint, Scope};
use super::removal::Removal;
use super::shard::shard_of;
use super::subset::{self, Kinds, count};
use crate::domain::{
    Cut, Event, Evidence, Millis, Position, PurgedSaga, Remains, RowGroups, SagaDefinitions, SagaId,
    SagaState,
};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord, PurgedRecord};
use crate::store::{Batch, Durability, Key, StoreError, StoreRead, Table, keys, reads};
use crate::store::{late, purged, timelines};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// One saga that a decision removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeSaga {
    /// The saga.
    pub saga: SagaId,
    /// Its deliveries inside the cut.
    pub events: u32,
    /// Their [evidence](crate::domain::evidence).
    pub hash: [u8; 32],
    /// In which row groups of the decision's archive object they are, if it has one.
    pub row_groups: Option<RowGroups>,
}

/// What a decision to purge says of all its sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Its offset in the ops topic.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// By which rule, in words.
    pub rule: Box<str>,
    /// What it removes lies inside.
    pub extent: Extent,
    /// The definitions in force where it was decided. What remains of a saga is told by them on every replica,
    /// whatever its projections are made under when it gets there.
    pub definitions: Arc<SagaDefinitions>,
}

/// What became of one saga of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeOutcome {
    /// It is removed.
    Purged,
    /// It was already.
    Already,
    /// A hold keeps it.
    Held,
    /// What the log holds of it is not what the decision names; it stays.
    Differs,
}

impl Projector {
    /// Removes sagas, all in one write with the records of it; of large ones rows stay in the log,
    /// which [`Projector::remove_more`] removes. Every delivery inside the decision's cut must be
    /// folded. `held` says of which sagas it is not to be done, from the state that the cut gives them.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn purge(
        &mut self,
        purge: &Purge,
        sagas: &[PurgeSaga],
        held: &dyn Fn(&SagaId, &SagaState) -> bool,
    ) -> Result<Vec<PurgeOutcome>, StoreError> {
        let result = self
            .remove_rest()
            .and_then(|()| self.try_purge(purge, sagas, held));
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_purge(
        &mut self,
        purge: &Purge,
        sagas: &[PurgeSaga],
        held: &dyn Fn(&SagaId, &SagaState) -> bool,
    ) -> Result<Vec<PurgeOutcome>, StoreError> {
        debug_assert!(
            self.cursor.covers(&purge.extent.cut),
            "purged before it was folded"
        );
        let same = purge.definitions.fold_rules() == self.definitions.fold_rules();
        let others = (!same).then_some(&*purge.definitions);
        let mut changes = Changes::new(self.target(), Scope::All);
        let mut seen = HashSet::new();
        let mut outcomes = Vec::with_capacity(sagas.len());
        for entry in sagas {
            let outcome = if seen.insert(&entry.saga) {
                self.purge_one((purge, others), entry, held, &mut changes)?
            } else {
                PurgeOutcome::Already
            };
            outcomes.push(outcome);
        }
        if outcomes.contains(&PurgeOutcome::Purged) {
            self.any_purged = true;
            failpoint::pass("purge.before_write");
            self.write_changes(&mut changes)?;
            failpoint::pass("purge.after_write");
        }
        Ok(outcomes)
    }

    fn purge_one(
        &mut self,
        (purge, others): (&Purge, Option<&SagaDefinitions>),
        entry: &PurgeSaga,
        held: &dyn Fn(&SagaId, &SagaState) -> bool,
        changes: &mut Changes,
    ) -> Result<PurgeOutcome, StoreError> {
        let saga = &entry.saga;
        if purged::purged(&*self.store, saga)?.is_some_and(|earlier| earlier.is_gone()) {
            return Ok(PurgeOutcome::Already);
        }
        let before = reads::instance(&*self.store, self.generation, saga)?;
        let inside = Inside::look(&*self.store, saga, &purge.extent, &self.cursor)?;
        let Some(before) = before.filter(|_| inside.is(entry)) else {
            return Ok(PurgeOutcome::Differs);
        };
        let parts = Parts::of(self, saga, (&purge.extent, others), &before, &inside)?;
        let state = parts.state.as_ref().unwrap_or(&before);
        if held(saga, state) {
            return Ok(PurgeOutcome::Held);
        }
        let record = PurgedSaga {
            decision: purge.decision,
            purged_at: purge.at,
            rule: purge.rule.clone(),
            saga_type: state.saga_type.clone(),
            order_id: state.order_id.clone(),
            status: state.status,
            started_at: state.started_at,
            updated_at: state.updated_at,
            steps: state.step_count,
            events: entry.events,
            hash: entry.hash,
            first: inside.first,
            last: inside.last,
            arrivals: inside.arrivals.clone(),
            row_groups: entry.row_groups,
            path: state.path(),
            remains: Remains::of(state, &purge.definitions, parts.inside),
            restored: None,
        };
        // What stood was the fold of everything, the late deliveries included.
        changes.remove(saga, &Footprint::of(&before, &self.definitions));
        for ((status, step), count) in parts.all.as_ref().unwrap_or(&record.remains.processed) {
            changes.processed(*status, step, -i64::from(*count));
        }
        changes.purged(&record, 1);
        self.uncount_offsets(saga, changes)?;
        changes.removed_offsets(&record);
        self.count_outside(saga, purge, &inside, changes)?;
        let removal = Removal::new(saga.clone(), purge.decision, inside.extent(&purge.extent));
        // Rows of the index go for those behind the cut as well.
        let deliveries = inside.count + inside.outside;
        removal.begin(&*self.store, self.generation, deliveries, &mut changes.rows)?;
        put_record(&mut changes.rows, saga, &record);
        self.forget_saga(saga);
        Ok(PurgeOutcome::Purged)
    }

    /// Nothing that is folded of the saga stands any more, or repeats what does.
    fn uncount_offsets(&self, saga: &SagaId, changes: &mut Changes) -> Result<(), StoreError> {
        let (store, folded): (&dyn StoreRead, _) = (&*self.store, &self.cursor);
        timelines::each_row_marked(store, self.generation, saga, folded, |place, value, stands| {
            let event = LogRecord::read(value)?.view(place)?;
            if stands {
                changes.stands(&event, -1);
            } else {
                changes.repeats(&event, -1);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The other deliveries are late from now on.
    fn count_outside(
        &self,
        saga: &SagaId,
        purge: &Purge,
        inside: &Inside,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        if inside.outside == 0 {
            return Ok(());
        }
        timelines::each_delivery(&*self.store, saga, &self.cursor, |event| {
            if !purge.extent.contains(event.place.position) {
                changes.late(std::iter::once(*event));
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    pub(super) fn forget_saga(&mut self, saga: &SagaId) {
        let count = self.shards.len();
        self.shards[shard_of(saga, count)].forget_saga(saga);
    }

    /// Writes what changes without moving the cursor.
    pub(super) fn write_changes(&mut self, changes: &mut Changes) -> Result<(), StoreError> {
        let mut rows = std::mem::take(&mut changes.rows);
        self.counters.apply(&*self.store, changes, &mut rows)?;
        rows.sort();
        self.record_rules(&mut rows);
        self.store.write(&rows, Durability::Process)?;
        self.unrecorded = false;
        Ok(())
    }
}

/// What the log holds of a saga that a decision is about.
struct Inside {
    count: u64,
    hash: [u8; 32],
    /// The lowest position.
    first: Position,
    /// The highest.
    last: Position,
    /// Deliveries by status and step, duplicates too.
    kinds: Kinds,
    /// Deliveries by partition and day of arrival.
    arrivals: BTreeMap<(u32, i64), u32>,
    /// Other deliveries that are folded.
    outside: u64,
    /// Those of them that whoever decided could not read.
    unread: BTreeSet<Position>,
}

impl Inside {
    fn look(store: &dyn StoreRead, saga: &SagaId, extent: &Extent, folded: &Cut) -> Result<Self, StoreError> {
        let mut hash = Evidence::default();
        let mut inside = Self {
            count: 0,
            hash: [0; 32],
            first: Position::new(u32::MAX, u64::MAX),
            last: Position::new(0, 0),
            kinds: Kinds::new(),
            arrivals: BTreeMap::new(),
            outside: 0,
            unread: BTreeSet::new(),
        };
        timelines::each_delivery(store, saga, folded, |event| {
            let position = event.place.position;
            if extent.contains(position) {
                hash.add(saga, event);
                inside.count += 1;
                inside.first = inside.first.min(position);
                inside.last = inside.last.max(position);
                count(&mut inside.kinds, event);
                let place = (position.partition, event.arrived_at.day());
                *inside.arrivals.entry(place).or_default() += 1;
            } else {
                inside.outside += 1;
                let is_unread = extent.unread.contains(&position);
                inside.unread.extend(is_unread.then_some(position));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        inside.hash = hash.hash();
        Ok(inside)
    }

    /// The decision's extent, as far as this saga is concerned.
    fn extent(&self, whole: &Extent) -> Extent {
        Extent {
            cut: whole.cut.clone(),
            unread: Arc::new(self.unread.clone()),
        }
    }

    fn is(&self, entry: &PurgeSaga) -> bool {
        self.count == u64::from(entry.events) && self.count > 0 && self.hash == entry.hash
    }
}

/// How a saga is taken apart by a decision.
struct Parts {
    /// The fold of what is inside, under the decision's rules; `None` when that is the saga as it stands.
    state: Option<SagaState>,
    /// Events of the timeline inside, by status and step.
    inside: Kinds,
    /// Of the whole timeline; `None` when all is inside.
    all: Option<Kinds>,
}

impl Parts {
    fn of(
        projector: &Projector,
        saga: &SagaId,
        (extent, others): (&Extent, Option<&SagaDefinitions>),
        whole: &SagaState,
        inside: &Inside,
    ) -> Result<Self, StoreError> {
        let store: &dyn StoreRead = &*projector.store;
        let mut all = Kinds::new();
        if inside.outside == 0 && whole.duplicates == 0 {
            all.clone_from(&inside.kinds);
        } else {
            timelines::each_event(
                store,
                projector.generation,
                saga,
                (None, whole.tail),
                &projector.cursor,
                |event| {
                    count(&mut all, event);
                    Ok(ControlFlow::Continue(()))
                },
            )?;
        }
        if inside.outside == 0 && others.is_none() {
            return Ok(Self {
                state: None,
                inside: all,
                all: None,
            });
        }
        let rules = others.unwrap_or(&projector.definitions);
        let (state, kinds) = subset::fold(store, saga, extent, rules)?;
        Ok(Self {
            state,
            inside: kinds,
            all: (inside.outside > 0).then_some(all),
        })
    }
}

pub(super) fn append_rows(rows: &mut Batch, events: &[Event]) {
    let mut key = Key::default();
    for event in events {
        put_log_row(rows, event);
        keys::by_offset(&mut key, event.position);
        let entry = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        rows.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
    }
}

pub(super) fn put_log_row(rows: &mut Batch, event: &Event) {
    let mut key = Key::default();
    keys::log(&mut key, &event.saga_id, event.timeline_key());
    rows.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
    late::put(rows, event);
}

pub(super) fn put_record(rows: &mut Batch, saga: &SagaId, record: &PurgedSaga) {
    let mut key = Key::default();
    keys::purged(&mut key, saga);
    rows.put_with(Table::Purged, &key, |bytes| {
        PurgedRecord::of(record).write(bytes);
    });
}

#[cfg(test)]
mod tests;
