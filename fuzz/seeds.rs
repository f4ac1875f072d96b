//! Writes the seeds of every target's corpus: `cargo run --bin seeds`, from this folder.
//!
//! `seed-good-*` are inputs that a target must take as what it is about; the others it must refuse.

use saga_tracker_rooms::bodies::SCHEMAS;
use saga_tracker_rooms::domain::{
    Event, EventId, MetadataForm, Millis, OrderId, Position, SagaDefinitions, SagaId, SagaStatus, SagaType,
    Step, TimelineKey, fold,
};
use saga_tracker_rooms::store::codec::Record;
use saga_tracker_rooms::store::keys::{self, Key};
use saga_tracker_rooms::store::records::{
    CountRecord, DeadLetterRecord, FeedRecord, InstanceRecord, LastRecord, LogRecord, MetaRecord,
    OffsetRecord, ToldRecord,
};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in [
        ("decode", decode()),
        ("schema", schema()),
        ("keys", keys()),
        ("records", records()),
    ] {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            std::fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn long(value: i64) -> Vec<u8> {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while bits >= 0x80 {
        bytes.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push(bits as u8);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

const METADATA: &str = r#"{"producerService":"order-service","traceId":"4bf92f35","orderAmount":12900}"#;

/// A body of the published schema.
fn published(saga: &str, status: u8, metadata: Option<&str>, recorded_at: i64) -> Vec<u8> {
    let metadata = metadata.map_or(vec![0], |it| [vec![2], text(it)].concat());
    [
        text("0190a6f2-7c1e-7d52-8f0a-3f6a4f0f5a11"),
        long(1_760_000_000_000),
        text(saga),
        vec![0],
        text("ORDER_CREATED"),
        vec![status],
        text("order-1"),
        metadata,
        long(recorded_at),
    ]
    .concat()
}

/// A body of the evolved schema.
fn evolved() -> Vec<u8> {
    [
        // tags: two blocks, the second with its size
        [
            long(1),
            text("k"),
            vec![2],
            text("v"),
            long(-1),
            long(4),
            text("l"),
            vec![4],
            vec![0],
            vec![0],
        ]
        .concat(),
        [vec![2], long(1_760_000_000_001)].concat(),
        // node with two children
        [
            b"abc".to_vec(),
            long(2),
            b"def".to_vec(),
            vec![0],
            b"ghi".to_vec(),
            vec![0],
            vec![0],
        ]
        .concat(),
        [vec![2], text("saga-1")].concat(),
        text("event-1"),
        vec![1],
        text("REFUND"),
        [long(1_000), vec![0]].concat(),
        [vec![0], text("REFUND_REQUESTED")].concat(),
        text("STARTED"),
        [long(2), vec![1, 2]].concat(),
        [vec![0], text(METADATA)].concat(),
        text("order-1"),
        long(1_760_000_000_000),
    ]
    .concat()
}

fn wire(schema: u8, body: &[u8]) -> Vec<u8> {
    [&[schema, 0, 0, 0, 0, 7], body].concat()
}

fn decode() -> Seeds {
    let good = published("saga-1", 0, Some(METADATA), 1_760_000_000_001);
    vec![
        ("good-published", wire(0, &good)),
        (
            "good-no-metadata",
            wire(0, &published("saga-1", 8, None, 1_760_000_000_001)),
        ),
        (
            "good-verbatim-metadata",
            wire(
                0,
                &published("saga-1", 2, Some("out of stock"), 1_760_000_000_001),
            ),
        ),
        ("good-evolved", wire(1, &evolved())),
        ("truncated", wire(0, &good[..good.len() - 3])),
        ("trailing", wire(0, &[&good[..], &[0]].concat())),
        ("bad-magic", [&[0, b'{'], &good[..]].concat()),
        (
            "no-such-status",
            wire(0, &published("saga-1", 10, None, 1_760_000_000_001)),
        ),
        (
            "empty-saga-id",
            wire(0, &published("", 0, None, 1_760_000_000_001)),
        ),
        (
            "absurd-time",
            wire(0, &published("saga-1", 0, None, 1_760_000_000)),
        ),
        ("empty", Vec::new()),
    ]
}

fn schema() -> Seeds {
    let with = |schema: &str, body: &[u8]| {
        // Without the indentation: shorter seeds are mutated better.
        let compact = schema.lines().map(str::trim).collect::<String>();
        [compact.as_bytes(), &[0], body].concat()
    };
    vec![
        (
            "good-published",
            with(
                SCHEMAS[0],
                &published("saga-1", 0, Some(METADATA), 1_760_000_000_001),
            ),
        ),
        ("good-evolved", with(SCHEMAS[1], &evolved())),
        (
            "missing-field",
            with(&SCHEMAS[0].replace("\"step\"", "\"stage\""), &[]),
        ),
        (
            "wrong-type",
            with(
                &SCHEMAS[1].replace(
                    "\"name\":\"status\",\"type\":\"string\"",
                    "\"name\":\"status\",\"type\":\"float\"",
                ),
                &[],
            ),
        ),
        ("no-record", with("\"string\"", b"\x02a")),
    ]
}

fn keys() -> Seeds {
    let mut key = Key::default();
    let at = TimelineKey {
        recorded_at: Millis(1_760_000_000_001),
        position: Position::new(2, 70_000),
    };
    let saga = SagaId::from("saga-1");
    let saga_type = SagaType::from("ORDER_CREATION");
    keys::log(&mut key, &saga, at);
    let log = key.sort().to_vec();
    keys::by_offset(&mut key, at.position);
    let (feed_partition, feed) = (key.partition().to_vec(), key.sort().to_vec());
    keys::offsets(&mut key, "c4ang.saga.tracker", 2);
    let offsets = key.sort().to_vec();
    keys::by_time(&mut key, &saga_type, SagaStatus::Failed, at.recorded_at, &saga);
    let (index, by_time) = (key.partition().to_vec(), key.sort().to_vec());
    keys::total_processed(&mut key, "processed", SagaStatus::Failed, "PAYMENT_FAILED");
    let processed = key.sort().to_vec();
    vec![
        ("good-log", log.clone()),
        ("two-logs", [log.clone(), log].concat()),
        ("good-feed-partition", feed_partition),
        ("good-feed", feed),
        ("good-offsets", offsets),
        ("good-index-partition", index),
        ("good-by-time", by_time),
        ("good-processed", processed),
        ("good-text", "주문-1".as_bytes().to_vec()),
        ("good-empty", Vec::new()),
        ("no-text", vec![0xff, 0xfe, 0xfd]),
    ]
}

fn event(offset: u64, status: SagaStatus) -> Event {
    Event {
        position: Position::new(0, offset),
        arrived_at: Millis(1_760_000_000_500),
        recorded_at: Millis(1_760_000_000_000 + offset as i64),
        event_timestamp: Millis(1_760_000_000_000),
        event_id: EventId::from(format!("event-{offset}")),
        saga_id: SagaId::from("saga-1"),
        saga_type: SagaType::from("ORDER_CREATION"),
        step: Step::from("STOCK_RESERVATION"),
        status,
        order_id: OrderId::from("order-1"),
        metadata: Some(METADATA.into()),
        metadata_form: MetadataForm::Object,
        producer_service: Some("order-service".into()),
        trace_id: Some("4bf92f35".into()),
    }
}

fn records() -> Seeds {
    use SagaStatus::{Compensated, Completed, Failed, Started};
    let events: Vec<Event> = [Started, Failed, Compensated, Completed, Failed]
        .into_iter()
        .zip(1..)
        .map(|(status, offset)| event(offset, status))
        .collect();
    let state = fold(&events, &SagaDefinitions::default());
    let instance = state
        .map(|state| InstanceRecord::of(&state).to_bytes())
        .unwrap_or_default();
    let letter = DeadLetterRecord {
        topic: "c4ang.saga.tracker",
        reason: "bad_magic",
        detail: "byte 0 of the value is 0x7b",
        arrived_at: 1_760_000_000_500,
        timestamp: Some(1_760_000_000_400),
        key: Some(b"saga-1"),
        value: Some(b"{}"),
        headers: vec![("trace", Some(b"1")), ("none", None)],
    };
    let offsets = OffsetRecord {
        start: 0,
        next: 9,
        arrived_at: 1_760_000_000_500,
        told: ToldRecord {
            believed: 1_760_000_000_500,
            ..ToldRecord::default()
        },
        last: Some(LastRecord {
            offset: 8,
            fingerprint: 0x0123_4567_89ab_cdef,
        }),
    };
    let truncated = LogRecord::of(&events[0]).to_bytes();
    vec![
        ("good-log", LogRecord::of(&events[0]).to_bytes()),
        (
            "good-feed",
            FeedRecord::Logged {
                saga_id: "saga-1",
                recorded_at: 1_760_000_000_001,
            }
            .to_bytes(),
        ),
        ("good-gap", FeedRecord::Gap { next: 12 }.to_bytes()),
        ("good-offset", offsets.to_bytes()),
        ("good-dead-letter", letter.to_bytes()),
        ("good-instance", instance),
        (
            "good-count",
            CountRecord {
                sagas: 3,
                duration_millis: 4_500,
            }
            .to_bytes(),
        ),
        ("good-meta", MetaRecord { value: "A" }.to_bytes()),
        ("truncated", truncated[..truncated.len() / 2].to_vec()),
        ("unknown-format", vec![0xee, 1, 2, 3]),
        ("empty", Vec::new()),
    ]
}
