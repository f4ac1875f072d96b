//! A decision of which some is done when its worker ends: it goes on to its end, whoever has the store then.

use super::sweeps::{DAYS, NOW, event};
use super::unread::put_letter;
use super::*;
use crate::operations::decisions::decisions_from;
use crate::operations::retention::finish_begun;
use crate::store::reads;

const SAGAS: u64 = 120;

/// Sagas that were over 91 days ago, more than go in one write, and something of today. At one offset nothing
/// stands.
fn many() -> Vec<Event> {
    let over = (0..SAGAS).map(|number| {
        let (offset, at) = (number + u64::from(number >= HOLE), NOW - 91 * DAYS);
        event(
            offset,
            &format!("saga-{number:03}"),
            "ORDER_CONFIRMED",
            SagaStatus::Completed,
            at,
        )
    });
    let today = event(SAGAS + 1, "today", "ORDER_CREATED", SagaStatus::Started, NOW);
    over.chain([today]).collect()
}

const HOLE: u64 = 60;

/// A decision to purge all that are over.
fn purge_many(events: &[Event]) -> Topic {
    let mut ids = sagas(events);
    ids.retain(|saga| saga.as_str() != "today");
    Topic::new(vec![(PURGE, purge_of(events, &ids))]).beside(events)
}

fn worker(topic: &Topic, store: &SharedStore, projector: &ProjectorHandle) -> Worker {
    let (status, ops) = (Arc::default(), Arc::default());
    Worker {
        store: store.clone(),
        edge: edge(&topic.said, projector, &ops, &status),
        projector: projector.clone(),
        ops,
        status,
        space: Arc::new(Boundless),
        configured: Arc::default(),
        definitions: SharedDefinitions::default(),
        reclaim_percent: 1,
        shutdown: CancellationToken::new(),
    }
}

fn recorded(store: &SharedStore, offset: u64) -> crate::operations::decisions::Recorded {
    let (mut found, _) = decisions_from(&**store, offset, offset + 1, 1).unwrap();
    found.pop().unwrap()
}

/// Does a decision until the first place where a worker looks whether it is told to stop.
fn do_some_of(topic: &Topic, store: &SharedStore, projector: &ProjectorHandle, decision: u64) {
    let worker = worker(topic, store, projector);
    worker.shutdown.cancel();
    let told = worker.apply(&recorded(store, decision)).err();
    assert_eq!(told.map(|told| told.to_string()).as_deref(), Some("told to stop"));
}

/// The same, by a process that ends then.
fn end_half_way(topic: &Topic, store: &SharedStore) {
    let (projector, projecting) =
        projector::spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    do_some_of(topic, store, &projector, 0);
    drop(projector);
    projecting.join().unwrap();
}

fn gone(store: &SharedStore, events: &[Event]) -> usize {
    sagas(events).iter().filter(|saga| is_gone(store, saga)).count()
}

/// A store with the deliveries, and the decisions read.
fn filled(topic: &Topic, events: &[Event]) -> SharedStore {
    let store = store();
    project(&store, events, &[9], 1);
    topic.read_into(&store);
    store
}

#[test]
fn what_a_process_left_half_done_is_finished_before_a_digest_or_by_the_next_process() {
    let events = many();
    let topic = purge_many(&events);
    let whole = filled(&topic, &events);
    topic.work(&whole);
    let whole = digest(&whole, TOPIC).unwrap();
    assert_eq!(whole.applied, 1);
    let definitions = Arc::new(SagaDefinitions::default());
    for offline in [true, false] {
        let store = filled(&topic, &events);
        end_half_way(&topic, &store);
        let some = gone(&store, &events);
        assert!(0 < some && (some as u64) < SAGAS, "{some}");
        assert_eq!(purged::begun(&*store).unwrap(), Some(0));
        if offline {
            let finish = || finish_begun(&store, TOPIC, &definitions, &settings(1)).unwrap();
            assert_eq!((finish(), finish()), (Some(0), None));
        } else {
            topic.work(&store);
        }
        assert_eq!(purged::begun(&*store).unwrap(), None);
        assert_eq!(gone(&store, &events) as u64, SAGAS);
        assert_eq!(digest(&store, TOPIC).unwrap(), whole);
    }
}

#[test]
fn what_is_done_and_not_noted_yet_is_noted() {
    let events = many();
    let topic = purge_many(&events);
    let store = filled(&topic, &events);
    topic.work(&store);
    let done = digest(&store, TOPIC).unwrap();
    let mut batch = Batch::new();
    reads::put_meta(&mut batch, crate::store::totals::RETENTION_CURSOR, "0");
    purged::put_begun(&mut batch, Some(0));
    store.write(&batch, Durability::Process).unwrap();
    assert_ne!(digest(&store, TOPIC).unwrap(), done, "it counts as not done");
    finish_begun(&store, TOPIC, &Arc::default(), &settings(1)).unwrap();
    assert_eq!(digest(&store, TOPIC).unwrap(), done);
}

#[test]
fn what_has_begun_is_not_left_whatever_it_would_wait_for_by_now() {
    let events = many();
    let mut topic = purge_many(&events);
    let store = filled(&topic, &events);
    end_half_way(&topic, &store);
    put_letter(&store, Position::new(0, HOLE));
    topic.letters = Duration::ZERO;
    let told = topic.work(&store);
    assert_eq!(gone(&store, &events) as u64, SAGAS, "{told:?}");
    assert_eq!(told.skipped[&Skipped::UnreadableDeadLetters], 0);
}

#[test]
fn a_worker_finishes_the_rows_of_what_one_before_it_restored() {
    let at = NOW - 91 * DAYS;
    let one = |offset, saga: &str, at| event(offset, saga, "ORDER_CONFIRMED", SagaStatus::Completed, at);
    let mut events: Vec<Event> = (0..3).map(|offset| one(offset, "back", at)).collect();
    events.push(event(3, "today", "ORDER_CREATED", SagaStatus::Started, NOW));
    let (inside, saga) = (events.clone(), SagaId::from("back"));
    // Behind the cut of the decision, so that it is large when it comes back.
    events.extend((4..8).map(|offset| one(offset, "back", at)));
    let purge = (PURGE, purge_of(&inside, std::slice::from_ref(&saga)));
    let restore = serde_json::to_value(restore_of(&inside, &saga, 0)).unwrap();
    let topic = Topic::new(vec![purge.clone(), (RESTORE, restore)]).beside(&events);
    let steady = filled(&topic, &events);
    topic.work(&steady);

    let store = filled(&topic, &events);
    Topic::new(vec![purge]).beside(&events).work(&store);
    assert!(is_gone(&store, &saga));
    let (projector, projecting) =
        projector::spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    do_some_of(&topic, &store, &projector, 1);
    assert!(!is_gone(&store, &saga));
    // The process goes on.
    let next = worker(&topic, &store, &projector);
    assert!(next.apply(&recorded(&store, 1)).is_ok());
    drop((next, projector));
    projecting.join().unwrap();
    let tables = |store: &SharedStore| digest(store, TOPIC).unwrap().tables;
    assert_eq!(tables(&store), tables(&steady));
}
