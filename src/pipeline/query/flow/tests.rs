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
