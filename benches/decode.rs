//! Decoding one event: our plan, and apache-avro in the two ways that it offers.
//!
//! `cargo bench --bench decode`. The same bytes, the published schema, metadata as producers send it.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, from_value};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use saga_tracker::domain::{Millis, Position};
use saga_tracker::pipeline::decode::{DecodePlan, wire};
use saga_tracker::pipeline::registry::BUNDLED_SCHEMA;
use serde::Deserialize;
use std::hint::black_box;

const METADATA: &str = r#"{"producerService":"order-service","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","producerTimestamp":"2026-01-01T00:00:00Z","orderAmount":12900,"paymentMethod":"CARD"}"#;

/// What a consumer without a plan would decode into.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    event_id: String,
    event_timestamp: i64,
    saga_id: String,
    saga_type: String,
    step: String,
    status: String,
    order_id: String,
    metadata: Option<String>,
    recorded_at: i64,
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn record() -> Value {
    let fields = [
        ("eventId", text("0190a6f2-7c1e-7d52-8f0a-3f6a4f0f5a11")),
        ("eventTimestamp", Value::Long(1_760_000_000_000)),
        ("sagaId", text("0190a6f2-7c1e-7d52-8f0a-3f6a4f0f5a12")),
        ("sagaType", Value::Enum(0, "ORDER_CREATION".to_owned())),
        ("step", text("STOCK_RESERVATION")),
        ("status", Value::Enum(1, "IN_PROGRESS".to_owned())),
        ("orderId", text("0190a6f2-7c1e-7d52-8f0a-3f6a4f0f5a13")),
        ("metadata", Value::Union(1, Box::new(text(METADATA)))),
        ("recordedAt", Value::Long(1_760_000_000_001)),
    ];
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

fn decode(criterion: &mut Criterion) {
    let schema = Schema::parse_str(BUNDLED_SCHEMA).unwrap();
    let body = GenericDatumWriter::builder(&schema)
        .build()
        .unwrap()
        .write_value_to_vec(record())
        .unwrap();
    let value = [&[0, 0, 0, 0, 7][..], &body].concat();
    let plan = DecodePlan::compile(&schema).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("plan, borrowed", |bencher| {
        bencher.iter(|| {
            let (_, body) = wire::split(black_box(&value)).unwrap();
            black_box(plan.decode(body).unwrap());
        });
    });
    group.bench_function("plan, checked and owned event", |bencher| {
        bencher.iter_batched(
            || wire::split(&value).unwrap().1,
            |body| {
                plan.decode(body)
                    .unwrap()
                    .into_event(Position::new(0, 1), Millis(2))
                    .unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("apache-avro, into a Value", |bencher| {
        bencher.iter(|| black_box(reader.read_value(&mut black_box(&body[..])).unwrap()));
    });
    group.bench_function("apache-avro, into a struct", |bencher| {
        bencher.iter(|| {
            let value = reader.read_value(&mut black_box(&body[..])).unwrap();
            let owned: Owned = from_value(&value).unwrap();
            black_box((
                owned.event_id,
                owned.saga_id,
                owned.saga_type,
                owned.step,
                owned.status,
            ));
            black_box((
                owned.order_id,
                owned.metadata,
                owned.event_timestamp,
                owned.recorded_at,
            ));
        });
    });
    group.finish();
}

fn compile(criterion: &mut Criterion) {
    criterion.bench_function("compile a plan", |bencher| {
        let schema = Schema::parse_str(BUNDLED_SCHEMA).unwrap();
        bencher.iter(|| black_box(DecodePlan::compile(black_box(&schema)).unwrap()));
    });
}

criterion_group!(benches, decode, compile);
criterion_main!(benches);
