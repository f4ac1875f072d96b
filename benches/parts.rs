//! The steps of an event's way, one by one: fold, records, the engine. Decoding has a bench of its own.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use saga_tracker::domain::{
    Event, MetadataForm, Millis, Position, SagaDefinitions, SagaState, SagaStatus, deduplicate, fold,
};
use saga_tracker::pipeline::projector::{Projector, ProjectorSettings};
use saga_tracker::pipeline::query::{Filter, Inside, Moment, Query, SearchRequest, Sort, SortKey, Window};
use saga_tracker::store::codec::Record as _;
use saga_tracker::store::records::{FeedRecord, InstanceRecord, LogRecord};
use saga_tracker::store::rocks::{RocksSettings, RocksStore};
use saga_tracker::store::{Batch, Durability, Generation, Key, SharedStore, Store as _, Table, keys, reads};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const METADATA: &str = r#"{"customerId":"customer-1","orderAmount":12900,"producerService":"order-service","producerTimestamp":"2026-01-01T00:00:00.000Z","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
const STEPS: [(&str, SagaStatus); 6] = [
    ("ORDER_CREATED", SagaStatus::Started),
    ("STOCK_RESERVATION", SagaStatus::InProgress),
    ("STOCK_RESERVED", SagaStatus::Completed),
    ("STOCK_RESERVED", SagaStatus::InProgress),
    ("PAYMENT_COMPLETED", SagaStatus::InProgress),
    ("ORDER_CONFIRMED", SagaStatus::Completed),
];
/// The time of the first event.
const FIRST: i64 = 1_767_225_600_000;
/// Events of one write.
const WINDOW: u64 = 5_000;

/// Six events of each saga, saga after saga.
fn events(from: u64, count: u64) -> Vec<Event> {
    (from..from + count)
        .map(|number| {
            let (saga, turn) = (number / 6, number % 6);
            let (step, status) = STEPS[usize::try_from(turn).unwrap()];
            let at = Millis(FIRST + i64::try_from(number).unwrap());
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

/// Sagas that a search looks at one by one, as many as it may.
const EXAMINED: u64 = 100_000;

/// A store with so many sagas of six events each, whose ids stand in another order than their starts.
fn projected(dir: &Path, sagas: u64) -> Query {
    filled(dir, sagas * 6, |event| {
        let saga = event.position.offset / 6;
        event.saga_id = format!("{:016x}", saga.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into();
        event.trace_id = Some(format!("{saga:032x}").into());
    })
}

/// A store with so many events, each changed before it is stored.
fn filled(dir: &Path, count: u64, change: impl Fn(&mut Event)) -> Query {
    let store: SharedStore = Arc::new(RocksStore::open(dir, &RocksSettings::default()).unwrap());
    let definitions = Arc::new(SagaDefinitions::default());
    let (generation, settings) = (Generation::A, ProjectorSettings::default());
    let mut projector = Projector::open(store.clone(), generation, definitions.clone(), &settings).unwrap();
    for from in (0..count).step_by(6_000) {
        let mut events = events(from, 6_000.min(count - from));
        events.iter_mut().for_each(&change);
        store.write(&batch(&events), Durability::Process).unwrap();
        let cut = [(0, from + events.len() as u64)].into_iter().collect();
        projector.advance(&events, &cut).unwrap();
    }
    store.flush().unwrap();
    Query::new(store, definitions)
}

fn searching(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let query = projected(dir.path(), EXAMINED);
    let mut group = criterion.benchmark_group("search by what happened inside, 100,000 sagas");
    group.sample_size(10);
    let half = Moment {
        as_of: Some(Millis(FIRST + i64::try_from(EXAMINED).unwrap() * 3)),
        known_at: None,
    };
    let step = |step: &str| vec![step.into()];
    for (name, inside, moment) in [
        (
            "a step that states tell",
            Inside {
                steps: step("STOCK_RELEASED"),
                ..Inside::default()
            },
            Moment::default(),
        ),
        (
            "a step that only events tell",
            Inside {
                steps: step("STOCK_RESERVATION"),
                ..Inside::default()
            },
            Moment::default(),
        ),
        (
            "a step that never came, as of the middle",
            Inside {
                without_steps: step("STOCK_RESERVATION_FAILED"),
                ..Inside::default()
            },
            half,
        ),
        (
            "a service that never was",
            Inside {
                producer_service: Some("nobody".into()),
                ..Inside::default()
            },
            Moment::default(),
        ),
        (
            "a trace",
            Inside {
                trace_id: Some(format!("{:032x}", EXAMINED / 2).into()),
                ..Inside::default()
            },
            Moment::default(),
        ),
    ] {
        let request = SearchRequest {
            filter: Filter {
                inside,
                moment,
                ..Filter::default()
            },
            sort: Sort {
                key: SortKey::StartedAt,
                descending: true,
            },
            window: Window::Page { number: 0, size: 20 },
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| query.search(black_box(&request)).unwrap());
        });
    }
    group.bench_function("details", |bencher| {
        bencher.iter(|| query.detailed_statistics(&Filter::default()).unwrap());
    });
    group.finish();
}

/// Sagas of one event, all of one order, each of a type of its own: what hostile producers can make of filters.
fn crowds(criterion: &mut Criterion) {
    const TYPES: u64 = 1_000_000;
    let mut group = criterion.benchmark_group("crowds");
    group.sample_size(10);
    let page = |filter: &Filter, number: u64| SearchRequest {
        filter: filter.clone(),
        sort: Sort {
            key: SortKey::StartedAt,
            descending: true,
        },
        window: Window::Page { number, size: 20 },
    };
    let saga_of = |event: &mut Event| event.saga_id = format!("S-{:012}", event.position.offset).into();

    let dir = tempfile::tempdir().unwrap();
    let query = filled(dir.path(), EXAMINED, |event| {
        saga_of(event);
        event.order_id = "one-order".into();
    });
    let of_order = Filter {
        order_id: Some("one-order".into()),
        ..Filter::default()
    };
    for (name, number) in [("first", 0), ("last", EXAMINED / 20 - 1)] {
        group.bench_function(format!("an order of 100,000 sagas, {name} page"), |bencher| {
            let request = page(&of_order, number);
            bencher.iter(|| query.search(black_box(&request)).unwrap());
        });
    }
    drop(query);

    let dir = tempfile::tempdir().unwrap();
    let query = filled(dir.path(), TYPES, |event| {
        saga_of(event);
        let number = event.position.offset.wrapping_mul(0x9e37_79b9) % TYPES;
        event.saga_type = format!("TYPE_{number}").into();
        event.step = format!("STEP_{number}").into();
    });
    let of_type = Filter {
        saga_type: Some("TYPE_77".into()),
        ..Filter::default()
    };
    group.bench_function("one of 1,000,000 types, a page", |bencher| {
        let request = page(&of_type, 0);
        bencher.iter(|| query.search(black_box(&request)).unwrap());
    });
    group.bench_function("all of 1,000,000 types, a page", |bencher| {
        let request = page(&Filter::default(), 0);
        bencher.iter(|| query.search(black_box(&request)).unwrap());
    });
    group.bench_function("1,000,000 types, statistics", |bencher| {
        bencher.iter(|| query.statistics(black_box(&Filter::default())).unwrap());
    });
    group.finish();
}

criterion_group!(benches, folding, records, engine, searching, crowds);
criterion_main!(benches);
