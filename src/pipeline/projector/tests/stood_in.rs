//! How long others stood in for the deliveries that stand is a function of the deliveries alone.

use super::timeline::hot;
use crate::domain::{Event, EventDigest, Millis, SagaId};
use crate::store::{Generation, SharedStore, contradicted, reads, stood_in};
use crate::testkit::{project, rebuild, store, traffic};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// By saga and event: from when until when, and whether there were different bodies.
type Stood = BTreeMap<(SagaId, EventDigest), (Millis, Millis, bool)>;

/// By brute force.
fn expected(events: &[Event]) -> Stood {
    let mut deliveries: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let key = (event.saga_id.clone(), event.key().digest());
        deliveries.entry(key).or_default().push(event);
    }
    let of = |deliveries: Vec<&Event>| {
        let stands = deliveries.iter().min_by_key(|event| event.position)?;
        let from = deliveries.iter().map(|event| event.arrived_at).min()?;
        let conflicting = deliveries.iter().any(|event| !event.same_body(stands));
        (from < stands.arrived_at).then_some((from, stands.arrived_at, conflicting))
    };
    let all = deliveries.into_iter();
    all.filter_map(|(key, deliveries)| Some((key, of(deliveries)?)))
        .collect()
}

fn at(store: &SharedStore, generation: Generation, at: Millis) -> BTreeSet<SagaId> {
    let mut sagas = BTreeSet::new();
    contradicted::each_at(&**store, generation, at, |saga, had_begun| {
        if had_begun {
            sagas.insert(saga);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    sagas
}

fn assert_stood(store: &SharedStore, events: &[Event]) -> Result<(), TestCaseError> {
    let generation = reads::active_generation(&**store).unwrap();
    let expected = expected(events);
    let mut found = BTreeMap::new();
    for saga in events.iter().map(|event| &event.saga_id).collect::<BTreeSet<_>>() {
        stood_in::each_of_saga(&**store, generation, saga, |event, record| {
            found.insert((saga.clone(), event), (record.from(), record.until()));
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    let times = expected
        .iter()
        .map(|(of, (from, until, _))| (of.clone(), (*from, *until)));
    prop_assert_eq!(found, times.collect::<BTreeMap<_, _>>());
    let edges = expected.values().flat_map(|(from, until, _)| [*from, *until]);
    for instant in edges.flat_map(|edge| [-1, 0, 1].map(|by| Millis(edge.0 + by))) {
        let holds = |(from, until, conflicting): &(Millis, Millis, bool)| {
            *conflicting && *from <= instant && instant < *until
        };
        let wanted = expected.iter().filter(|(_, stood)| holds(stood));
        let wanted: BTreeSet<SagaId> = wanted.map(|((saga, _), _)| saga.clone()).collect();
        prop_assert_eq!(at(store, generation, instant), wanted, "at {}", instant);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_event_is_known_by_another_delivery_until_the_one_that_stands_arrives(
        events in prop_oneof![traffic(80), hot(120)], windows in proptest::collection::vec(1usize..25, 1..5),
    ) {
        let store = store();
        project(&store, &events, &windows, 2);
        assert_stood(&store, &events)?;
        rebuild(&store);
        assert_stood(&store, &events)?;
    }
}
