//! Removes whole sagas up to a cut of the topic, and brings removed ones back.
//!
//! Removal is a function of the log, the cut and the list: every replica that has folded all inside
//! the cut comes to the same rows, whatever it has folded beyond. Deliveries behind the cut stay in the
//! log as what they are, late; they make no new saga.

use super::Projector;
use super::changes::{Changes, Footprint};
use super::shard::shard_of;
use crate::domain::{
    Cut, Event, Millis, Position, PurgedSaga, Remains, SagaId, SagaState, deduplicate, evidence,
    fold_deduplicated,
};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::purged;
use crate::store::records::{FeedRecord, LogRecord, PurgedRecord};
use crate::store::{Batch, Durability, Key, Read, StoreError, Table, TableRange, keys, read};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// One saga that a decision removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeSaga {
    /// The saga.
    pub saga: SagaId,
    /// Its deliveries inside the cut.
    pub events: u32,
    /// Their [`evidence`].
    pub hash: [u8; 32],
    /// In which row group of the decision's archive object they are, if it has one.
    pub row_group: Option<u32>,
}

/// What a decision to purge says of all its sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Its offset in the operations topic.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// By which rule, in words.
    pub rule: Box<str>,
    /// What it removes lies inside.
    pub cut: Cut,
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

/// A saga to bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The decision's offset in the operations topic.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// The saga.
    pub saga: SagaId,
    /// All deliveries that were removed.
    pub events: Vec<Event>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It is back.
    Restored,
    /// It is not gone.
    NotGone,
    /// These are not the deliveries that were removed.
    Differs,
}

/// Whether a purge was ever recorded.
pub(super) fn any_recorded(read: &dyn Read) -> Result<bool, StoreError> {
    let mut found = false;
    let whole = TableRange {
        table: Table::Purged,
        from: None,
        to: None,
    };
    read.scan_table(&whole, &mut |_, _, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

impl Projector {
    /// Removes sagas, all in one write with the records of it. Every delivery inside the decision's
    /// cut must be folded. `held` says of which sagas it is not to be done, from the state that the
    /// cut gives them.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn purge(
        &mut self,
        purge: &Purge,
        sagas: &[PurgeSaga],
        held: &dyn Fn(&SagaId, &SagaState) -> bool,
    ) -> Result<Vec<PurgeOutcome>, StoreError> {
        let result = self.try_purge(purge, sagas, held);
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
        debug_assert!(self.cursor.covers(&purge.cut), "purged before it was folded");
        let mut changes = Changes::new(self.generation, true);
        let mut seen = HashSet::new();
        let mut outcomes = Vec::with_capacity(sagas.len());
        for entry in sagas {
            let outcome = if seen.insert(&entry.saga) {
                self.purge_one(purge, entry, held, &mut changes)?
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
        purge: &Purge,
        entry: &PurgeSaga,
        held: &dyn Fn(&SagaId, &SagaState) -> bool,
        changes: &mut Changes,
    ) -> Result<PurgeOutcome, StoreError> {
        let saga = &entry.saga;
        if purged::purged(&*self.store, saga)?.is_some_and(|earlier| earlier.is_gone()) {
            return Ok(PurgeOutcome::Already);
        }
        let all = read::deliveries(&*self.store, saga, &self.cursor)?;
        let (inside, late): (Vec<Event>, Vec<Event>) = all
            .iter()
            .cloned()
            .partition(|event| purge.cut.contains(event.position));
        let parts = deduplicate(&inside);
        let Some(state) = fold_deduplicated(&parts, &self.definitions) else {
            return Ok(PurgeOutcome::Differs);
        };
        if inside.len() != entry.events as usize || evidence(&inside) != entry.hash {
            return Ok(PurgeOutcome::Differs);
        }
        if held(saga, &state) {
            return Ok(PurgeOutcome::Held);
        }
        let (first, last) = span(&inside);
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
            first,
            last,
            row_group: entry.row_group,
            remains: Remains::of(&parts, &state),
            restored: None,
        };
        // What stood was the fold of everything, the late deliveries included.
        let before = deduplicate(&all);
        if let Some(before_state) = fold_deduplicated(&before, &self.definitions) {
            changes.remove(saga, &Footprint::of(&before_state));
            for event in &before.timeline {
                changes.processed(event.status, &event.step, -1);
            }
        }
        changes.purged(&record.remains, record.events, 1);
        changes.late(late.iter());
        remove_rows(&mut changes.rows, &inside, purge.decision);
        put_record(&mut changes.rows, saga, &record);
        self.forget_saga(saga);
        Ok(PurgeOutcome::Purged)
    }

    /// Brings a purged saga back, in one write.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn restore(&mut self, restore: &Restore) -> Result<RestoreOutcome, StoreError> {
        let result = self.try_restore(restore);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_restore(&mut self, restore: &Restore) -> Result<RestoreOutcome, StoreError> {
        let saga = &restore.saga;
        let record = purged::purged(&*self.store, saga)?;
        let Some(mut record) = record.filter(PurgedSaga::is_gone) else {
            return Ok(RestoreOutcome::NotGone);
        };
        if restore.events.len() != record.events as usize
            || evidence(&restore.events) != record.hash
            || restore.events.iter().any(|event| event.saga_id != *saga)
        {
            return Ok(RestoreOutcome::Differs);
        }
        let mut changes = Changes::new(self.generation, true);
        let mut all = read::deliveries(&*self.store, saga, &self.cursor)?;
        changes.add(
            super::changes::Total::Late,
            -i64::try_from(all.len()).unwrap_or(i64::MAX),
        );
        all.extend(restore.events.iter().cloned());
        let parts = deduplicate(&all);
        let Some(state) = fold_deduplicated(&parts, &self.definitions) else {
            return Ok(RestoreOutcome::Differs);
        };
        changes.purged(&record.remains, record.events, -1);
        for event in &parts.timeline {
            changes.processed(event.status, &event.step, 1);
        }
        changes.replace(saga, None, &state);
        append_rows(&mut changes.rows, &restore.events);
        record.restored = Some((restore.decision, restore.at));
        put_record(&mut changes.rows, saga, &record);
        self.forget_saga(saga);
        failpoint::pass("restore.before_write");
        self.write_changes(&mut changes)?;
        failpoint::pass("restore.after_write");
        Ok(RestoreOutcome::Restored)
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

/// The lowest and the highest position.
fn span(events: &[Event]) -> (Position, Position) {
    let positions = || events.iter().map(|event| event.position);
    let none = Position::new(0, 0);
    (
        positions().min().unwrap_or(none),
        positions().max().unwrap_or(none),
    )
}

fn remove_rows(rows: &mut Batch, events: &[Event], decision: u64) {
    let mut key = Key::default();
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        rows.delete(Table::Log, &key);
        keys::by_offset(&mut key, event.position);
        rows.put_with(Table::Feed, &key, |bytes| {
            FeedRecord::Purged { decision }.write(bytes);
        });
    }
}

pub(super) fn append_rows(rows: &mut Batch, events: &[Event]) {
    let mut key = Key::default();
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        rows.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
        keys::by_offset(&mut key, event.position);
        let entry = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        rows.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
    }
}

fn put_record(rows: &mut Batch, saga: &SagaId, record: &PurgedSaga) {
    let mut key = Key::default();
    keys::purged(&mut key, saga);
    rows.put_with(Table::Purged, &key, |bytes| {
        PurgedRecord::of(record).write(bytes);
    });
}

#[cfg(test)]
#[path = "purge_tests.rs"]
mod tests;
