//! What a table's entry says of its proof is so.

use super::*;
use crate::domain::{Cut, Event, Millis, Position, SagaStatus, evidence};
use crate::pipeline::projector::{Projector, Purge, PurgeSaga};
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, Happened, ValueHash};
use crate::store::ledger::OffsetSums;
use crate::store::records::{
    DeadLetterRecord, DeadLetterSummaryRecord, FeedRecord, OffsetClass, OffsetCountsRecord, OffsetRecord,
    PresenceRecord,
};
use crate::store::{Batch, Durability, Key, Proof, Table, keys};
use crate::testkit::{DAY, TOPIC, behind, event_at, mark_letter, project, settings, store};
use std::ops::ControlFlow;

/// Two sagas, one of them with an event that came again with another body, and in another partition before, and one
/// that was late, the other one purged; and a dead letter that was discarded.
fn filled() -> SharedStore {
    let store = store();
    let mut events = vec![
        event_at("stays", 0, "ORDER_CREATED", SagaStatus::Started),
        event_at("goes", 1, "ORDER_CREATED", SagaStatus::Started),
        event_at("goes", 2, "ORDER_CONFIRMED", SagaStatus::Completed),
        event_at("stays", 3, "STOCK_RESERVATION", SagaStatus::Failed),
    ];
    events[0].arrived_at = Millis(DAY + 30);
    events[3].arrived_at = Millis(DAY + 60_000);
    events[3].trace_id = Some("trace".into());
    events.push(Event {
        position: Position::new(0, 4),
        arrived_at: Millis(DAY + 60_000),
        order_id: "another".into(),
        ..events[0].clone()
    });
    // One whose status changes too often to keep all of its changes.
    for n in 0..8 {
        let status = [SagaStatus::Failed, SagaStatus::Compensated][(n % 2) as usize];
        events.push(Event {
            position: Position::new(1, n),
            ..event_at("flaps", 10 + n, "STEP", status)
        });
    }
    events.push(Event {
        position: Position::new(1, 8),
        arrived_at: Millis(DAY),
        order_id: "another".into(),
        ..events[0].clone()
    });
    project(&store, &events, &[2], 1);
    purge(&store, &events);
    discard(&store, Position::new(0, 5));
    store
}

fn purge(store: &SharedStore, events: &[Event]) {
    let generation = reads::active_generation(&**store).unwrap();
    let mut projector = Projector::open(store.clone(), generation, Arc::default(), &settings(1)).unwrap();
    let own: Vec<Event> = events
        .iter()
        .filter(|event| event.saga_id.as_str() == "goes")
        .cloned()
        .collect();
    let purge = Purge {
        decision: 17,
        at: Millis(DAY),
        rule: "COMPLETED after 90 days".into(),
        extent: behind(events, Cut::default()).into(),
        definitions: Arc::default(),
    };
    let saga = PurgeSaga {
        saga: "goes".into(),
        events: 2,
        hash: evidence(&own),
        row_groups: None,
    };
    projector.purge(&purge, &[saga], &|_, _| false).unwrap();
}

fn discard(store: &SharedStore, at: Position) {
    let letter = DeadLetterRecord {
        topic: TOPIC,
        reason: "bad_magic",
        detail: "byte 0 of the value is 0x7b",
        arrived_at: DAY,
        timestamp: None,
        key: None,
        value: Some(b"{}"),
        headers: Vec::new(),
    };
    let listed = DeadLetterSummaryRecord {
        topic: TOPIC,
        reason: letter.reason,
        detail: letter.detail,
        arrived_at: DAY,
        bytes: 2,
        value: ValueHash::of(letter.value).0,
        event_id: Some("event-5"),
        ..DeadLetterSummaryRecord::default()
    };
    let (mut rows, mut key, mut changes) = (Batch::new(), Key::default(), DeadLetterChanges::default());
    keys::by_offset(&mut key, at);
    rows.put(Table::DeadLetters, &key, &letter.to_bytes());
    rows.put(Table::Letters, &key, &listed.to_bytes());
    rows.put(Table::Feed, &key, &FeedRecord::DeadLetter.to_bytes());
    keys::letter_by_event(&mut key, "event-5", at);
    rows.put(Table::LettersByEvent, &key, &PresenceRecord.to_bytes());
    keys::offsets(&mut key, TOPIC, at.partition);
    let next = OffsetRecord {
        next: at.offset + 1,
        ..OffsetRecord::default()
    };
    rows.put(Table::Offsets, &key, &next.to_bytes());
    changes.add_letter(at, &listed);
    let mut accounted = OffsetSums::default();
    accounted.add(at.partition, Millis(DAY), OffsetClass::DeadLetter, 1);
    accounted.put(&**store, Table::Accounted, &mut rows).unwrap();
    let lock = DeadLetterLock::default();
    let held = lock.hold();
    DeadLetterLock::enter(&held, &**store, &mut rows, &changes).unwrap();
    store.write(&rows, Durability::Process).unwrap();
    drop(held);
    let (by, why) = ("me".to_owned(), "test data".to_owned());
    mark_letter(store, at, Happened::Discarded { by, why });
}

/// What verification tells, or why it could not go on.
fn told(store: &SharedStore) -> Vec<String> {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::default(),
        settings: settings(1),
        progress: Arc::default(),
    };
    match verify.run() {
        Ok(report) => report.differences.told,
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn a_lost_row_of_any_table_that_has_a_proof_is_told() {
    assert_eq!(told(&filled()), Vec::<String>::new());
    let serving = reads::active_generation(&*filled()).unwrap();
    let idle = |table: &Table| matches!(table, Table::Projection(of, _) if *of != serving);
    for table in Table::all().filter(|table| !idle(table)) {
        if let Proof::Nothing(why) = table.entry().proof {
            assert!(!why.is_empty());
            continue;
        }
        let (store, mut lost) = (filled(), None);
        store
            .scan_table(table, &mut |partition, sort, _| {
                lost = Some(Key::new(partition, sort));
                ControlFlow::Break(())
            })
            .unwrap();
        let mut rows = Batch::new();
        rows.delete(table, &lost.unwrap_or_else(|| panic!("{table:?} has no rows")));
        store.write(&rows, Durability::Process).unwrap();
        assert_ne!(told(&store), Vec::<String>::new(), "{table:?}");
    }
}

#[test]
fn the_projections_are_what_a_fold_proves() {
    for table in Table::all() {
        let is_projection = matches!(table, Table::Projection(..));
        assert_eq!(table.entry().proof == Proof::Fold, is_projection, "{table:?}");
    }
}

#[test]
fn a_wrong_sum_of_the_ledger_is_told() {
    let serving = reads::active_generation(&*filled()).unwrap();
    let folded = Table::Projection(serving, crate::store::ProjectionTable::Ledger);
    let cases = [
        (Table::Accounted, OffsetClass::Logged, "accounted, partition 0"),
        (
            Table::Accounted,
            OffsetClass::DeadLetter,
            "accounted, partition 0",
        ),
        (
            Table::Accounted,
            OffsetClass::Unexplained,
            "accounted, partition 0",
        ),
        (folded, OffsetClass::Purged, "Ledger"),
        (folded, OffsetClass::Duplicate, "Ledger"),
    ];
    for (table, class, told_of) in cases {
        for day in [None, Some(Millis(DAY).day())] {
            let (store, mut key) = (filled(), Key::default());
            keys::ledger(&mut key, 0, day);
            let row = store.get(table, &key).unwrap().unwrap();
            let mut counts = OffsetCountsRecord::read(&row).unwrap();
            counts.add(class, 1);
            let mut rows = Batch::new();
            rows.put(table, &key, &counts.to_bytes());
            store.write(&rows, Durability::Process).unwrap();
            let told = told(&store);
            assert!(
                told.iter().any(|told| told.contains(told_of)),
                "{class:?} {day:?}: {told:?}"
            );
        }
    }
}
