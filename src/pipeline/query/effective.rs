//! What an event's status means for its saga, as the fold has it: by the type of the saga, which its first event named,
//! and not by the type that the event itself names; and whether it is an operator's change that was refused.

use super::steps::Steps;
use super::trees::Trees;
use crate::domain::{
    AnomalyKind, Cut, Event, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId, SagaState, SagaStatus,
};
use crate::store::{StoreError, reads, timelines};
use std::collections::BTreeMap;

/// States of sagas that are kept, at most.
const MAX_KNOWN: usize = if cfg!(test) { 2 } else { 100 };

/// Tells it of events that are asked about one after the other.
pub(super) struct Effective<'r> {
    trees: Trees<'r>,
    definitions: &'r SagaDefinitions,
    cursor: &'r Cut,
    known: BTreeMap<SagaId, Option<SagaState>>,
}

impl<'r> Effective<'r> {
    pub(super) fn new(trees: Trees<'r>, definitions: &'r SagaDefinitions, cursor: &'r Cut) -> Self {
        Self {
            trees,
            definitions,
            cursor,
            known: BTreeMap::new(),
        }
    }

    /// What a delivery's status means for its saga, and whether it is a change that was refused; `stands` says whether
    /// the delivery stands in the timeline.
    pub(super) fn of(&mut self, event: &Event, stands: bool) -> Result<(SagaStatus, bool), StoreError> {
        let definitions = self.definitions;
        if event.step.as_str() != OPERATOR_STATUS_CHANGE {
            let saga = self.saga(&event.saga_id)?;
            let saga_type = saga.map_or(&event.saga_type, |saga| &saga.saga_type);
            let effective = definitions.effective(saga_type, event.step.as_str(), event.status);
            return Ok((effective, false));
        }
        let refused = stands && self.is_refused(event)?;
        Ok((event.status, refused))
    }

    fn saga(&mut self, saga: &SagaId) -> Result<Option<&SagaState>, StoreError> {
        if !self.known.contains_key(saga) {
            if self.known.len() >= MAX_KNOWN {
                self.known.clear();
            }
            let state = reads::instance(self.trees.store, self.trees.generation, saga)?;
            self.known.insert(saga.clone(), state);
        }
        Ok(self.known.get(saga).and_then(Option::as_ref))
    }

    /// By the timeline up to the event.
    fn is_refused(&mut self, event: &Event) -> Result<bool, StoreError> {
        let (trees, definitions, cursor) = (self.trees, self.definitions, self.cursor);
        let Some(whole) = self.saga(&event.saga_id)? else {
            return Ok(false);
        };
        let refusal = AnomalyKind::OperatorChangeRefused;
        if whole.anomalies.is_complete() && whole.anomalies.kept.iter().all(|one| one.kind != refusal) {
            return Ok(false);
        }
        let at = (trees.store, trees.generation, cursor);
        let before = timelines::fold_before(at, definitions, &event.saga_id, whole, event.timeline_key())?;
        Ok(Steps::behind(before, definitions).next(event.view()).refused)
    }
}
