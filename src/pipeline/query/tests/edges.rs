//! Times between measured steps over random traffic: the sums are those of a naive look at all timelines, through late
//! events, purges, restores and rebuilds.

use super::ledger::{advance, bring_back, purge};
use super::*;
use crate::domain::deduplicate;
use crate::pipeline::projector::Projector;
use crate::pipeline::projector::rebuild::Rebuild;
use crate::pipeline::verify::Verify;
use crate::store::reads;
use crate::testkit::{TOPIC, settings};

const MEASURED: [(&str, &str); 2] = [
    ("ORDER_CREATED", "STOCK_RESERVED"),
    ("STOCK_RESERVED", "ORDER_CONFIRMED"),
];

fn measuring() -> Arc<SagaDefinitions> {
    let mut definitions = SagaDefinitions::default();
    let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
    let owned = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
    order.edges.0 = MEASURED.map(owned).to_vec();
    Arc::new(definitions)
}

fn open(store: &SharedStore) -> Projector {
    let generation = reads::active_generation(&**store).unwrap();
    Projector::open(store.clone(), generation, measuring(), &settings(1)).unwrap()
}

fn rebuild(store: &SharedStore) {
    let rebuild = Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: measuring(),
        settings: settings(2),
        progress: Arc::default(),
    };
    rebuild.offline().unwrap();
}

fn differences(store: &SharedStore) -> Vec<String> {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: measuring(),
        settings: settings(2),
        progress: Arc::default(),
    };
    verify.run().unwrap().differences.told
}

/// By pair how often, and how long in all.
type Times = BTreeMap<String, (u64, u64)>;

fn told(store: &SharedStore) -> Times {
    let outcomes = Query::new(store.clone(), measuring())
        .outcomes(&|_| true, 0)
        .unwrap();
    assert_eq!(outcomes.other_edges, Durations::default());
    let edges = outcomes.edges.into_iter();
    edges
        .map(|(edge, of)| (edge, (of.buckets.iter().sum(), of.millis)))
        .filter(|(_, times)| *times != (0, 0))
        .collect()
}

fn wanted<'e>(events: impl Iterator<Item = &'e Event>) -> Times {
    let mut by_saga: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_saga.entry(event.saga_id.as_str()).or_default().push(event);
    }
    let mut times = Times::new();
    for own in by_saga.into_values() {
        let timeline = deduplicate(own).timeline;
        if timeline[0].saga_type.as_str() != "ORDER_CREATION" {
            continue;
        }
        let first = |step: &str| timeline.iter().position(|event| event.step.as_str() == step);
        for (from, to) in MEASURED {
            if let (Some(one), Some(other)) = (first(from), first(to))
                && one < other
            {
                let (count, millis) = times.entry(format!("{from}>{to}")).or_default();
                *count += 1;
                *millis += timeline[other].recorded_at.since(timeline[one].recorded_at);
            }
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn times_between_steps_are_those_of_the_timelines_and_stay_when_a_saga_is_purged(
        events in traffic(60),
        at in 0usize..60,
        number in 0usize..60,
    ) {
        let store = store();
        let (before, after) = events.split_at(at.clamp(1, events.len()));
        let saga = &before[number % before.len()].saga_id;
        let mut projector = open(&store);
        advance(&store, &mut projector, before);
        prop_assert_eq!(told(&store), wanted(before.iter()));
        purge(&mut projector, (saga, measuring()), before);
        prop_assert_eq!(told(&store), wanted(before.iter()));
        advance(&store, &mut projector, after);
        let behind = after.iter().filter(|event| event.saga_id != *saga);
        let expected = wanted(before.iter().chain(behind));
        prop_assert_eq!(&told(&store), &expected);
        prop_assert_eq!(differences(&store), Vec::<String>::new());
        rebuild(&store);
        prop_assert_eq!(told(&store), expected);
        bring_back(&mut open(&store), saga, before);
        prop_assert_eq!(told(&store), wanted(events.iter()));
        prop_assert_eq!(differences(&store), Vec::<String>::new());
    }
}

#[test]
fn a_pair_that_is_measured_from_now_on_is_measured_in_what_there_was_once_that_is_rebuilt() {
    let store = store();
    let step = |n, step| crate::testkit::event_at("s", n, step, SagaStatus::InProgress);
    let events = [step(0, "ORDER_CREATED"), step(1, "STOCK_RESERVED")];
    project(&store, &events, &[2], 1);
    assert_eq!(told(&store), Times::new());
    rebuild(&store);
    assert_eq!(told(&store), wanted(events.iter()));
    assert_eq!(told(&store).len(), 1);
    // No counter falls when it is not measured any more.
    let counted = told(&store);
    crate::testkit::rebuild(&store);
    assert_eq!(told(&store), counted);
}
