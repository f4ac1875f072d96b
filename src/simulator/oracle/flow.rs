//! The observed flow and the catalogue of events, the slow and obvious way: every event that stands is looked at.

use super::past;
use crate::domain::{Event, Millis, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId, SagaType};
use crate::pipeline::query::{Catalogue, Flow, FlowRequest, MAX_FLOW_SAGAS, Moment, Query, QueryError};
use crate::program::demo::rng::Rng;
use std::collections::BTreeMap;

/// What there is to say, each by its name.
type Facts = BTreeMap<String, String>;

/// Every difference between both answers about some sagas and what they should be.
pub(crate) fn differences(query: &Query, sagas: &[(&SagaId, Vec<Event>)], rng: &mut Rng) -> Vec<String> {
    let definitions = query.definitions();
    let timelines: Vec<Vec<Event>> = sagas
        .iter()
        .map(|(_, events)| past::timeline(events, &definitions, Moment::default()))
        .filter(|timeline| !timeline.is_empty())
        .collect();
    if timelines.is_empty() {
        return Vec::new();
    }
    let like = &timelines[rng.index(timelines.len())][0];
    let request = FlowRequest {
        saga_type: rng.per_mille(500).then(|| like.saga_type.clone()),
        from: rng.per_mille(300).then_some(like.recorded_at),
        to: rng.per_mille(300).then_some(Millis(like.recorded_at.0 + 100_000)),
        limit: MAX_FLOW_SAGAS,
    };
    let looked_at: Vec<&[Event]> = timelines
        .iter()
        .map(Vec::as_slice)
        .filter(|timeline| is_wanted(&request, &timeline[0]))
        .collect();
    let mut found = Vec::new();
    compare(
        "flow",
        &request,
        query.flow(&request).map(|flow| shown(&flow)),
        &wanted(&looked_at),
        &mut found,
    );
    let catalogue = query.catalogue(&request).map(|answer| listed(&answer));
    compare(
        "catalogue",
        &request,
        catalogue,
        &catalogued(&looked_at, &definitions),
        &mut found,
    );
    found
}

fn is_wanted(request: &FlowRequest, first: &Event) -> bool {
    let is_of = |wanted: &SagaType| *wanted == first.saga_type;
    request.saga_type.as_ref().is_none_or(is_of)
        && request.from.is_none_or(|from| first.recorded_at >= from)
        && request.to.is_none_or(|to| first.recorded_at <= to)
}

fn compare(
    what: &str,
    request: &FlowRequest,
    answered: Result<Facts, QueryError>,
    wanted: &Facts,
    found: &mut Vec<String>,
) {
    match answered {
        Ok(answered) if answered != *wanted => {
            let differs = |(name, value): &(&String, &String)| wanted.get(*name) != Some(*value);
            let more: Vec<_> = answered.iter().filter(differs).collect();
            let differs = |(name, value): &(&String, &String)| answered.get(*name) != Some(*value);
            let less: Vec<_> = wanted.iter().filter(differs).collect();
            found.push(format!(
                "the {what} of {request:?} says {more:?}, it should say {less:?}"
            ));
        }
        // Small as the bounds are in tests, a run may exceed them.
        Ok(_) | Err(QueryError::TooMuchFlow(_)) => {}
        Err(error) => found.push(format!("the {what} of {request:?}: {error}")),
    }
}

fn shown(flow: &Flow) -> Facts {
    let mut facts = Facts::new();
    facts.insert("sagas".to_owned(), flow.sagas.to_string());
    facts.insert("events".to_owned(), flow.events.to_string());
    for (name, step) in &flow.steps {
        let services = &step.services;
        let told = format!(
            "{} events, first {}, last {}, by {services:?}, by nobody {}",
            step.events, step.first, step.last, step.without_service
        );
        facts.insert(format!("step {name}"), told);
    }
    for ((from, to), times) in &flow.edges {
        facts.insert(format!("edge {from} to {to}"), format!("{:?}", times.all()));
    }
    facts
}

#[derive(Default)]
struct Step {
    events: u64,
    first: u64,
    last: u64,
    services: BTreeMap<String, u64>,
    without_service: u64,
}

fn wanted(timelines: &[&[Event]]) -> Facts {
    let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
    let mut edges: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for timeline in timelines {
        for (number, event) in timeline.iter().enumerate() {
            let step = steps.entry(event.step.as_str()).or_default();
            step.events += 1;
            step.first += u64::from(number == 0);
            step.last += u64::from(number + 1 == timeline.len());
            match &event.producer_service {
                Some(service) => *step.services.entry(service.to_string()).or_default() += 1,
                None => step.without_service += 1,
            }
        }
        for pair in timeline.windows(2) {
            let took = pair[1].recorded_at.0 - pair[0].recorded_at.0;
            let edge = (pair[0].step.as_str(), pair[1].step.as_str());
            edges.entry(edge).or_default().push(took.unsigned_abs());
        }
    }
    let mut facts = Facts::new();
    facts.insert("sagas".to_owned(), timelines.len().to_string());
    let events: usize = timelines.iter().map(|timeline| timeline.len()).sum();
    facts.insert("events".to_owned(), events.to_string());
    for (name, step) in steps {
        let services = &step.services;
        let told = format!(
            "{} events, first {}, last {}, by {services:?}, by nobody {}",
            step.events, step.first, step.last, step.without_service
        );
        facts.insert(format!("step {name}"), told);
    }
    for ((from, to), mut times) in edges {
        times.sort_unstable();
        facts.insert(format!("edge {from} to {to}"), format!("{times:?}"));
    }
    facts
}

fn listed(catalogue: &Catalogue) -> Facts {
    let mut facts = Facts::new();
    for (kind, entry) in &catalogue.entries {
        let told = format!(
            "{} from {} to {}, documented: {}",
            entry.events, entry.first_seen, entry.last_seen, entry.documented
        );
        facts.insert(
            name(
                &kind.saga_type,
                &kind.step,
                kind.service.as_deref(),
                kind.status.as_str(),
            ),
            told,
        );
    }
    facts
}

fn name(saga_type: &str, step: &str, service: Option<&str>, status: &str) -> String {
    format!("{saga_type} {step} {service:?} {status}")
}

fn catalogued(timelines: &[&[Event]], definitions: &SagaDefinitions) -> Facts {
    let mut kinds: BTreeMap<String, (u64, Millis, Millis, bool)> = BTreeMap::new();
    for timeline in timelines {
        let saga_type = &timeline[0].saga_type;
        let definition = definitions.of(saga_type);
        for event in *timeline {
            let (step, at) = (event.step.as_str(), event.recorded_at);
            let service = event.producer_service.as_deref();
            let documented =
                step == OPERATOR_STATUS_CHANGE || definition.is_some_and(|of| of.roles().role(step).known);
            let kind = name(saga_type.as_str(), step, service, event.status.as_str());
            let entry = kinds.entry(kind).or_insert((0, at, at, documented));
            *entry = (entry.0 + 1, entry.1.min(at), entry.2.max(at), documented);
        }
    }
    let told = |(events, first, last, documented): (u64, Millis, Millis, bool)| {
        format!("{events} from {first} to {last}, documented: {documented}")
    };
    kinds
        .into_iter()
        .map(|(kind, entry)| (kind, told(entry)))
        .collect()
}
