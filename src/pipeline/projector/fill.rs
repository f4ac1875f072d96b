//! Puts deliveries into the log that are older than the cursor: those that the broker did not deliver
//! at first, and a replay of the topic found.

use super::Projector;
use super::arrivals::{self, Arrivals};
use super::projections::{Changes, Footprint, Scope};
use super::purge::append_rows;
use super::visible::Visible;
use crate::domain::{Event, SagaId};
use crate::failpoint;
use crate::store::purged;
use crate::store::{Batch, StoreError, reads};
use std::collections::BTreeMap;

impl Projector {
    /// Adds the events to the log and folds their sagas anew, in one write with `rows`. Every event
    /// lies inside the cursor, and none is in the log yet.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn fill(&mut self, events: &[Event], rows: &Batch) -> Result<(), StoreError> {
        let result = self.remove_rest().and_then(|()| self.try_fill(events, rows));
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
        let mut changes = Changes::new(self.target(), Scope::All);
        let arrivals = self.filling(events, &mut changes)?;
        for arriving in &arrivals {
            self.forget_saga(&arriving.saga);
        }
        let visible = Visible {
            store: &*self.store,
            generation: self.generation,
            definitions: &self.definitions,
            within: &self.cursor,
        };
        arrivals::fold(visible, arrivals, &mut changes, |saga, before, state, changes| {
            changes.replace(&saga, before.as_ref(), (&state, &self.definitions));
        })?;
        append_rows(&mut changes.rows, events);
        changes.rows.append(rows);
        failpoint::pass("fill.before_write");
        self.write_changes(&mut changes)?;
        failpoint::pass("fill.after_write");
        Ok(())
    }

    /// The events by saga; those of sagas that are gone are late.
    fn filling<'e>(
        &self,
        events: &'e [Event],
        changes: &mut Changes,
    ) -> Result<Vec<Arrivals<'e>>, StoreError> {
        let mut by_saga: BTreeMap<&SagaId, Vec<&'e Event>> = BTreeMap::new();
        for event in events {
            by_saga.entry(&event.saga_id).or_default().push(event);
        }
        let mut arrivals = Vec::with_capacity(by_saga.len());
        for (saga, events) in by_saga {
            if purged::purged(&*self.store, saga)?.is_some_and(|record| record.is_gone()) {
                changes.late(events.iter().map(|event| event.view()));
                continue;
            }
            let state = reads::instance(&*self.store, self.generation, saga)?;
            arrivals.push(Arrivals {
                saga: saga.clone(),
                before: state
                    .as_ref()
                    .map(|state| Footprint::of(state, &self.definitions)),
                state,
                events,
            });
        }
        Ok(arrivals)
    }
}
