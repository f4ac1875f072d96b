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
pub(super) const MAX_EDGES: usize = if cfg!(test) { 40 } else { 2_000 };
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
pub(super) struct Seen {
    pub(super) flow: Flow,
    services: ServiceEdges,
    /// The saga's last event: step, time, service.
    before: Option<(String, Millis, Option<String>)>,
}

impl Visit for Seen {
    fn event(&mut self, _: &SagaState, event: &EventRef<'_>) -> Result<(), String> {
        let is_first = self.before.is_none();
        self.flow.add_step(event.step, event.producer_service, is_first);
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
    /// Counts an event of a step.
    pub(super) fn add_step(&mut self, name: &str, service: Option<&str>, first: bool) {
        self.events += 1;
        if !self.steps.contains_key(name) {
            self.steps.insert(name.to_owned(), FlowStep::default());
        }
        let Some(step) = self.steps.get_mut(name) else {
            return;
        };
        step.events += 1;
        step.first += u64::from(first);
        let Some(service) = service else {
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
mod tests;
