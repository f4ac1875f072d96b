//! Events of a timeline as steps: each with its number, and whether it is an operator's change that was refused.

use crate::domain::{
    Anomaly, AnomalyKind, EventRef, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaState, SagaStatus,
};

/// One step of a saga.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimelineStep<'a> {
    /// Its number in the timeline, from 1.
    pub number: u32,
    /// The event.
    pub event: EventRef<'a>,
    /// Whether it is an operator's change that was refused when it was applied.
    pub refused: bool,
    /// What its status means for the saga.
    pub effective: SagaStatus,
    /// The saga after it; of anomalies it has those that came with it.
    pub saga: &'a SagaState,
}

/// Makes steps of the events of a timeline, which come one after the other.
pub(super) struct Steps<'d> {
    definitions: &'d SagaDefinitions,
    /// The state before the next one.
    state: Option<SagaState>,
}

impl<'d> Steps<'d> {
    /// Of a timeline from its first event on.
    pub(super) fn new(definitions: &'d SagaDefinitions) -> Self {
        Self::behind(None, definitions)
    }

    /// Of the events behind those that a state is the fold of.
    pub(super) fn behind(state: Option<SagaState>, definitions: &'d SagaDefinitions) -> Self {
        Self { definitions, state }
    }

    /// The next one.
    pub(super) fn next<'e>(&'e mut self, event: EventRef<'e>) -> TimelineStep<'e> {
        let definitions = self.definitions;
        let saga = self.apply(&event);
        let is_refusal = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::OperatorChangeRefused;
        let effective = match event.step {
            OPERATOR_STATUS_CHANGE => event.status,
            step => definitions.effective(&saga.saga_type, step, event.status),
        };
        TimelineStep {
            number: saga.step_count,
            refused: saga.anomalies.kept.iter().any(is_refusal),
            event,
            effective,
            saga,
        }
    }

    /// The state after the next one; of anomalies it has those that came with it.
    pub(super) fn apply(&mut self, event: &EventRef<'_>) -> &SagaState {
        if let Some(state) = &mut self.state {
            // The list is bounded; emptied, it never misses what comes now.
            state.anomalies.kept.clear();
            state.apply_unlisted(event, self.definitions);
        }
        let definitions = self.definitions;
        self.state
            .get_or_insert_with(|| SagaState::begin_unlisted(event, definitions))
    }
}
