//! Shared by unit tests: sagas' deliveries in an in-memory store, projected as the tracker does.

use crate::domain::{Cut, Event, MetadataForm, Millis, Position, SagaDefinitions, SagaStatus};
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::projector::rebuild::Rebuild;
use crate::pipeline::projector::{Projector, ProjectorSettings};
use crate::pipeline::verify::Verify;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, DeadLetterMark, Happened};
use crate::store::ledger::OffsetSums;
use crate::store::memory::MemoryStore;
use crate::store::records::{FeedRecord, LogRecord, OffsetClass, OffsetRecord};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, late, reads};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are free on a disk, as a test sets them; 1,000 of them are to be left so.
#[derive(Default)]
pub(crate) struct Room(pub(crate) AtomicU64);

impl FreeSpace for Room {
    fn free(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed))
    }

    fn min_free_bytes(&self) -> u64 {
        1_000
    }
}

pub(crate) const TOPIC: &str = "topic";

/// 2025-11-20T00:00:00Z.
pub(crate) const DAY: i64 = 1_763_596_800_000;

pub(crate) fn store() -> SharedStore {
    Arc::new(MemoryStore::new())
}

pub(crate) fn settings(shards: usize) -> ProjectorSettings {
    ProjectorSettings {
        shards,
        remembered_sagas: 8,
        ..ProjectorSettings::default()
    }
}

/// An event to make others of.
pub(crate) fn event() -> Event {
    Event {
        position: Position::new(0, 0),
        arrived_at: Millis(DAY),
        recorded_at: Millis(DAY),
        event_timestamp: Millis(DAY),
        event_id: "e".into(),
        saga_id: "s".into(),
        saga_type: "ORDER_CREATION".into(),
        step: "ORDER_CREATED".into(),
        status: SagaStatus::Started,
        order_id: "o".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

/// Puts events into the log as ingest does.
pub(crate) fn append(store: &SharedStore, events: &[Event]) {
    let mut batch = Batch::new();
    let mut key = Key::default();
    let mut cut = reads::log_cut(&**store, TOPIC).unwrap();
    let mut accounted = OffsetSums::default();
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        batch.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
        late::put(&mut batch, event);
        late::put_clock(
            &mut batch,
            event.position,
            cut.next(event.position.partition),
            event.arrived_at,
        );
        let entry = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        keys::by_offset(&mut key, event.position);
        batch.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
        let partition = event.position.partition;
        accounted.add(partition, event.arrived_at, OffsetClass::Logged, 1);
        let next = cut.next(event.position.partition).max(event.position.offset + 1);
        cut.set(event.position.partition, next);
    }
    for (partition, next) in cut.iter().filter(|(_, next)| *next > 0) {
        keys::offsets(&mut key, TOPIC, partition);
        let row = OffsetRecord {
            next,
            ..OffsetRecord::default()
        };
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
    }
    accounted.put(&**store, Table::Accounted, &mut batch).unwrap();
    store.write(&batch, Durability::Process).unwrap();
}

/// Adds what a decision says happened to a letter.
pub(crate) fn mark_letter(store: &SharedStore, letter: Position, what: Happened) {
    let mut changes = DeadLetterChanges::default();
    let mark = DeadLetterMark {
        by: Position::new(0, 0),
        at: Millis(DAY),
        what,
    };
    changes.add_mark(letter, mark);
    let (book, mut rows) = (DeadLetterLock::default(), Batch::new());
    let held = book.hold();
    DeadLetterLock::enter(&held, &**store, &mut rows, &changes).unwrap();
    store.write(&rows, Durability::Process).unwrap();
}

/// An event of partition 0.
pub(crate) fn event_at(saga: &str, offset: u64, step: &str, status: SagaStatus) -> Event {
    let at = Millis(DAY + i64::try_from(offset).unwrap());
    Event {
        position: Position::new(0, offset),
        arrived_at: at,
        recorded_at: at,
        event_timestamp: at,
        event_id: format!("event-{offset}").into(),
        saga_id: saga.into(),
        step: step.into(),
        status,
        order_id: format!("order-of-{saga}").into(),
        ..event()
    }
}

/// The cut behind the events.
pub(crate) fn behind(events: &[Event], mut cut: Cut) -> Cut {
    for event in events {
        let next = cut.next(event.position.partition).max(event.position.offset + 1);
        cut.set(event.position.partition, next);
    }
    cut
}

/// Appends and projects the events, a window after each count of `windows`.
pub(crate) fn project(store: &SharedStore, events: &[Event], windows: &[usize], shards: usize) {
    let generation = reads::active_generation(&**store).unwrap();
    let definitions = Arc::new(SagaDefinitions::default());
    let mut projector = Projector::open(store.clone(), generation, definitions, &settings(shards)).unwrap();
    let mut rest = events;
    let mut sizes = windows.iter().copied().cycle();
    while !rest.is_empty() {
        let (window, others) = rest.split_at(sizes.next().unwrap_or(7).clamp(1, rest.len()));
        append(store, window);
        projector
            .advance(window, &behind(window, projector.cursor().clone()))
            .unwrap();
        rest = others;
    }
}

/// What `verify` finds wrong with the store, in words.
pub(crate) fn differences(store: &SharedStore) -> Vec<String> {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::default(),
        settings: settings(2),
        progress: Arc::default(),
    };
    verify.run().unwrap().differences.told
}

/// Makes the store's projections anew, with nobody reading them.
pub(crate) fn rebuild(store: &SharedStore) {
    let rebuild = Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::default(),
        settings: settings(2),
        progress: Arc::default(),
    };
    rebuild.offline().unwrap();
}

/// Deliveries of a few sagas on three partitions, in some order of consumption: offsets rise within
/// each partition, everything else is as bad as producers get.
pub(crate) fn traffic(max: usize) -> impl Strategy<Value = Vec<Event>> {
    let one = (
        0u32..3,
        select(vec!["s", "s1", "s2", "s3", "s\u{0}4", "속5"]),
        select(vec!["", "a", "b", "c", "d", "e", "f", "g"]),
        select(vec![
            "ORDER_CREATION",
            "ORDER_CREATION",
            "PAYMENT_COMPLETION",
            "REFUND",
        ]),
        select(vec![
            "ORDER_CREATED",
            "ORDER_CONFIRMED",
            "PAYMENT_COMPLETED",
            "STOCK_RESERVED",
        ]),
        select(SagaStatus::ALL.to_vec()),
        select(vec!["o1", "o2", "o3"]),
        prop_oneof![0i64..20, 0i64..20_000, 0i64..400_000_000],
    );
    proptest::collection::vec(one, 1..max).prop_map(|rows| {
        let mut next = [0u64; 3];
        rows.into_iter()
            .map(|(partition, saga, id, saga_type, step, status, order, at)| {
                let offset = next[partition as usize];
                next[partition as usize] += 1;
                let reason = format!(r#"{{"failureReason":"reason {}"}}"#, at % 7);
                let metadata = (at % 3 == 0).then(|| reason.into_boxed_str());
                Event {
                    position: Position::new(partition, offset),
                    arrived_at: Millis(DAY + at),
                    recorded_at: Millis(DAY + at),
                    event_timestamp: Millis(DAY + at),
                    event_id: id.into(),
                    saga_id: saga.into(),
                    saga_type: saga_type.into(),
                    step: step.into(),
                    status,
                    order_id: order.into(),
                    metadata_form: match metadata {
                        Some(_) => MetadataForm::Object,
                        None => MetadataForm::Absent,
                    },
                    metadata,
                    producer_service: (at % 3 == 1).then(|| format!("service {}", at % 2).into()),
                    trace_id: (at % 4 > 0).then(|| format!("trace {}", at % 5).into()),
                }
            })
            .collect()
    })
}
