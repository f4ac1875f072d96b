//! The flow that was observed: which step followed which in the sagas of a type that started in a period, how often,
//! and how long after; and which services went in circles.

use super::observed::{self, FlowRequest, Visit};
use super::search::basis;
use super::times::Times;
use super::trees::Trees;
use super::{Basis, QueryError, cycles};
use crate::domain::{EventRef, InForce, Millis, SagaState};
use crate::store::{Store, reads};
use std::collections::BTreeMap;

/// Different pairs of steps.
const MAX_EDGES: usize = if cfg!(test) { 40 } else { 2_000 };
/// Different pairs of services.
const MAX_SERVICE_EDGES: usize = if cfg!(test) { 30 } else { 1_000 };
/// Services that are told apart for each step.
const MAX_SERVICES: usize = 50;

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
    /// Services that lead to each other.
    pub cycles: Vec<ServiceCycle>,
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

/// Services each of which leads to each other, over events that came next behind one of theirs: as many as there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceCycle {
    /// Their names.
    pub services: Vec<String>,
    /// How often an event of the second came next behind one of the first, of the pairs among them.
    pub edges: BTreeMap<(String, String), u64>,
}

pub(super) fn flow(store: &dyn Store, in_force: &InForce, request: &FlowRequest) -> Result<Flow, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (cursor, rules) = basis(trees, in_force)?;
    let mut seen = Seen::default();
    let sagas = observed::each(trees, &cursor, request, &mut seen)?;
    let mut flow = seen.flow;
    flow.sagas = sagas;
    flow.basis = Basis::of(cursor, &rules);
    flow.edges.values_mut().for_each(Times::sort);
    flow.cycles = service_cycles(&seen.services);
    Ok(flow)
}

/// Pairs of services, and how often an event of the second came next behind one of the first.
type ServiceEdges = BTreeMap<(String, String), u64>;

fn service_cycles(edges: &ServiceEdges) -> Vec<ServiceCycle> {
    let pairs = edges.keys().map(|(from, to)| (from.as_str(), to.as_str()));
    let cycles = cycles::components(pairs).into_iter();
    let cycles = cycles.map(|services| {
        let is_inside = |(from, to): &(String, String)| {
            services.contains(from.as_str()) && services.contains(to.as_str())
        };
        let inside = edges.iter().filter(|(pair, _)| is_inside(pair));
        ServiceCycle {
            edges: inside.map(|(pair, count)| (pair.clone(), *count)).collect(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
        }
    });
    cycles.collect()
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    flow: Flow,
    services: ServiceEdges,
    /// The saga's last event: step, time, service.
    before: Option<(String, Millis, Option<String>)>,
}

impl Visit for Seen {
    fn event(&mut self, _: &SagaState, event: &EventRef<'_>) -> Result<(), String> {
        self.flow.add_step(event, self.before.is_none());
        let (at, service) = (event.place.recorded_at, event.producer_service);
        let here = (event.step.to_owned(), at, service.map(str::to_owned));
        let Some((step, since, from)) = self.before.replace(here) else {
            return Ok(());
        };
        let pair = (step, event.step.to_owned());
        self.flow.edges.entry(pair).or_default().add(at.since(since));
        if self.flow.edges.len() > MAX_EDGES {
            return Err(format!("more than {MAX_EDGES} different pairs of steps"));
        }
        if let (Some(from), Some(to)) = (from, service)
            && from != to
        {
            *self.services.entry((from, to.to_owned())).or_default() += 1;
        }
        if self.services.len() > MAX_SERVICE_EDGES {
            return Err(format!(
                "more than {MAX_SERVICE_EDGES} different pairs of services"
            ));
        }
        Ok(())
    }

    fn saga_ends(&mut self) {
        let last = self.before.take().map(|(step, ..)| step);
        if let Some(last) = last.and_then(|step| self.flow.steps.get_mut(&step)) {
            last.last += 1;
        }
    }
}

impl Flow {
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
    use crate::domain::{Event, SagaStatus, SharedDefinitions, deduplicate};
    use crate::pipeline::query::observed::{MAX_EVENTS, MAX_FLOW_SAGAS};
    use crate::testkit::{DAY, project, store, traffic};
    use proptest::prelude::*;

    fn request(saga_type: &str) -> FlowRequest {
        FlowRequest {
            saga_type: Some(saga_type.into()),
            from: None,
            to: None,
            limit: MAX_FLOW_SAGAS,
        }
    }

    fn asked(events: &[Event], request: &FlowRequest) -> Result<Flow, QueryError> {
        let store = store();
        project(&store, events, &[13], 1);
        flow(&*store, &SharedDefinitions::default().in_force(), request)
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
            if Some(&first.saga_type) != of.saga_type.as_ref() || !inside {
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

    #[test]
    fn services_that_lead_to_each_other_are_a_cycle_with_the_edges_that_make_it() {
        let event = |n: u64, saga: &str, service: Option<&str>| {
            let mut event = crate::testkit::event_at(saga, n, "A", SagaStatus::InProgress);
            event.producer_service = service.map(Into::into);
            event
        };
        let services = ["order", "stock", "order", "order", "mail", "audit"];
        let mut events: Vec<Event> = (0..)
            .zip(services)
            .map(|(n, of)| event(n, "s", Some(of)))
            .collect();
        // An event without a service leads nowhere, and neither does the next saga's first.
        events.extend([event(6, "s", None), event(7, "s", Some("order"))]);
        events.extend([event(8, "t", Some("order")), event(9, "t", Some("stock"))]);
        let found = asked(&events, &request(events[0].saga_type.as_str())).unwrap();
        let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let expected = ServiceCycle {
            services: vec!["order".to_owned(), "stock".to_owned()],
            edges: BTreeMap::from([(edge("order", "stock"), 2), (edge("stock", "order"), 1)]),
        };
        assert_eq!(found.cycles, [expected]);
    }

    #[test]
    fn too_many_pairs_of_services_are_refused() {
        let events: Vec<Event> = (0..40)
            .map(|n| {
                let mut event = crate::testkit::event_at("s", n, "A", SagaStatus::InProgress);
                event.producer_service = Some(format!("service-{n}").into());
                event
            })
            .collect();
        let refused = asked(&events, &request(events[0].saga_type.as_str())).unwrap_err();
        assert!(
            refused.to_string().contains("30 different pairs of services"),
            "{refused}"
        );
    }
}
