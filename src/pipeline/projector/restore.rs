//! Brings a purged saga back, as if it had never gone. A small one in one write; how a large one comes
//! back is not decided here (`restoring`).

use super::Projector;
use super::arrivals::{self, Arrivals};
use super::changes::{Changes, Scope};
use super::projections::Total;
use super::purge::{append_rows, put_record};
use super::refold::Visible;
use super::removal::SMALL;
use crate::domain::{Event, Millis, PurgedSaga, SagaId, evidence};
use crate::failpoint;
use crate::store::{StoreError, purged, reads};

/// A saga to bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The decision's offset in the operations topic.
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
    /// It is not gone.
    NotGone,
    /// These are not the deliveries that were removed.
    Differs,
}

impl Projector {
    /// Brings a purged saga back, given all of the deliveries that were removed, in the order of its
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
            self.bring(events)?;
            return self.end_restore();
        }
        let result = self.restore_small(restore, events, record);
        if result.is_err() {
            self.forget();
        }
        result
    }

    pub(super) fn restore_small(
        &mut self,
        restore: &Restore,
        events: &[Event],
        mut record: PurgedSaga,
    ) -> Result<RestoreOutcome, StoreError> {
        let saga = &restore.saga;
        let mut changes = Changes::new(self.generation, Scope::All);
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
}
