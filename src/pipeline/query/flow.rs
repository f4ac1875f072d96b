//! The flow that was observed: which step followed which in the sagas of a type that started in a period, how often,
//! and how long after. Read from the log, saga by saga; nothing is sampled, what is too much is refused.

use super::by_time::streams;
use super::search::basis;
use super::seek::Seek;
use super::times::Times;
use super::trees::{Row, Span, Trees};
use super::walk::Walk;
use super::{Basis, Filter, QueryError};
use crate::domain::{Cut, EventRef, Millis, SagaDefinitions, SagaId, SagaState, SagaType};
use crate::store::keys::Tree;
use crate::store::{Store, StoreError, reads, timelines};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Sagas of one answer, at most.
pub const MAX_FLOW_SAGAS: u64 = 20_000;
/// Their deliveries.
const MAX_EVENTS: u64 = if cfg!(test) { 500 } else { 1_000_000 };
/// Different pairs of steps.
const MAX_EDGES: usize = if cfg!(test) { 40 } else { 2_000 };
/// Services that are told apart for each step.
const MAX_SERVICES: usize = 50;
/// States that are read at once.
const STATES: usize = 500;

/// Whose flow is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRequest {
    /// Of sagas of this type.
    pub saga_type: SagaType,
    /// Started at or after.
    pub from: Option<Millis>,
    /// Started at or before.
    pub to: Option<Millis>,
    /// At most so many of them.
    pub limit: u64,
}

/// Which step followed which.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Sagas that were looked at.
    pub sagas: u64,
    /// Their events, duplicates left out.
    pub events: u64,
    /// Each step, by name.
    pub steps: BTreeMap<String, FlowStep>,
    /// Each pair of steps of which the second came next behind the first.
    pub edges: BTreeMap<(String, String), Times>,
    /// What it was read from.
    pub basis: Basis,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStep {
    /// Its events.
    pub events: u64,
    /// Sagas that began with it.
    pub first: u64,
    /// Sagas whose last event it is.
    pub last: u64,
    /// Its events by the service that reported them.
    pub services: BTreeMap<String, u64>,
    /// Its events that named no service.
    pub without_service: u64,
    /// Its events of services that are not told apart.
    pub of_other_services: u64,
}

pub(super) fn flow(
    store: &dyn Store,
    definitions: &SagaDefinitions,
    request: &FlowRequest,
) -> Result<Flow, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (cursor, rules) = basis(trees, definitions)?;
    let rows = sagas(trees, request)?;
    let mut flow = Flow {
        sagas: rows.len() as u64,
        basis: Basis::of(cursor.clone(), &rules),
        ..Flow::default()
    };
    let mut deliveries = 0;
    for some in rows.chunks(STATES) {
        let ids: Vec<SagaId> = some.iter().map(|(_, saga)| saga.clone()).collect();
        let states = reads::instances(trees.store, trees.generation, &ids)?;
        for (saga, state) in ids.iter().zip(states) {
            let state = state.ok_or_else(|| {
                StoreError::Corrupt(format!("instances: saga {saga} is indexed but has no state"))
            })?;
            deliveries += u64::from(state.step_count) + u64::from(state.duplicates);
            if deliveries > MAX_EVENTS {
                return Err(too_much(format!("more than {MAX_EVENTS} events")));
            }
            flow.add(trees, &cursor, (saga, &state))?;
        }
    }
    flow.edges.values_mut().for_each(Times::sort);
    Ok(flow)
}

/// The sagas that are looked at.
fn sagas(trees: Trees<'_>, request: &FlowRequest) -> Result<Vec<Row>, QueryError> {
    let filter = Filter {
        saga_type: Some(request.saga_type.clone()),
        ..Filter::default()
    };
    let span = Span::of(request.from, request.to);
    let streams = streams(&filter);
    let mut total = 0;
    for stream in &streams {
        total += trees.sagas_in(stream, span)?;
    }
    if total > request.limit {
        let limit = request.limit;
        return Err(too_much(format!(
            "{total} sagas, where at most {limit} are looked at"
        )));
    }
    let mut walk = Walk {
        trees,
        tree: Tree::Started,
        streams,
        span,
        started: span,
        seek: Seek::ascending(0, usize::try_from(total).unwrap_or(usize::MAX)),
    };
    walk.run()?;
    Ok(walk.seek.found())
}

fn too_much(found: String) -> QueryError {
    QueryError::TooMuchFlow(found)
}

impl Flow {
    fn add(
        &mut self,
        trees: Trees<'_>,
        cursor: &Cut,
        (saga, state): (&SagaId, &SagaState),
    ) -> Result<(), QueryError> {
        let mut before: Option<(String, Millis)> = None;
        let at = (trees.store, trees.generation, cursor);
        timelines::each_step(at, saga, state, None, |event| {
            self.add_step(event, before.is_none());
            let here = (event.step.to_owned(), event.place.recorded_at);
            if let Some((step, at)) = before.replace(here) {
                let edge = self.edges.entry((step, event.step.to_owned())).or_default();
                edge.add(event.place.recorded_at.since(at));
            }
            Ok(if self.edges.len() > MAX_EDGES {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if self.edges.len() > MAX_EDGES {
            return Err(too_much(format!(
                "more than {MAX_EDGES} different pairs of steps"
            )));
        }
        if let Some(last) = before.and_then(|(step, _)| self.steps.get_mut(&step)) {
            last.last += 1;
        }
        Ok(())
    }

    fn add_step(&mut self, event: &EventRef<'_>, first: bool) {
        self.events += 1;
        if !self.steps.contains_key(event.step) {
            self.steps.insert(event.step.to_owned(), FlowStep::default());
        }
        let Some(step) = self.steps.get_mut(event.step) else {
            return;
        };
        step.events += 1;
        step.first += u64::from(first);
        let Some(service) = event.producer_service else {
            step.without_service += 1;
            return;
        };
        if let Some(events) = step.services.get_mut(service) {
            *events += 1;
        } else if step.services.len() < MAX_SERVICES {
            step.services.insert(service.to_owned(), 1);
        } else {
            step.of_other_services += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, SagaStatus, deduplicate};
    use crate::testkit::{DAY, project, store, traffic};
    use proptest::prelude::*;

    fn request(saga_type: &str) -> FlowRequest {
        FlowRequest {
            saga_type: saga_type.into(),
            from: None,
            to: None,
            limit: MAX_FLOW_SAGAS,
        }
    }

    fn asked(events: &[Event], request: &FlowRequest) -> Result<Flow, QueryError> {
        let store = store();
        project(&store, events, &[13], 1);
        flow(&*store, &SagaDefinitions::default(), request)
    }

    /// Pairs of steps, each with its times, by brute force.
    fn pairs(events: &[Event], of: &FlowRequest) -> BTreeMap<(String, String), Vec<u64>> {
        let mut by_saga: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in events {
            by_saga.entry(event.saga_id.as_str()).or_default().push(event);
        }
        let mut pairs: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for own in by_saga.into_values() {
            let timeline = deduplicate(own).timeline;
            let first = &timeline[0];
            let inside = of.from.is_none_or(|from| first.recorded_at >= from);
            if first.saga_type != of.saga_type || !inside {
                continue;
            }
            for two in timeline.windows(2) {
                let names = (two[0].step.as_str().to_owned(), two[1].step.as_str().to_owned());
                pairs
                    .entry(names)
                    .or_default()
                    .push(two[1].recorded_at.since(two[0].recorded_at));
            }
        }
        pairs.values_mut().for_each(|times| times.sort_unstable());
        pairs
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_flow_is_that_of_the_timelines(events in traffic(100), from in proptest::option::of(0i64..20_000)) {
            let request = FlowRequest {
                from: from.map(|at| Millis(DAY + at)),
                ..request(events[0].saga_type.as_str())
            };
            let expected = pairs(&events, &request);
            match asked(&events, &request) {
                Err(QueryError::TooMuchFlow(_)) => prop_assert!(expected.len() > MAX_EDGES),
                found => {
                    let found = found.unwrap();
                    let edges: BTreeMap<_, _> = found.edges.into_iter().map(|(of, edge)| (of, edge.all().to_vec())).collect();
                    prop_assert_eq!(edges, expected);
                    let sum = |of: fn(&FlowStep) -> u64| found.steps.values().map(of).sum::<u64>();
                    prop_assert_eq!((sum(|step| step.first), sum(|step| step.last)), (found.sagas, found.sagas));
                    prop_assert_eq!(sum(|step| step.events), found.events);
                }
            }
        }
    }

    #[test]
    fn too_many_sagas_events_or_pairs_are_refused_by_number() {
        let event = |saga: u64, n: u64, step: &str| {
            crate::testkit::event_at(&format!("s{saga}"), n, step, SagaStatus::InProgress)
        };
        let refused = |events: &[Event], limit: u64| {
            let of = FlowRequest {
                limit,
                ..request(events[0].saga_type.as_str())
            };
            asked(events, &of).unwrap_err().to_string()
        };
        let three: Vec<Event> = (0..3).map(|n| event(n, n, "A")).collect();
        assert!(refused(&three, 2).contains("3 sagas"), "{}", refused(&three, 2));
        let long: Vec<Event> = (0..=MAX_EVENTS).map(|n| event(0, n, "A")).collect();
        assert!(refused(&long, 9).contains("500 events"));
        let many: Vec<Event> = (0..60).map(|n| event(0, n, &format!("STEP_{n}"))).collect();
        assert!(refused(&many, 9).contains("40 different pairs"));
    }
}
