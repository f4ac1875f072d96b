//! Dead letters of unknown schemas, and definitions of another version: what one replica cannot read yet,
//! another has read long ago.

use super::sweeps::{DAYS, NOW, Tracker, event, purged_now};
use super::*;
use crate::domain::UnreadableVersion;
use crate::operations::decisions::decisions_from;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, Happened};
use crate::store::reads;
use crate::store::records::{DeadLetterSummaryRecord, FeedRecord};
use crate::testkit::mark_letter;

/// Puts a dead letter of an unknown schema there, as ingest does.
pub(super) fn put_letter(store: &SharedStore, at: Position) {
    let listed = DeadLetterSummaryRecord {
        topic: TOPIC,
        reason: "unknown_schema",
        ..DeadLetterSummaryRecord::default()
    };
    let (mut key, mut rows, mut changes) = (Key::default(), Batch::new(), DeadLetterChanges::default());
    keys::by_offset(&mut key, at);
    rows.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
    rows.put_with(Table::Feed, &key, |bytes| FeedRecord::DeadLetter.write(bytes));
    changes.add_letter(at, &listed);
    DeadLetterLock::enter(&DeadLetterLock::default().hold(), &**store, &mut rows, &changes).unwrap();
    store.write(&rows, Durability::Process).unwrap();
}

fn old() -> Event {
    event(
        0,
        "old",
        "ORDER_CONFIRMED",
        SagaStatus::Completed,
        NOW - 91 * DAYS,
    )
}

fn today(offset: u64) -> Event {
    event(offset, "today", "ORDER_CREATED", SagaStatus::Started, NOW)
}

fn discarded() -> Happened {
    Happened::Discarded {
        by: "kim".to_owned(),
        why: "no schema has this id".to_owned(),
    }
}

#[test]
fn nothing_is_due_where_a_letter_waits_for_its_schema() {
    let (store, letter) = (store(), Position::new(0, 1));
    let events = [old(), today(2)];
    project(&store, &events, &[9], 1);
    put_letter(&store, letter);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let tracker = Tracker::over(&store, &said);
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 0, "its refund may lie there");
    let told = tracker.status.snapshot().unreadable.unwrap();
    assert!(told.starts_with("nothing is due in partitions {0}"), "{told}");
    mark_letter(&store, letter, discarded());
    assert_eq!(
        tracker.sweep(NOW).unwrap().decided,
        0,
        "the registry was not asked"
    );
    assert!(tracker.status.snapshot().unreadable.is_some());
    tracker.asked_for.pretend(behind(&events, Cut::default()));
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 1);
    assert_eq!(tracker.status.snapshot().unreadable, None);
    tracker.stop();
    assert_eq!(purged_now(&store, &events), [SagaId::from("old")]);
}

/// What the one that decided had read, and a store in which one of its records is a dead letter.
fn decided_by_one_that_read_it() -> (Topic, SharedStore, Event) {
    let other = event(2, "other", "ORDER_CREATED", SagaStatus::Started, NOW);
    let events = [old(), today(1), other];
    let store = store();
    project(&store, &[events[0].clone(), events[2].clone()], &[9], 1);
    put_letter(&store, events[1].position);
    let purge = purge_of(&events, &["old".into(), "today".into()]);
    let topic = Topic::new(vec![(PURGE, purge)]).beside(&events);
    topic.store_unchecked(&store);
    let [_, letter, _] = events;
    (topic, store, letter)
}

#[test]
fn a_decision_waits_for_what_its_maker_could_read() {
    let (topic, store, letter) = decided_by_one_that_read_it();
    let tracker = waiting(&topic, &store);
    becomes_readable(&tracker, &store, letter);
    assert!(tracker.status.wait_for(0, Duration::from_secs(60)));
    tracker.stop();
    is_done(&store);
}

#[test]
fn a_decision_waits_until_the_registry_was_asked_for_what_is_discarded() {
    let (topic, store, letter) = decided_by_one_that_read_it();
    mark_letter(&store, letter.position, discarded());
    let tracker = waiting(&topic, &store);
    becomes_readable(&tracker, &store, letter);
    assert!(tracker.status.wait_for(0, Duration::from_secs(60)));
    tracker.stop();
    is_done(&store);
}

#[test]
fn a_decision_that_names_what_its_maker_could_not_read_waits_for_all_else_however_settled() {
    let (mut topic, store, letter) = decided_by_one_that_read_it();
    topic.decisions[0].body["unread"] = json!({});
    topic.store_unchecked(&store);
    mark_letter(&store, letter.position, discarded());
    let asked = behind(std::slice::from_ref(&letter), Cut::default());
    let tracker = waiting_though_asked(&topic, &store, asked);
    becomes_readable(&tracker, &store, letter);
    assert!(tracker.status.wait_for(0, Duration::from_secs(60)));
    tracker.stop();
    is_done(&store);
}

#[test]
fn what_is_discarded_and_was_asked_for_in_vain_holds_nothing_up() {
    let (topic, store, letter) = decided_by_one_that_read_it();
    mark_letter(&store, letter.position, discarded());
    let tracker = waiting(&topic, &store);
    tracker.asked_for.pretend(behind(&[letter], Cut::default()));
    assert!(tracker.status.wait_for(0, Duration::from_secs(60)));
    assert!(is_gone(&store, &"old".into()));
    tracker.stop();
}

/// A tracker that has read the decision, and waits.
fn waiting(topic: &Topic, store: &SharedStore) -> Tracker {
    waiting_though_asked(topic, store, Cut::default())
}

/// The same, where the registry was asked for all dead letters inside a cut.
fn waiting_though_asked(topic: &Topic, store: &SharedStore, asked: Cut) -> Tracker {
    let tracker = Tracker::over(store, &topic.said);
    tracker.asked_for.pretend(asked);
    tracker.ops.update(|status| status.next = 1);
    for _ in 0..600 {
        if tracker.status.snapshot().held_up.is_some() || tracker.status.snapshot().next > 0 {
            break;
        }
        crate::wait::park(Duration::from_millis(100));
    }
    assert_eq!(tracker.status.snapshot().next, 0, "it is done too early");
    tracker
}

/// The schema of a dead letter is known now.
fn becomes_readable(tracker: &Tracker, store: &SharedStore, letter: Event) {
    let (mut key, mut rows, mut changes) = (Key::default(), Batch::new(), DeadLetterChanges::default());
    keys::by_offset(&mut key, letter.position);
    rows.delete(Table::Letters, &key);
    changes.take_back(letter.position);
    let book = DeadLetterLock::default();
    DeadLetterLock::enter(&book.hold(), &**store, &mut rows, &changes).unwrap();
    let filled = move |projector: &mut projector::Projector| projector.fill(&[letter], &rows);
    tracker.handle.between_windows(filled).unwrap().unwrap();
}

/// All that the decision names is gone, as where it could be read at once.
fn is_done(store: &SharedStore) {
    for saga in ["old", "today"] {
        assert!(is_gone(store, &saga.into()), "{saga}");
    }
    assert_eq!(
        reads::meta_counts(&**store, crate::store::totals::RETENTION_SKIPPED)
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn a_decision_does_not_wait_for_ever() {
    let (mut topic, store, _) = decided_by_one_that_read_it();
    topic.letters = Duration::ZERO;
    let told = topic.work(&store);
    assert_eq!(told.skipped[&Skipped::UnreadableDeadLetters], 1, "{told:?}");
    assert_eq!(told.held_up, None);
    assert!(!is_gone(&store, &"old".into()));
}

#[test]
fn a_decision_goes_on_at_last_where_what_it_waits_for_is_settled() {
    let (mut topic, store, letter) = decided_by_one_that_read_it();
    mark_letter(&store, letter.position, discarded());
    topic.letters = Duration::ZERO;
    let told = topic.work(&store);
    assert_eq!(told.skipped[&Skipped::UnreadableDeadLetters], 0, "{told:?}");
    assert!(is_gone(&store, &"old".into()));
}

fn unread_since(decision: u64) -> UnreadableVersion {
    UnreadableVersion {
        version: 4,
        since: decision,
        why: "unknown field `weather`".to_owned(),
    }
}

#[test]
fn nothing_is_decided_by_a_replica_that_cannot_read_the_definitions_in_force() {
    let store = store();
    let events = [old(), today(1)];
    project(&store, &events, &[9], 1);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let tracker = Tracker::over(&store, &said);
    tracker.definitions.cannot_read(unread_since(0));
    let waits = tracker.sweep(NOW).unwrap_err();
    assert!(matches!(waits, RetentionError::NotAtTheEnd(_)), "{waits}");
    assert!(waits.to_string().contains("unknown field `weather`"), "{waits}");
    tracker.definitions.replace(Arc::default());
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 1);
    tracker.stop();
}

#[test]
fn a_purge_waits_for_the_definitions_that_were_in_force_where_it_was_decided() {
    let store = store();
    let events = [old(), today(1)];
    project(&store, &events, &[9], 1);
    let decisions = vec![
        (HOLD, json!({"saga": "nobody"})),
        (PURGE, purge_of(&events, &["old".into()])),
    ];
    let topic = Topic::new(decisions).beside(&events);
    topic.store_unchecked(&store);
    let tracker = Tracker::over(&store, &topic.said);
    tracker.definitions.cannot_read(unread_since(0));
    tracker.ops.update(|status| status.next = 2);
    let held_up = || tracker.status.snapshot().held_up;
    for _ in 0..600 {
        if held_up().is_some() {
            break;
        }
        crate::wait::park(Duration::from_millis(100));
    }
    assert!(held_up().unwrap().contains("version 4"), "{:?}", held_up());
    assert!(!is_gone(&store, &"old".into()));
    tracker.definitions.replace(Arc::default());
    assert!(tracker.status.wait_for(1, Duration::from_secs(60)));
    assert!(is_gone(&store, &"old".into()));
    tracker.stop();
}

/// The ops topic, as far as this store has read it.
fn ops_of(store: &SharedStore, events: &[Event]) -> Topic {
    let (recorded, _) = decisions_from(&**store, 0, 1, 1).unwrap();
    let decisions = recorded.into_iter().filter_map(|one| one.decision).collect();
    Topic {
        decisions,
        ..Topic::new(vec![]).beside(events)
    }
}

/// One replica decides while a record is a dead letter to it, which it can read afterwards; another one could at
/// once. Both come to the same.
fn both_come_to_the_same(events: &[Event], letter: &Event, settled: bool) {
    let (here, there) = (store(), store());
    let read: Vec<Event> = events.iter().filter(|event| *event != letter).cloned().collect();
    project(&here, &read, &[9], 1);
    project(&there, events, &[9], 1);
    put_letter(&here, letter.position);
    let said = Arc::new(Said::of(TOPIC, &behind(events, Cut::default())));
    let tracker = Tracker::over(&here, &said);
    if settled {
        mark_letter(&here, letter.position, discarded());
        mark_letter(&there, letter.position, discarded());
        tracker.asked_for.pretend(behind(events, Cut::default()));
    }
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 1);
    becomes_readable(&tracker, &here, letter.clone());
    tracker.stop();
    let topic = ops_of(&here, events);
    topic.read_into(&there);
    topic.work(&there);
    for store in [&here, &there] {
        assert!(is_gone(store, &letter.saga_id));
        let query = Query::new(store.clone(), Arc::new(SagaDefinitions::default()));
        assert_eq!(query.totals().unwrap().late, 1, "the letter is not lost");
    }
    let tables = |store: &SharedStore| {
        let mut tables = digest(store, TOPIC).unwrap().tables;
        // What a test puts there of a dead letter is not all that ingest does.
        for table in ["accounted", "clock"] {
            tables.remove(table);
        }
        tables
    };
    assert_eq!(tables(&here), tables(&there));
}

#[test]
fn a_settled_letter_of_a_saga_that_goes_may_become_readable_whenever_it_will() {
    let letter = Event {
        event_id: "refund".into(),
        position: Position::new(0, 1),
        ..old()
    };
    both_come_to_the_same(&[old(), letter.clone(), today(2)], &letter, true);
}

#[test]
fn so_may_a_letter_in_another_partition_than_all_else_of_its_saga() {
    let letter = Event {
        event_id: "refund".into(),
        position: Position::new(1, 0),
        ..old()
    };
    let other = Event {
        position: Position::new(1, 1),
        ..event(1, "other", "ORDER_CREATED", SagaStatus::Started, NOW)
    };
    both_come_to_the_same(&[old(), letter.clone(), today(1), other], &letter, false);
}
