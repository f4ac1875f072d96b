//! What happened inside of the sagas that match: which steps, by which services, why they failed, how long it took.
//! Read from each of them, within the bounds of [`super::examine`].

use super::QueryError;
use super::examine::{self, Examined};
use super::past_state::Past;
use super::times::Times;
use super::{Filter, Inside};
use crate::domain::{EventRef, Millis, SagaId, SagaState, SagaStatus};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Different names of one kind that are told apart.
const MAX_NAMES: usize = if cfg!(test) { 8 } else { 10_000 };

/// What happened inside of sagas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Sagas that match.
    pub sagas: u64,
    /// Their events, duplicates left out.
    pub events: u64,
    /// By step.
    pub steps: Named<StepDetails>,
    /// By the service that events name.
    pub services: Named<Occurrences>,
    /// Events that name no service.
    pub without_service: u64,
    /// By the last reason for a failure that a saga's events gave; how many gave one.
    pub reasons: Named<Occurrences>,
    /// From the first event of each completed saga to its last.
    pub completed: Times,
    /// From FAILED to COMPENSATED, each time; of a saga whose status changed too often those among the first changes.
    pub compensated: Times,
}

/// What there is under some names, and under further ones together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named<T> {
    /// By name: the first different ones that were met.
    pub by_name: BTreeMap<String, T>,
    /// Under all others.
    pub others: T,
}

/// How often something occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// In how many sagas.
    pub sagas: u64,
    /// In how many events.
    pub events: u64,
    /// The number of the last of those sagas.
    last: u64,
}

/// How often a step was reported, and how long after the event before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepDetails {
    /// How often.
    pub reported: Occurrences,
    /// How long after the event before it in its saga; the first event of a saga has none.
    pub after: Times,
}

impl Occurrences {
    /// Adds one in a saga, whose number tells it from the one before.
    fn add(&mut self, saga: u64) {
        self.events += 1;
        self.sagas += u64::from(self.last != saga);
        self.last = saga;
    }
}

impl<T: Default> Named<T> {
    fn of(&mut self, name: &str) -> &mut T {
        if !self.by_name.contains_key(name) && self.by_name.len() < MAX_NAMES {
            self.by_name.insert(name.to_owned(), T::default());
        }
        self.by_name.get_mut(name).unwrap_or(&mut self.others)
    }
}

/// Those of the sagas that match. What is asked for inside of them does not count.
pub(super) fn details(past: &Past<'_>, filter: &Filter) -> Result<Details, QueryError> {
    let filter = Filter {
        inside: Inside::default(),
        ..filter.clone()
    };
    let mut details = Details::default();
    examine::each(past, &filter, &mut |examined, saga, state| {
        details.add(examined, saga, state)
    })?;
    details.completed.sort();
    details.compensated.sort();
    let steps = &mut details.steps;
    steps.others.after.sort();
    steps.by_name.values_mut().for_each(|step| step.after.sort());
    Ok(details)
}

impl Details {
    fn add(
        &mut self,
        examined: &mut Examined<'_, '_>,
        saga: (&SagaId, &SagaState),
        state: &SagaState,
    ) -> Result<(), QueryError> {
        self.sagas += 1;
        self.add_state(state);
        let mut before = None;
        examined.events(saga, &mut |event| {
            self.add_event(event, before.replace(event.place.recorded_at));
            ControlFlow::Continue(())
        })
    }

    fn add_state(&mut self, state: &SagaState) {
        if state.status == SagaStatus::Completed {
            self.completed.add(state.updated_at.since(state.started_at));
        }
        for two in state.changes.kept.windows(2) {
            if [two[0].status, two[1].status] == [SagaStatus::Failed, SagaStatus::Compensated] {
                self.compensated.add(two[1].at.since(two[0].at));
            }
        }
        if let Some(reason) = &state.failure_reason {
            self.reasons.of(&reason.text).add(self.sagas);
        }
    }

    fn add_event(&mut self, event: &EventRef<'_>, before: Option<Millis>) {
        self.events += 1;
        let step = self.steps.of(event.step);
        step.reported.add(self.sagas);
        if let Some(before) = before {
            step.after.add(event.place.recorded_at.since(before));
        }
        match event.producer_service {
            Some(service) => self.services.of(service).add(self.sagas),
            None => self.without_service += 1,
        }
    }
}
