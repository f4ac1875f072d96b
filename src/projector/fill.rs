//! Puts deliveries into the log that are older than the cursor: those that the broker did not deliver
//! at first, and a replay of the topic found.

use super::Projector;
use super::changes::{Changes, Footprint};
use super::purge::append_rows;
use crate::domain::{Event, SagaId, deduplicate, fold_deduplicated};
use crate::failpoint;
use crate::store::purged;
use crate::store::{Batch, StoreError, read};
use std::collections::BTreeMap;

impl Projector {
    /// Adds the events to the log and folds their sagas anew, in one write with `rows`. Every event
    /// lies inside the cursor, and none is in the log yet.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn fill(&mut self, events: &[Event], rows: &Batch) -> Result<(), StoreError> {
        let result = self.try_fill(events, rows);
        if result.is_err() {
            self.forget();
        }
        result
    }

    fn try_fill(&mut self, events: &[Event], rows: &Batch) -> Result<(), StoreError> {
        debug_assert!(
            events.iter().all(|event| self.cursor.contains(event.position)),
            "what lies behind the cursor is folded when it is consumed"
        );
        let mut by_saga: BTreeMap<&SagaId, Vec<&Event>> = BTreeMap::new();
        for event in events {
            by_saga.entry(&event.saga_id).or_default().push(event);
        }
        let mut changes = Changes::new(self.generation, true);
        for (saga, added) in by_saga {
            self.fill_saga(saga, &added, &mut changes)?;
        }
        append_rows(&mut changes.rows, events);
        changes.rows.append(rows);
        failpoint::pass("fill.before_write");
        self.write_changes(&mut changes)?;
        failpoint::pass("fill.after_write");
        Ok(())
    }

    fn fill_saga(
        &mut self,
        saga: &SagaId,
        added: &[&Event],
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        if purged::purged(&*self.store, saga)?.is_some_and(|record| record.is_gone()) {
            changes.late(added.iter().copied());
            return Ok(());
        }
        let before = read::deliveries(&*self.store, saga, &self.cursor)?;
        let mut after = before.clone();
        after.extend(added.iter().map(|event| (*event).clone()));
        let (before, after) = (deduplicate(&before), deduplicate(&after));
        for event in &before.timeline {
            changes.processed(event.status, &event.step, -1);
        }
        for event in &after.timeline {
            changes.processed(event.status, &event.step, 1);
        }
        let old = fold_deduplicated(&before, &self.definitions);
        if let Some(state) = fold_deduplicated(&after, &self.definitions) {
            changes.replace(saga, old.as_ref().map(Footprint::of).as_ref(), &state);
        }
        self.forget_saga(saga);
        Ok(())
    }
}
