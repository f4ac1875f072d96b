use apache_avro::reader::datum::GenericDatumReader;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::contract::limits::{EARLIEST_MS, LATEST_MS};
use crate::contract::{SagaStatus, SagaType};

fn event() -> SagaEvent {
    SagaEvent {
        event_id: "e-1".to_owned(),
        event_timestamp: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        saga_id: "s-1".to_owned(),
        saga_type: SagaType::OrderCreation,
        step: "ORDER_CREATED".to_owned(),
        status: SagaStatus::InProgress,
        order_id: "o-1".to_owned(),
        metadata: Some("{}".to_owned()),
        recorded_at: "2026-01-02T03:04:05.679Z".parse().unwrap(),
    }
}

/// Reads with apache-avro's generic reader, by field name, so that the order of fields is tested too.
fn read_back(schema: &str, mut body: &[u8]) -> (SagaEvent, Vec<(String, Value)>) {
    let schema = Schema::parse_str(schema).unwrap();
    let value = GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut body)
        .unwrap();
    assert_eq!(body.len(), 0, "bytes left behind the record");
    let Value::Record(fields) = value else {
        panic!("not a record: {value:?}")
    };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let text = |name: &str| match field(name) {
        Value::String(text) | Value::Enum(_, text) => text,
        other => panic!("{name} is {other:?}"),
    };
    let time = |name: &str| match field(name) {
        Value::Long(ms) | Value::TimestampMillis(ms) => Timestamp::from_millisecond(ms).unwrap(),
        other => panic!("{name} is {other:?}"),
    };
    let metadata = match field("metadata") {
        Value::Union(_, inner) => match *inner {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => panic!("metadata is {other:?}"),
        },
        other => panic!("metadata is {other:?}"),
    };
    let event = SagaEvent {
        event_id: text("eventId"),
        event_timestamp: time("eventTimestamp"),
        saga_id: text("sagaId"),
        saga_type: SagaType::from(text("sagaType")),
        step: text("step"),
        status: text("status").parse().unwrap(),
        order_id: text("orderId"),
        metadata,
        recorded_at: time("recordedAt"),
    };
    (event, fields)
}

/// The published schema with its list of fields changed.
fn schema_with(change: impl FnOnce(&mut Vec<Json>)) -> String {
    let mut schema: Json = serde_json::from_str(SCHEMA).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    schema.to_string()
}

fn field<'a>(fields: &'a mut [Json], name: &str) -> &'a mut Json {
    fields.iter_mut().find(|field| field["name"] == name).unwrap()
}

#[test]
fn the_body_is_the_contract_byte_for_byte() {
    let mut event = event();
    event.event_timestamp = Timestamp::from_millisecond(EARLIEST_MS).unwrap();
    event.recorded_at = Timestamp::from_millisecond(EARLIEST_MS).unwrap();
    event.metadata = None;
    let body = Encoder::published().unwrap().encode_body(&event).unwrap();
    let time = [0x80, 0xb0, 0xfd, 0xac, 0x8d, 0x37]; // zigzag varint of 946684800000
    let mut expected = vec![6];
    expected.extend_from_slice(b"e-1");
    expected.extend_from_slice(&time);
    expected.extend_from_slice(b"\x06s-1");
    expected.push(0); // ORDER_CREATION
    expected.extend_from_slice(b"\x1aORDER_CREATED");
    expected.push(2); // IN_PROGRESS
    expected.extend_from_slice(b"\x06o-1");
    expected.push(0); // null
    expected.extend_from_slice(&time);
    assert_eq!(body, expected);
}

#[test]
fn both_spellings_of_the_logical_type_make_the_same_bytes() {
    let nested = schema_with(|fields| {
        for name in ["eventTimestamp", "recordedAt"] {
            let logical = field(fields, name)
                .as_object_mut()
                .unwrap()
                .remove("logicalType")
                .unwrap();
            field(fields, name)["type"] = json!({ "type": "long", "logicalType": logical });
        }
    });
    let published = Encoder::published().unwrap().encode_body(&event()).unwrap();
    let strict = Encoder::new(&nested).unwrap().encode_body(&event()).unwrap();
    assert_eq!(published, strict);
}

#[test]
fn a_later_schema_carries_its_saga_types_and_its_defaults() {
    let later = schema_with(|fields| {
        field(fields, "sagaType")["type"]["symbols"] =
            json!(["ORDER_CREATION", "PAYMENT_COMPLETION", "REFUND"]);
        fields.insert(3, json!({ "name": "region", "type": "string", "default": "kr" }));
    });
    let mut event = event();
    event.saga_type = SagaType::from("REFUND");
    let body = Encoder::new(&later).unwrap().encode_body(&event).unwrap();
    let (read, fields) = read_back(&later, &body);
    assert_eq!(read, event);
    assert!(
        fields.contains(&("region".to_owned(), Value::String("kr".to_owned()))),
        "{fields:?}"
    );
}

#[test]
fn a_saga_type_that_the_schema_lacks_is_refused_even_when_its_enum_has_a_default() {
    let with_default =
        schema_with(|fields| field(fields, "sagaType")["type"]["default"] = json!("ORDER_CREATION"));
    let mut event = event();
    event.saga_type = SagaType::from("REFUND");
    for schema in [SCHEMA, &with_default] {
        let error = Encoder::new(schema).unwrap().encode_body(&event).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"sagaType is "REFUND", which the schema does not have: it accepts ORDER_CREATION, PAYMENT_COMPLETION"#
        );
    }
}

#[test]
fn a_schema_that_would_lose_or_invent_a_field_is_refused() {
    let without = schema_with(|fields| field(fields, "orderId")["name"] = json!("orderNumber"));
    assert_eq!(
        Encoder::new(&without).unwrap_err().to_string(),
        r#"the Avro schema has no field "orderId", which every saga event has"#
    );
    let more = schema_with(|fields| fields.push(json!({ "name": "x", "type": "int" })));
    assert_eq!(
        Encoder::new(&more).unwrap_err().to_string(),
        r#"the Avro schema asks for a field "x" that saga events do not have, and gives no default"#
    );
    assert_eq!(
        Encoder::new(r#""string""#).unwrap_err().to_string(),
        "the Avro schema is not a record"
    );
}

#[test]
fn what_the_tracker_would_refuse_is_not_encoded() {
    let mut event = event();
    event.saga_id.clear();
    let error = Encoder::published().unwrap().encode(&event, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tracker would not take this event: sagaId is empty"
    );
}

fn any_event() -> impl Strategy<Value = SagaEvent> {
    let id = || any::<String>().prop_map(|text| text.chars().take(255).collect::<String>());
    let time = || (EARLIEST_MS..LATEST_MS).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
    (
        (id(), id(), "\\PC{1,100}", id()),
        prop::sample::select(vec![SagaType::OrderCreation, SagaType::PaymentCompletion]),
        prop::sample::select(SagaStatus::ALL.to_vec()),
        (time(), time()),
        prop::option::of(any::<String>()),
    )
        .prop_map(
            |((event_id, saga_id, step, order_id), saga_type, status, times, metadata)| SagaEvent {
                event_id,
                event_timestamp: times.0,
                saga_id: format!("s{saga_id}").chars().take(255).collect(),
                saga_type,
                step,
                status,
                order_id,
                metadata,
                recorded_at: times.1,
            },
        )
}

proptest! {
    #[test]
    fn every_valid_event_comes_back_unchanged(event in any_event(), schema_id: u32) {
        let record = Encoder::published().unwrap().encode(&event, schema_id).unwrap();
        prop_assert_eq!(record[0], 0);
        prop_assert_eq!(&record[1..5], &schema_id.to_be_bytes());
        let (read, _) = read_back(SCHEMA, &record[5..]);
        prop_assert_eq!(read, event);
    }
}
