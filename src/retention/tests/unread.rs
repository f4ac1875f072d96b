//! Letters of unknown schemas: what one replica cannot read yet, another has read long ago.

use super::sweeps::{DAYS, NOW, Tracker, event, purged_now};
use super::*;
use crate::store::letters::{Happened, LetterBook, LetterChanges};
use crate::store::read;
use crate::store::records::{FeedRecord, LetterRecord};
use crate::testkit::mark_letter;

/// Puts a letter of an unknown schema there, as ingest does, and its offset behind the cursor.
pub(super) fn put_letter(store: &SharedStore, at: Position) {
    let listed = LetterRecord {
        topic: TOPIC,
        reason: "unknown_schema",
        ..LetterRecord::default()
    };
    let (mut key, mut rows, mut changes) = (Key::default(), Batch::new(), LetterChanges::default());
    keys::by_offset(&mut key, at);
    rows.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
    rows.put_with(Table::Feed, &key, |bytes| FeedRecord::DeadLetter.write(bytes));
    changes.add_letter(at, &listed);
    LetterBook::enter(&LetterBook::default().hold(), &**store, &mut rows, &changes).unwrap();
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
    let discarded = Happened::Discarded {
        by: "kim".to_owned(),
        why: "no schema has this id".to_owned(),
    };
    mark_letter(&store, letter, discarded);
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 1);
    assert_eq!(tracker.status.snapshot().unreadable, None);
    tracker.stop();
    assert_eq!(purged_now(&store, &events), [SagaId::from("old")]);
}

/// What the one that decided had read, and a store in which the last record is a letter.
fn decided_by_one_that_read_it() -> (Topic, SharedStore, Event) {
    let events = [
        old(),
        event(1, "other", "ORDER_CREATED", SagaStatus::Started, NOW),
        today(2),
    ];
    let store = store();
    project(&store, &events[..2], &[9], 1);
    // The cursor lies behind the letter.
    let mut projected = events[1].clone();
    projected.position.offset = 3;
    projected.saga_id = "behind".into();
    project(&store, &[projected], &[1], 1);
    put_letter(&store, events[2].position);
    let purge = purge_of(&events, &["old".into()]);
    let topic = Topic::new(vec![(PURGE, purge)]).beside(&events);
    topic.store_unchecked(&store);
    let [.., last] = events;
    (topic, store, last)
}

#[test]
fn a_decision_waits_for_what_its_maker_could_read() {
    let (topic, store, last) = decided_by_one_that_read_it();
    let tracker = Tracker::over(&store, &topic.said);
    tracker.ops.update(|status| status.next = 1);
    for _ in 0..600 {
        if tracker.status.snapshot().held_up.is_some() || tracker.status.snapshot().next > 0 {
            break;
        }
        crate::wait::park(Duration::from_millis(100));
    }
    assert_eq!(tracker.status.snapshot().next, 0, "it is done too early");
    // Its schema is known now.
    let (mut key, mut rows, mut changes) = (Key::default(), Batch::new(), LetterChanges::default());
    keys::by_offset(&mut key, last.position);
    rows.delete(Table::Letters, &key);
    changes.take_back(last.position);
    let book = LetterBook::default();
    LetterBook::enter(&book.hold(), &*store, &mut rows, &changes).unwrap();
    let filled = move |projector: &mut projector::Projector| projector.fill(&[last], &rows);
    tracker.handle.between_windows(filled).unwrap().unwrap();
    assert!(tracker.status.wait_for(0, Duration::from_secs(60)));
    tracker.stop();
    assert!(is_gone(&store, &"old".into()));
    assert_eq!(
        read::meta_counts(&*store, crate::store::totals::RETENTION_SKIPPED)
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
    assert_eq!(told.skipped[&Skipped::Unread], 1, "{told:?}");
    assert_eq!(told.held_up, None);
    assert!(!is_gone(&store, &"old".into()));
}
