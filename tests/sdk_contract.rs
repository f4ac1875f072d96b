//! The sdk and the tracker hold one contract: what the one sends, the other reads, and what the
//! tracker would make a dead letter, the sdk refuses first.

#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use saga_tracker::domain::{Event, Millis, Position};
use saga_tracker::pipeline::decode::{self, DecodePlan, Defect, DefectReason, wire};
use saga_tracker::program::demo::{Content, PoisonKind, sagas};
use saga_tracker_sdk::contract::limits::{self, InvalidEvent};
use saga_tracker_sdk::contract::{SCHEMA, SagaEvent, SagaStatus, SagaType, steps};
use saga_tracker_sdk::encoding::Encoder;

const SCHEMA_ID: u32 = 7;

fn start() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

fn plan() -> DecodePlan {
    DecodePlan::compile(&apache_avro::Schema::parse_str(SCHEMA).unwrap()).unwrap()
}

fn read(plan: &DecodePlan, value: Option<&[u8]>) -> Result<Event, Defect> {
    let (schema_id, body) = wire::payload(value)?;
    assert_eq!(schema_id, SCHEMA_ID);
    plan.decode(body)?.into_event(position(), Millis(0))
}

fn event() -> SagaEvent {
    SagaEvent {
        event_id: "e-1".to_owned(),
        event_timestamp: start(),
        saga_id: "s-1".to_owned(),
        saga_type: SagaType::OrderCreation,
        step: steps::ORDER_CREATED.to_owned(),
        status: SagaStatus::Started,
        order_id: "o-1".to_owned(),
        metadata: None,
        recorded_at: start(),
    }
}

fn assert_same(read: &Event, sent: &SagaEvent) {
    let found = (
        [
            read.event_id.as_str(),
            read.saga_id.as_str(),
            read.order_id.as_str(),
        ],
        [read.saga_type.as_str(), read.step.as_str(), read.status.as_str()],
        (read.event_timestamp, read.recorded_at),
        read.metadata.as_deref(),
    );
    let expected = (
        [
            sent.event_id.as_str(),
            sent.saga_id.as_str(),
            sent.order_id.as_str(),
        ],
        [sent.saga_type.as_str(), sent.step.as_str(), sent.status.as_str()],
        (Millis::from(sent.event_timestamp), Millis::from(sent.recorded_at)),
        sent.metadata.as_deref(),
    );
    assert_eq!(found, expected);
}

#[test]
fn the_tracker_reads_every_event_of_the_workload_as_it_was_sent() {
    let (plan, encoder) = (plan(), Encoder::published().unwrap());
    let mut events = 0;
    for record in sagas(21).take(2_000).flatten() {
        let Some(planned) = record.planned_event() else {
            continue;
        };
        let message = record.message(start(), &encoder, SCHEMA_ID).unwrap();
        let read = read(&plan, message.value.as_deref()).unwrap();
        assert_same(&read, &planned.event(start()));
        if planned.odd_metadata.is_none() {
            assert_eq!(read.producer_service.as_deref(), Some(planned.service.name()));
            assert!(read.trace_id.is_some(), "no trace id in {read:?}");
        }
        events += 1;
    }
    assert!(events > 8_000, "{events} events");
}

#[test]
fn each_kind_of_poison_is_a_dead_letter_for_its_own_reason() {
    let (plan, encoder) = (plan(), Encoder::published().unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for record in sagas(22).take(5_000).flatten() {
        let Content::Poison(poison) = &record.content else {
            continue;
        };
        let message = record.message(start(), &encoder, SCHEMA_ID).unwrap();
        let defect = read(&plan, message.value.as_deref()).unwrap_err();
        let expected = match poison.kind {
            PoisonKind::Tombstone => DefectReason::Tombstone,
            PoisonKind::Empty | PoisonKind::Truncated => DefectReason::Truncated,
            PoisonKind::BadMagic => DefectReason::BadMagic,
            // The published schema has no symbol for it, so the number itself is wrong.
            PoisonKind::UnknownStatus => DefectReason::BadAvro,
            PoisonKind::EmptySagaId => DefectReason::EmptySagaId,
            PoisonKind::InvalidUtf8 => DefectReason::InvalidUtf8,
            PoisonKind::OverlongStep => DefectReason::FieldTooLong,
            PoisonKind::AbsurdTime => DefectReason::BadTimestamp,
        };
        assert_eq!(defect.reason, expected, "{:?}: {defect}", poison.kind);
        seen.insert(poison.kind);
    }
    assert_eq!(seen.len(), PoisonKind::ALL.len());
}

/// What the sdk says of an event, and what the tracker says of the same event sent all the same.
fn verdicts(change: impl FnOnce(&mut SagaEvent)) -> (Result<(), InvalidEvent>, Result<Event, Defect>) {
    let mut event = event();
    change(&mut event);
    let metadata = event.metadata.as_deref();
    let decoded = decode::Decoded {
        event_id: &event.event_id,
        event_timestamp: event.event_timestamp.as_millisecond(),
        saga_id: &event.saga_id,
        saga_type: event.saga_type.as_str(),
        step: &event.step,
        status: event.status.as_str(),
        order_id: &event.order_id,
        metadata,
        recorded_at: event.recorded_at.as_millisecond(),
    };
    (limits::check(&event), decoded.into_event(position(), Millis(0)))
}

#[test]
fn on_every_limit_both_sides_say_the_same() {
    type Change = Box<dyn Fn(&mut SagaEvent, usize)>;
    let text = |length: usize| "ㄱ".repeat(length);
    let fields: [(Change, usize); 6] = [
        (Box::new(move |event, length| event.event_id = text(length)), 255),
        (Box::new(move |event, length| event.saga_id = text(length)), 255),
        (Box::new(move |event, length| event.order_id = text(length)), 255),
        (
            Box::new(move |event, length| event.saga_type = SagaType::from(text(length))),
            100,
        ),
        (Box::new(move |event, length| event.step = text(length)), 100),
        (
            Box::new(|event, length| event.metadata = Some("x".repeat(length))),
            1 << 20,
        ),
    ];
    for (field, (change, limit)) in fields.iter().enumerate() {
        for length in [0, 1, *limit, limit + 1] {
            let (sdk, tracker) = verdicts(|event| change(event, length));
            assert_eq!(
                sdk.is_ok(),
                tracker.is_ok(),
                "field {field}, length {length}: {sdk:?}, {tracker:?}"
            );
            let may_be_empty = ![1, 3, 4].contains(&field);
            assert_eq!(
                sdk.is_ok(),
                length <= *limit && (length > 0 || may_be_empty),
                "field {field}, length {length}"
            );
        }
    }
    for ms in [
        limits::EARLIEST_MS - 1,
        limits::EARLIEST_MS,
        limits::LATEST_MS - 1,
        limits::LATEST_MS,
    ] {
        let at = Timestamp::from_millisecond(ms).unwrap();
        let (sdk, tracker) = verdicts(|event| event.recorded_at = at);
        assert_eq!(
            sdk.is_ok(),
            tracker.is_ok(),
            "recordedAt {at}: {sdk:?}, {tracker:?}"
        );
        let (sdk, tracker) = verdicts(|event| event.event_timestamp = at);
        assert_eq!(
            sdk.is_ok(),
            tracker.is_ok(),
            "eventTimestamp {at}: {sdk:?}, {tracker:?}"
        );
    }
}

fn position() -> Position {
    Position {
        partition: 0,
        offset: 0,
    }
}
