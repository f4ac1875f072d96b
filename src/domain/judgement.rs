//! All that a definition says of a saga at an instant.

use super::{
    Compensation, ConformanceRule, Millis, SagaDefinitions, SagaState, Stuck, Violation, broken_rules,
    compensation, conformance, failed_compensations, has_nothing_to_compensate, stuck,
};

/// What the definition of its type says of a saga; nothing where its type has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The rules that it does not keep.
    pub conformance: Vec<Violation>,
    /// How far what it did before it failed is undone.
    pub compensation: Option<Compensation>,
    /// Whether it is stuck.
    pub stuck: Option<Stuck>,
}

impl SagaDefinitions {
    /// What they say of a saga at an instant. They must be those that its state was folded under.
    pub fn judge(&self, state: &SagaState, now: Millis) -> Judgement {
        self.of(&state.saga_type)
            .map_or_else(Judgement::default, |definition| Judgement {
                conformance: conformance(state, definition),
                compensation: Some(compensation(state, definition)),
                stuck: stuck(state, definition, now),
            })
    }

    /// The rules that a saga does not keep, each with the last time that it was broken.
    pub fn broken_rules(&self, state: &SagaState) -> Vec<(ConformanceRule, Millis)> {
        let definition = self.of(&state.saga_type);
        definition.map_or_else(Vec::new, |definition| broken_rules(state, definition))
    }

    /// Whether it failed before anything was done that can be undone.
    pub fn nothing_to_compensate(&self, state: &SagaState) -> bool {
        let definition = self.of(&state.saga_type);
        definition.is_some_and(|definition| has_nothing_to_compensate(state, definition))
    }

    /// How often its compensating steps reported FAILED.
    pub fn failed_compensations(&self, state: &SagaState) -> u32 {
        let definition = self.of(&state.saga_type);
        definition.map_or(0, |definition| failed_compensations(state, definition))
    }
}
