//! Restores a purged saga, as if it had never gone. A small one in one write; a large one, or one of which
//! much came late, in writes of a bounded size:
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
use super::arrivals::{self, Arrivals};
use super::large;
use super::projections::{Changes, Scope, Total};
use super::purge::{append_rows, put_log_row, put_record};
use super::removal::SMALL;
use super::restore::{self, Restore, RestoreOutcome, Restoring};
use super::visible::Visible;
use crate::domain::{Event, Evidence, PurgedSaga, SagaId, SagaState, evidence};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::records::MetaRecord;
use crate::store::{Batch, Durability, StoreError, Table, purged, reads};

impl Projector {
    /// Restores a purged saga, given all of the deliveries that were removed, in the order of its
    /// timeline. Of a small saga in one write.
    ///
    /// # Errors
    /// [`StoreError`]; then the saga is still gone and the same call may be made again.
    pub fn restore(&mut self, restore: &Restore, events: &[Event]) -> Result<RestoreOutcome, StoreError> {
        self.remove_rest()?;
        let saga = &restore.saga;
        let record = purged::purged(&*self.store, saga)?;
        let Some(record) = record.filter(PurgedSaga::is_gone) else {
            return Ok(RestoreOutcome::NotGone);
        };
        let late = purged::count_deliveries(&*self.store, saga, &self.cursor)?;
        if events.len() != record.events as usize
            || evidence(events) != record.hash
            || events.iter().any(|event| event.saga_id != *saga)
        {
            return Ok(RestoreOutcome::Differs);
        }
        if late + events.len() as u64 > SMALL {
            self.begin_restore(restore)?;
            self.restore_part(events)?;
            return self.end_restore();
        }
        let result = self.restore_small(restore, events, record);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn restore_small(
        &mut self,
        restore: &Restore,
        events: &[Event],
        mut record: PurgedSaga,
    ) -> Result<RestoreOutcome, StoreError> {
        let saga = &restore.saga;
        let mut changes = Changes::new(self.target(), Scope::All);
        let late = reads::deliveries(&*self.store, saga, &self.cursor)?;
        let count = i64::try_from(late.len()).unwrap_or(i64::MAX);
        changes.add(Total::Late, -count);
        changes.purged(&record, -1);
        let visible = Visible {
            store: &*self.store,
            generation: self.generation,
            definitions: &self.definitions,
            within: &self.cursor,
        };
        let arrivals = Arrivals {
            saga: saga.clone(),
            before: None,
            state: None,
            events: events.iter().chain(&late).collect(),
        };
        arrivals::fold(
            visible,
            vec![arrivals],
            &mut changes,
            |saga, before, state, changes| {
                changes.replace(&saga, before.as_ref(), (&state, &self.definitions));
            },
        )?;
        changes.returned_offsets();
        append_rows(&mut changes.rows, events);
        record.restored = Some((restore.decision, restore.at));
        put_record(&mut changes.rows, saga, &record);
        self.forget_saga(saga);
        failpoint::pass("restore.before_write");
        self.write_changes(&mut changes)?;
        failpoint::pass("restore.after_write");
        Ok(RestoreOutcome::Restored)
    }

    /// Begins to restore a saga: its deliveries come by [`Projector::restore_part`], in the order of its
    /// timeline, then [`Projector::end_restore`].
    ///
    /// # Errors
    /// [`StoreError`]; the same call may be made again.
    pub fn begin_restore(&mut self, restore: &Restore) -> Result<(), StoreError> {
        self.remove_rest()?;
        self.restoring = None;
        restore::finish(&self.store)?;
        if !purged::purged(&*self.store, &restore.saga)?.is_some_and(|record| record.is_gone()) {
            return Ok(());
        }
        let mut rows = Batch::new();
        rows.put_with(Table::Meta, &restore::marker(&restore.saga), |bytes| {
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
    pub fn restore_part(&mut self, events: &[Event]) -> Result<(), StoreError> {
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
        restore::finish(&self.store)?;
        Ok(outcome)
    }

    fn let_show(&mut self, restore: &Restore, mut record: PurgedSaga) -> Result<RestoreOutcome, StoreError> {
        let mut changes = Changes::new(self.target(), Scope::All);
        let (state, deliveries) = self.fold_restored(&restore.saga, &mut changes)?;
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
    pub(super) fn fold_restored(
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
}

#[cfg(test)]
mod tests;
