//! What the fuzz targets do with bytes. `tests/fuzz_bodies.rs` takes this file too, so that `cargo test` runs the
//! same bodies where no fuzzer is at hand.
//!
//! A body returns for every input; it panics where a promise is broken.

use crate::domain::{Millis, OrderId, Position, SagaId, SagaStatus, SagaType};
use crate::pipeline::decode::{DecodePlan, wire};
use crate::store::Table;
use crate::store::codec::Record;
use crate::store::keys::{self, Key, LateKind, TimelineRow, Tree};
use crate::store::records::{InstanceRecord, LogRecord};
use apache_avro::Schema;
use saga_tracker_sdk::contract::limits::{MAX_ID_CHARS, MAX_METADATA_BYTES, MAX_STEP_CHARS};
use std::sync::OnceLock;

/// Schemas that the `decode` target reads with: as published, and evolved in every way.
pub const SCHEMAS: [&str; 2] = [include_str!("../../proto/SagaTracker.avsc"), EVOLVED];

const EVOLVED: &str = r#"{"type":"record","name":"Renamed","fields":[
  {"name":"tags","type":{"type":"map","values":["null","string",{"type":"array","items":"long"}]}},
  {"name":"recordedAt","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
  {"name":"node","type":{"type":"record","name":"Node","fields":[
    {"name":"id","type":{"type":"fixed","name":"Id","size":3}},
    {"name":"children","type":{"type":"array","items":"Node"}}]}},
  {"name":"sagaId","type":["int","string"]},
  {"name":"eventId","type":"bytes"},
  {"name":"flag","type":"boolean"},
  {"name":"sagaType","type":"string"},
  {"name":"nothings","type":{"type":"array","items":"null"}},
  {"name":"step","type":["string","null"]},
  {"name":"status","type":"string"},
  {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
  {"name":"metadata","type":["string","null"]},
  {"name":"orderId","type":"string"},
  {"name":"eventTimestamp","type":"long"}]}"#;

fn plans() -> &'static [DecodePlan] {
    static PLANS: OnceLock<Vec<DecodePlan>> = OnceLock::new();
    PLANS.get_or_init(|| {
        let schemas = SCHEMAS.iter().filter_map(|text| Schema::parse_str(text).ok());
        let plans: Vec<DecodePlan> = schemas
            .filter_map(|schema| DecodePlan::compile(&schema).ok())
            .collect();
        assert_eq!(
            plans.len(),
            SCHEMAS.len(),
            "a schema of the fuzz target is broken"
        );
        plans
    })
}

/// A record's value: the first byte chooses the writer schema, the rest is in the wire format.
///
/// Returns whether the bytes became an event.
pub fn decode(data: &[u8]) -> bool {
    let Some((choice, value)) = data.split_first() else {
        return false;
    };
    let plan = &plans()[usize::from(*choice) % plans().len()];
    match wire::payload(Some(value)) {
        Ok((_, body)) => read(plan, body),
        Err(_) => false,
    }
}

fn read(plan: &DecodePlan, body: &[u8]) -> bool {
    let decoded = match plan.decode(body) {
        Ok(decoded) => decoded,
        Err(defect) => {
            assert!(
                !defect.detail.is_empty() && defect.detail.len() < 1_000,
                "{defect}"
            );
            return false;
        }
    };
    let event = match decoded.into_event(Position::new(1, 2), Millis(3)) {
        Ok(event) => event,
        Err(defect) => {
            assert!(
                !defect.detail.is_empty() && defect.detail.len() < 1_000,
                "{defect}"
            );
            return false;
        }
    };
    assert!((1..=MAX_ID_CHARS).contains(&event.saga_id.as_str().chars().count()));
    assert!((1..=MAX_STEP_CHARS).contains(&event.step.as_str().chars().count()));
    assert!(
        event
            .metadata
            .as_ref()
            .is_none_or(|text| text.len() <= MAX_METADATA_BYTES)
    );
    // What can be decoded can be stored, and comes back as it was.
    let stored = LogRecord::of(&event).to_bytes();
    let back = LogRecord::read(&stored).and_then(|record| record.event(&event.saga_id, event.timeline_key()));
    assert_eq!(back.ok().as_ref(), Some(&event));
    true
}

/// A writer schema, a zero byte, and a body written with it.
///
/// Returns whether the schema could be read as the contract.
pub fn schema(data: &[u8]) -> bool {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(text), body) = (parts.next(), parts.next().unwrap_or_default()) else {
        return false;
    };
    let Ok(Ok(schema)) = std::str::from_utf8(text).map(Schema::parse_str) else {
        return false;
    };
    match DecodePlan::compile(&schema) {
        Ok(plan) => {
            read(&plan, body);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Part of a key: whatever can be read from it is written back as the same bytes.
///
/// Returns how many kinds of key it is.
pub fn keys(data: &[u8]) -> usize {
    let (saga, saga_type) = (SagaId::from("s"), SagaType::from("T"));
    let mut key = Key::default();
    let mut kinds = 0;
    let same = |written: &[u8]| {
        assert_eq!(written, data);
        1
    };
    if let Ok(at) = keys::parse_log_sort(data) {
        keys::log(&mut key, &saga, at);
        kinds += same(key.sort());
    }
    if let Ok(text) = keys::parse_text("by_order", data) {
        keys::by_order(&mut key, &OrderId::from(text), &SagaId::from(text));
        assert_eq!(key.partition(), data);
        keys::by_trace(&mut key, text, &SagaId::from(text));
        assert_eq!(key.partition(), data);
        kinds += same(key.sort());
    }
    if let Ok(number) = keys::parse_offset_partition(data) {
        assert_eq!(data.get(..4), Some(&number.to_be_bytes()[..]));
        kinds += 1;
    }
    if let Ok(offset) = keys::parse_offset(data) {
        keys::gap(&mut key, Position::new(0, offset));
        kinds += same(key.sort());
        keys::by_offset(&mut key, Position::new(0, offset));
        assert_eq!(keys::parse_offset_partition(key.partition()), Ok(0));
        assert_eq!(key.sort(), data);
    }
    if let Ok(number) = keys::parse_partition_number(data) {
        keys::offsets(&mut key, "topic", number);
        kinds += same(key.sort());
    }
    if let Ok((at, text)) = keys::parse_by_time_sort(data) {
        keys::by_time(&mut key, &saga_type, SagaStatus::Failed, at, &SagaId::from(text));
        assert_eq!(
            keys::parse_index_partition(key.partition()),
            Ok(("T", SagaStatus::Failed))
        );
        kinds += same(key.sort());
    }
    if let Ok(mark) = keys::parse_letter_mark(data) {
        let letter = Position::new(0, mark.offset);
        keys::letter_mark(&mut key, letter, mark.kind, &mark.value, mark.by);
        assert_eq!(key.sort(), data);
    }
    if let Ok((name, status)) = keys::parse_index_partition(data) {
        keys::index_partition(&mut key, &SagaType::from(name), status, 0);
        assert_eq!(keys::parse_index_partition(key.partition()), Ok((name, status)));
        kinds += 1;
    }
    if let Ok((name, rule)) = keys::parse_rule_partition(data) {
        keys::index_partition(&mut key, &SagaType::from(name), rule, 0);
        assert_eq!(keys::parse_rule_partition(key.partition()), Ok((name, rule)));
        kinds += 1;
    }
    for tree in [Tree::Started, Tree::Updated, Tree::Broken] {
        if let Ok(count) = keys::parse_count_sort(tree, data) {
            let of = (tree, &SagaType::from(count.saga_type), SagaStatus::Failed);
            keys::count(&mut key, of, 1, 2, count.cell, count.started_cell);
            kinds += same(key.sort());
        }
    }
    if let Ok((cell, saga_type)) = keys::parse_census_sort(1, data) {
        keys::census(&mut key, cell, &SagaType::from(saga_type));
        kinds += same(key.sort());
    }
    if let Ok((saga_type, status)) = keys::parse_total_of_type(data) {
        keys::total_of_type(&mut key, "name", saga_type, status);
        assert_eq!(key.sort(), data);
    }
    if let Ok((edge, bucket)) = keys::parse_total_named_bucket(data) {
        keys::total_named_bucket(&mut key, "name", edge, bucket);
        assert_eq!(key.sort(), data);
    }
    if let Ok((saga_type, status, bucket)) = keys::parse_total_of_bucket(data) {
        keys::total_of_bucket(&mut key, "name", saga_type, (status, bucket));
        assert_eq!(key.sort(), data);
    }
    if let Ok(day) = keys::parse_ledger_day(data) {
        keys::ledger(&mut key, 0, day);
        kinds += same(key.sort());
    }
    if let Ok((status, step)) = keys::parse_total_processed(data) {
        keys::total_processed(&mut key, "name", status, step);
        kinds += same(key.sort());
    }
    if let Ok((later, position)) = keys::parse_late_sort(data) {
        keys::late_partition(&mut key, LateKind::Behind, (0, 0));
        keys::late_sort(&mut key, later, position);
        kinds += same(key.sort());
    }
    if let Ok(event) = keys::parse_timeline_event(data) {
        keys::timeline_event(&mut key, TimelineRow::StoodIn, &SagaId::from("s"), event);
        kinds += same(key.sort());
    }
    if let Ok((until, event, saga)) = keys::parse_contradicted_sort(data) {
        keys::contradicted(&mut key, (0, 0), until, (&SagaId::from(saga), event));
        kinds += same(key.sort());
    }
    if let Ok((arrived_at, offset)) = keys::parse_clock_sort(data) {
        keys::clock(&mut key, arrived_at, Position::new(0, offset));
        kinds += same(key.sort());
    }
    let (left, right) = data.split_at(data.len() / 2);
    if let (Ok(first), Ok(second)) = (keys::parse_log_sort(left), keys::parse_log_sort(right)) {
        assert_eq!(
            left.cmp(right),
            first.cmp(&second),
            "keys sort as what they stand for"
        );
    }
    kinds
}

/// A value of any table.
///
/// Returns how many kinds of record it is.
pub fn records(data: &[u8]) -> usize {
    if let Ok(record) = LogRecord::read(data) {
        let at = Position::new(1, 2);
        let at = crate::domain::TimelineKey {
            recorded_at: Millis(4),
            position: at,
        };
        if let Ok(event) = record.event(&SagaId::from("s"), at) {
            assert_eq!(LogRecord::of(&event), record);
        }
    }
    if let Ok(state) = InstanceRecord::read(data).and_then(InstanceRecord::state) {
        let written = InstanceRecord::of(&state).to_bytes();
        let back = InstanceRecord::read(&written).and_then(InstanceRecord::state);
        assert_eq!(back.ok(), Some(state));
    }
    let mut kinds = 0;
    for (name, reread) in Table::entries().flat_map(|entry| entry.values) {
        match reread(data) {
            Ok(is_same) => {
                assert!(is_same, "{name}: read again it is another");
                kinds += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    kinds
}
