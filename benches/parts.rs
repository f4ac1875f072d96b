//! The steps of an event's way, one by one: fold, records, the engine. Decoding has a bench of its own.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use saga_tracker::domain::{
    Event, MetadataForm, Millis, Position, SagaDefinitions, SagaState, SagaStatus, deduplicate, fold,
};
use saga_tracker::store::codec::Record as _;
use saga_tracker::store::records::{FeedRecord, InstanceRecord, LogRecord};
use saga_tracker::store::rocks::{RocksSettings, RocksStore};
use saga_tracker::store::{Batch, Durability, Key, Store as _, Table, keys, reads};
use std::hint::black_box;

const METADATA: &str = r#"{"customerId":"customer-1","orderAmount":12900,"producerService":"order-service","producerTimestamp":"2026-01-01T00:00:00.000Z","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
const STEPS: [(&str, SagaStatus); 6] = [
    ("ORDER_CREATED", SagaStatus::Started),
    ("STOCK_RESERVATION", SagaStatus::InProgress),
    ("STOCK_RESERVED", SagaStatus::Completed),
    ("STOCK_RESERVED", SagaStatus::InProgress),
    ("PAYMENT_COMPLETED", SagaStatus::InProgress),
    ("ORDER_CONFIRMED", SagaStatus::Completed),
];
/// Events of one write.
const WINDOW: u64 = 5_000;

/// Six events of each saga, saga after saga.
fn events(from: u64, count: u64) -> Vec<Event> {
    (from..from + count)
        .map(|number| {
            let (saga, turn) = (number / 6, number % 6);
            let (step, status) = STEPS[usize::try_from(turn).unwrap()];
            let at = Millis(1_767_225_600_000 + i64::try_from(number).unwrap());
            Event {
                position: Position::new(0, number),
                arrived_at: at,
                recorded_at: at,
                event_timestamp: at,
                event_id: format!("0190a6f2-7c1e-7d52-8f0a-{number:012x}").into(),
                saga_id: format!("ORD-{saga:012}").into(),
                saga_type: "ORDER_CREATION".into(),
                step: step.into(),
                status,
                order_id: format!("ORD-{saga:012}").into(),
                metadata: Some(METADATA.into()),
                metadata_form: MetadataForm::Object,
                producer_service: Some("order-service".into()),
                trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            }
        })
        .collect()
}

fn folding(criterion: &mut Criterion) {
    let definitions = SagaDefinitions::default();
    let saga = events(0, 6);
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(6));
    group.bench_function("events in order, one by one", |bencher| {
        bencher.iter(|| {
            let mut state = SagaState::begin(&saga[0], &definitions);
            for event in &saga[1..] {
                assert!(state.accepts(black_box(event)));
                state.apply(event, &definitions);
            }
            state
        });
    });
    group.bench_function("telling duplicates apart", |bencher| {
        bencher.iter(|| black_box(deduplicate(black_box(&saga))));
    });
    group.bench_function("a whole timeline", |bencher| {
        bencher.iter(|| fold(black_box(&saga), &definitions));
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let definitions = SagaDefinitions::default();
    let saga = events(0, 6);
    let state = fold(&saga, &definitions).unwrap();
    let event = &saga[0];
    let (log, instance) = (
        LogRecord::of(event).to_bytes(),
        InstanceRecord::of(&state).to_bytes(),
    );
    let mut key = Key::default();
    let mut bytes = Vec::new();
    let mut group = criterion.benchmark_group("records");
    group.bench_function("log key and record", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            keys::log(&mut key, &event.saga_id, event.timeline_key());
            LogRecord::of(black_box(event)).write(&mut bytes);
        });
    });
    group.bench_function("state, written", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            InstanceRecord::of(black_box(&state)).write(&mut bytes);
        });
    });
    group.bench_function("event, read", |bencher| {
        bencher.iter(|| reads::event(&event.saga_id, event.timeline_key(), black_box(&log)).unwrap());
    });
    group.bench_function("state, read", |bencher| {
        bencher.iter(|| {
            InstanceRecord::read(black_box(&instance))
                .unwrap()
                .state()
                .unwrap()
        });
    });
    group.finish();
}

/// What ingest writes for these events.
fn batch(events: &[Event]) -> Batch {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        batch.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
        keys::by_offset(&mut key, event.position);
        let entry = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        batch.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
    }
    batch.sort();
    batch
}

fn engine(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store = RocksStore::open(dir.path(), &RocksSettings::default()).unwrap();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(WINDOW));
    group.sample_size(20);
    let mut next = 0;
    group.bench_function("a window of events, written", |bencher| {
        bencher.iter_batched(
            || {
                next += WINDOW;
                batch(&events(next, WINDOW))
            },
            |batch| store.write(&batch, Durability::Process).unwrap(),
            BatchSize::PerIteration,
        );
    });
    store.flush().unwrap();
    let saga = &events(WINDOW + 6, 1)[0].saga_id;
    let all = [(0, u64::MAX)].into_iter().collect();
    group.throughput(Throughput::Elements(6));
    group.bench_function("a saga's events, read", |bencher| {
        bencher.iter(|| assert_eq!(reads::deliveries(&store, black_box(saga), &all).unwrap().len(), 6));
    });
    group.finish();
}

criterion_group!(benches, folding, records, engine);
criterion_main!(benches);
