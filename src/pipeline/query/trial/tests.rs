use super::*;
use crate::domain::{Event, fold};
use crate::pipeline::query::Query;
use crate::store::SharedStore;
use crate::testkit::{project, store, traffic};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

const NOW: Millis = Millis(1_800_000_000_000);

fn all_parts(query: &Query, definitions: &SagaDefinitions, listed: usize) -> Vec<Trial> {
    let mut request = TrialRequest {
        definitions: Arc::new(definitions.clone()),
        cursor: None,
        at: NOW,
        listed,
    };
    let mut parts = Vec::new();
    loop {
        let part = query.trial(&request).unwrap();
        request.cursor.clone_from(&part.next_cursor);
        parts.push(part);
        if request.cursor.is_none() {
            return parts;
        }
    }
}

fn filled(events: &[Event]) -> SharedStore {
    let store = store();
    project(&store, events, &[7], 1);
    store
}

fn other() -> SagaDefinitions {
    let text = "[types.ORDER_CREATION]\ncompleting_steps = [\"STOCK_RESERVED\"]\n\
                expected_steps = [\"PAYMENT_COMPLETED\"]\n";
    SagaDefinitions::from_toml(text).unwrap()
}

proptest! {
    /// A naive fold of every saga under both definitions finds what the trial does, however it is cut.
    #[test]
    fn a_trial_is_the_fold_under_the_others(events in traffic(200)) {
        let (store, old, new) = (filled(&events), SagaDefinitions::default(), other());
        let query = Query::new(store, Arc::new(old.clone()));
        let parts = all_parts(&query, &new, usize::MAX);
        let mut sagas: BTreeMap<SagaId, Vec<Event>> = BTreeMap::new();
        for event in &events {
            sagas.entry(event.saga_id.clone()).or_default().push(event.clone());
        }
        let (mut before, mut after, mut changing) = (Counts::new(), Counts::new(), BTreeSet::new());
        for (saga, events) in &sagas {
            let states = [&old, &new].map(|definitions| fold(events, definitions).unwrap());
            let told = [&old, &new].map(|definitions| {
                let state = fold(events, definitions).unwrap();
                Told::of(&state, &definitions.judge(&state, NOW))
            });
            if old.of(&states[0].saga_type) == new.of(&states[0].saga_type) {
                prop_assert_eq!(&told[0], &told[1]);
                continue;
            }
            count(&mut before, &states[0]);
            count(&mut after, &states[1]);
            if told[0] != told[1] {
                changing.insert(saga.clone());
            }
        }
        let mut found = (Counts::new(), Counts::new(), BTreeSet::new());
        for part in &parts {
            prop_assert_eq!(part.changing, part.changes.len() as u64);
            for (into, from) in [(&mut found.0, &part.before), (&mut found.1, &part.after)] {
                for (saga_type, statuses) in from {
                    for (status, sagas) in statuses {
                        *into.entry(saga_type.clone()).or_default().entry(*status).or_default() += sagas;
                    }
                }
            }
            for change in &part.changes {
                prop_assert!(found.2.insert(change.saga_id.clone()));
                prop_assert!(change.before != change.after);
                if change.before.status != change.after.status {
                    let from = change.from.as_ref().unwrap();
                    prop_assert!(from.statuses[0] != from.statuses[1]);
                }
            }
        }
        prop_assert_eq!(found, (before, after, changing));
    }
}

#[test]
fn what_is_the_same_is_not_looked_at_and_what_is_listed_is_bounded() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let events = traffic(400).new_tree(&mut runner).unwrap().current();
    let query = Query::new(filled(&events), Arc::<SagaDefinitions>::default());
    let same = all_parts(&query, &SagaDefinitions::default(), 5);
    assert_eq!((same.len(), same[0].sagas, same[0].changing), (1, 0, 0));
    assert!(same[0].types.is_empty());
    let parts = all_parts(&query, &other(), 0);
    assert!(parts.iter().all(|part| part.changes.is_empty()));
    assert!(parts.iter().map(|part| part.changing).sum::<u64>() > 0);
    let keys = &parts[0].types["ORDER_CREATION"];
    assert!(keys.contains(&"completing_steps".to_owned()), "{keys:?}");
    assert!(!keys.contains(&"deadline_seconds".to_owned()), "{keys:?}");
}

#[test]
fn a_cursor_is_of_no_use_to_other_definitions() {
    let query = Query::new(store(), Arc::<SagaDefinitions>::default());
    let ask = |cursor: &str| {
        query.trial(&TrialRequest {
            definitions: Arc::new(other()),
            cursor: Some(cursor.to_owned()),
            at: NOW,
            listed: 1,
        })
    };
    let place = Place {
        saga_type: "ORDER_CREATION".to_owned(),
        behind: None,
    };
    let request = |definitions: SagaDefinitions| TrialRequest {
        definitions: Arc::new(definitions),
        cursor: None,
        at: NOW,
        listed: 1,
    };
    assert!(ask(&place.write(&request(other()))).is_ok());
    let foreign = place.write(&request(SagaDefinitions::default()));
    for cursor in [foreign.as_str(), "", "made-up", "a-b-c"] {
        assert!(matches!(ask(cursor), Err(QueryError::BadCursor)), "{cursor}");
    }
}
