//! What deliveries would do to a saga if they arrived now. Nothing is written.

use super::arrivals::{self, Arrivals};
use super::projections::{Changes, Scope, Target};
use super::visible::Visible;
use crate::domain::{Cut, Event, InForce, SagaDefinitions, SagaId, SagaState};
use crate::store::{Generation, StoreError, StoreRead, reads, timelines};
use std::sync::Arc;

/// What a delivery would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Would {
    /// It would stand in the timeline.
    Stand,
    /// Its event is there already.
    Repeat,
    /// Its event is there already, with another body.
    Contradict,
}

/// Tells what deliveries would do, at one moment of a store.
pub struct Preview<'r> {
    store: &'r dyn StoreRead,
    generation: Generation,
    definitions: Arc<SagaDefinitions>,
    cursor: Cut,
}

impl<'r> Preview<'r> {
    /// On the projections that serve.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn new(store: &'r dyn StoreRead, in_force: &InForce) -> Result<Self, StoreError> {
        let generation = reads::active_generation(store)?;
        Ok(Self {
            store,
            generation,
            definitions: reads::definitions_of(store, generation, in_force)?,
            cursor: reads::cursor(store, generation)?,
        })
    }

    /// The saga's state after these deliveries, which lie behind all that were folded, in order of
    /// position, and what the last one of them would do; `None` when there is nothing of the saga.
    ///
    /// # Errors
    /// [`StoreError`] when the saga cannot be read.
    pub fn after(
        &self,
        saga: &SagaId,
        deliveries: &[Event],
    ) -> Result<Option<(SagaState, Would)>, StoreError> {
        let state = reads::instance(self.store, self.generation, saga)?;
        let Some((last, others)) = deliveries.split_last() else {
            return Ok(state.map(|state| (state, Would::Stand)));
        };
        let would = self.would(saga, state.as_ref(), others, last)?;
        let visible = Visible {
            store: self.store,
            generation: self.generation,
            definitions: &self.definitions,
            within: &self.cursor,
        };
        let arrivals = Arrivals {
            saga: saga.clone(),
            before: None,
            state,
            events: deliveries.iter().collect(),
        };
        let (mut changes, mut after) = (
            Changes::new(Target::whole(self.generation), Scope::WithSagas),
            None,
        );
        arrivals::fold(visible, vec![arrivals], &mut changes, |_, _, state, _| {
            after = Some(state);
        })?;
        Ok(after.map(|state| (state, would)))
    }

    fn would(
        &self,
        saga: &SagaId,
        state: Option<&SagaState>,
        others: &[Event],
        last: &Event,
    ) -> Result<Would, StoreError> {
        let event = last.view();
        let stored = match state {
            Some(state) => timelines::find(self.store, self.generation, saga, state, &event)?,
            None => None,
        };
        let stands = match stored {
            Some(stored) => Some(stored.body()),
            None => others
                .iter()
                .filter(|other| other.key() == last.key())
                .min_by_key(|other| other.position)
                .map(|other| other.view().body_digest()),
        };
        Ok(match stands {
            None => Would::Stand,
            Some(body) if body == event.body_digest() => Would::Repeat,
            Some(_) => Would::Contradict,
        })
    }
}
