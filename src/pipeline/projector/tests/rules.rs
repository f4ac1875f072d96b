//! All of a generation is the fold under one set of rules, whichever definitions the tracker is started
//! with in between.

use super::super::rebuild::{self, Progress, Rebuild, RebuildError};
use super::super::tests::sample;
use super::super::*;
use crate::domain::{Cut, Event, Position, SagaDefinitions, fold};
use crate::pipeline::query::Query;
use crate::pipeline::verify::{Verify, VerifyReport, digest};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Durability, SharedStore, reads};
use crate::testkit::{TOPIC, append, behind, settings, store};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rules that a store is begun under.
fn old() -> Arc<SagaDefinitions> {
    Arc::new(SagaDefinitions::default())
}

/// Rules that make other sagas of the same events.
fn new() -> Arc<SagaDefinitions> {
    let mut definitions = SagaDefinitions::default();
    let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
    order.completing_steps = BTreeSet::from(["STOCK_RESERVED".to_owned()]);
    Arc::new(definitions)
}

/// A tracker that is started with these definitions, takes the events and stops, before any rebuild.
fn run(store: &SharedStore, definitions: &Arc<SagaDefinitions>, events: &[Event]) {
    let (handle, thread) = spawn(store.clone(), TOPIC, definitions.clone(), settings(2)).unwrap();
    deliver(store, &handle, events);
    drop(handle);
    thread.join().unwrap();
}

fn deliver(store: &SharedStore, projector: &ProjectorHandle, events: &[Event]) {
    append(store, events);
    let after = behind(events, Cut::default());
    let after = after.iter().filter(|(_, next)| *next > 0).collect();
    let events = events.to_vec();
    projector.deliver(Delivery { events, after }).unwrap();
}

fn verify(store: &SharedStore, definitions: &Arc<SagaDefinitions>) -> VerifyReport {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: definitions.clone(),
        settings: settings(2),
        progress: Arc::new(Progress::default()),
    };
    verify.run().unwrap()
}

fn rebuild(store: &SharedStore, definitions: &Arc<SagaDefinitions>) -> Rebuild {
    Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: definitions.clone(),
        settings: settings(2),
        progress: Arc::new(Progress::default()),
    }
}

/// What serves is the fold of these events under these definitions, to whomever it is told.
fn assert_is_fold(store: &SharedStore, events: &[Event], definitions: &SagaDefinitions) {
    let query = Query::new(store.clone(), old());
    let sagas: BTreeSet<_> = events.iter().map(|event| event.saga_id.clone()).collect();
    for saga in sagas {
        let own: Vec<Event> = events
            .iter()
            .filter(|event| event.saga_id == saga)
            .cloned()
            .collect();
        let state = query.saga(&saga).unwrap().map(|view| view.state);
        assert_eq!(state, fold(&own, definitions), "{saga}");
    }
}

/// Events of many sagas whose type has rules, of which the second half comes while the new definitions are
/// configured.
fn halves() -> (Vec<Event>, usize) {
    let mut events = sample();
    for (index, event) in events.iter_mut().enumerate() {
        event.saga_type = "ORDER_CREATION".into();
        event.saga_id = format!("saga-{}", index % 17).as_str().into();
    }
    let half = events.len() / 2;
    (events, half)
}

#[test]
fn definitions_that_are_rolled_back_before_the_rebuild_ended_leave_nothing_of_theirs() {
    let (store, (events, half)) = (store(), halves());
    let (first, rest) = events.split_at(half);
    run(&store, &old(), first);
    assert!(!rebuild::is_due(&store, &old(), &settings(2)).unwrap());
    assert!(rebuild::is_due(&store, &new(), &settings(2)).unwrap());

    run(&store, &new(), rest);
    assert!(rebuild::is_due(&store, &new(), &settings(2)).unwrap());
    assert_is_fold(&store, &events, &old());
    // What is told to be due is what a fold under the new ones would differ in.
    let other = crate::testkit::store();
    run(&other, &new(), &events);
    assert_ne!(
        digest(&store, TOPIC).unwrap().tables,
        digest(&other, TOPIC).unwrap().tables
    );

    assert!(!rebuild::is_due(&store, &old(), &settings(2)).unwrap());
    let report = verify(&store, &old());
    assert_eq!(report.differences.told, Vec::<String>::new());
    assert!(!report.rebuild_due);
}

#[test]
fn a_rebuild_under_new_definitions_serves_their_fold_of_everything() {
    let (store, (events, half)) = (store(), halves());
    let (first, rest) = events.split_at(half);
    run(&store, &old(), first);
    let (handle, thread) = spawn(store.clone(), TOPIC, new(), settings(2)).unwrap();
    let (during, after) = rest.split_at(rest.len() / 2);
    deliver(&store, &handle, during);
    rebuild(&store, &new()).online(&handle).unwrap();
    assert!(!rebuild::is_due(&store, &new(), &settings(2)).unwrap());
    deliver(&store, &handle, after);
    drop(handle);
    thread.join().unwrap();
    assert_is_fold(&store, &events, &new());
    assert_eq!(verify(&store, &new()).differences.told, Vec::<String>::new());

    // Rolled back now, everything has to be made anew.
    assert!(rebuild::is_due(&store, &old(), &settings(2)).unwrap());
    rebuild(&store, &old()).offline().unwrap();
    assert_is_fold(&store, &events, &old());
    assert!(!rebuild::is_due(&store, &old(), &settings(2)).unwrap());
}

#[test]
fn nothing_of_a_rebuild_that_was_interrupted_is_served() {
    let (store, (events, half)) = (store(), halves());
    let (first, rest) = events.split_at(half);
    run(&store, &old(), first);
    let cancelled = rebuild(&store, &new());
    cancelled.progress.cancel();
    let (handle, thread) = spawn(store.clone(), TOPIC, new(), settings(1)).unwrap();
    assert!(matches!(cancelled.online(&handle), Err(RebuildError::Cancelled)));
    // One that stopped with everything made, and nothing switched.
    let serving = reads::active_generation(&*store).unwrap();
    let cut = reads::log_cut(&*store, TOPIC).unwrap();
    rebuild(&store, &new()).fill(serving.other(), &cut).unwrap();
    deliver(&store, &handle, rest);
    drop(handle);
    thread.join().unwrap();

    rebuild::clear_leftovers(&store).unwrap();
    assert_is_fold(&store, &events, &old());
    assert_eq!(verify(&store, &old()).differences.told, Vec::<String>::new());
}

#[test]
fn work_on_a_store_at_rest_folds_its_tail_under_the_rules_of_the_rest() {
    let (store, (events, half)) = (store(), halves());
    let (first, rest) = events.split_at(half);
    run(&store, &old(), first);
    append(&store, rest);
    let report = verify(&store, &new());
    assert_eq!(report.differences.told, Vec::<String>::new());
    assert!(
        report.rebuild_due,
        "it has to be told that other definitions are configured"
    );
    catch_up_offline(&store, TOPIC, &new(), &settings(1)).unwrap();
    assert_is_fold(&store, &events, &old());
    assert_eq!(digest(&store, TOPIC).unwrap().rules, old().fold_rules());
}

#[test]
fn a_copy_taken_before_the_rebuild_ended_goes_on_as_the_store_would() {
    let (store, (events, half)) = (store(), halves());
    let (first, rest) = events.split_at(half);
    run(&store, &old(), first);
    let (during, after) = rest.split_at(rest.len() - 3);
    run(&store, &new(), during);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    store.checkpoints().unwrap().checkpoint(&copy).unwrap();

    let restored: SharedStore = Arc::new(MemoryStore::open_copy(&copy).unwrap());
    assert!(rebuild::is_due(&restored, &new(), &settings(2)).unwrap());
    run(&restored, &old(), after);
    assert!(!rebuild::is_due(&restored, &old(), &settings(2)).unwrap());
    assert_is_fold(&restored, &events, &old());
}

#[test]
fn until_the_rebuild_a_saga_is_judged_by_the_rules_of_its_state_and_the_new_deadlines() {
    let (store, (events, _)) = (store(), halves());
    run(&store, &old(), &events);
    let changed = |change: fn(&mut crate::domain::SagaDefinition)| {
        let mut definitions = SagaDefinitions::default();
        change(definitions.types.get_mut("ORDER_CREATION").unwrap());
        definitions
    };
    // One more step that comes first in the order of names: all others get other numbers.
    let configured = changed(|order| {
        order.expected_steps = vec!["A_FIRST_STEP".to_owned()];
        order.deadline_seconds = 7;
    });
    let in_force = changed(|order| order.deadline_seconds = 7);
    let query = Query::new(store.clone(), Arc::new(configured.clone()));
    let told = query.definitions_in_force().unwrap();
    assert!(told.rebuild_due);
    assert_eq!(told.definitions, in_force);
    let mut would_differ = 0;
    let sagas: BTreeSet<_> = events.iter().map(|event| event.saga_id.clone()).collect();
    for saga in sagas {
        let own = events.iter().filter(|event| event.saga_id == saga).cloned();
        let state = fold(&own.collect::<Vec<_>>(), &old()).unwrap();
        let now = crate::domain::Millis(state.started_at.0 + 7_000);
        let (_, judged) = query.judged_saga(&saga, now).unwrap().unwrap();
        assert_eq!(judged, in_force.judge(&state, now), "{saga}");
        would_differ += usize::from(judged != configured.judge(&state, now));
    }
    assert!(would_differ > 0);
}

#[test]
fn what_nobody_knows_the_rules_of_is_due() {
    let (store, (events, _)) = (store(), halves());
    assert!(
        !rebuild::is_due(&store, &old(), &settings(2)).unwrap(),
        "nothing is in it"
    );
    run(&store, &old(), &events);
    let mut batch = Batch::new();
    reads::delete_fold_rules(&mut batch, reads::active_generation(&*store).unwrap());
    store.write(&batch, Durability::Process).unwrap();
    run(&store, &old(), &[later(&events)]);
    assert!(rebuild::is_due(&store, &old(), &settings(2)).unwrap());
    rebuild(&store, &old()).offline().unwrap();
    assert!(!rebuild::is_due(&store, &old(), &settings(2)).unwrap());
}

/// One more event, behind all others.
fn later(events: &[Event]) -> Event {
    let mut event = events[0].clone();
    let next = behind(events, Cut::default()).next(0);
    event.position = Position::new(0, next);
    event.event_id = "later".into();
    event
}
