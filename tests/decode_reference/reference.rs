//! apache-avro, asked for the contract's fields.

use crate::schema::Writer;
use apache_avro::error::Details;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Error, Schema};
use serde_json::json;

/// The contract's fields, owned.
#[derive(Debug, PartialEq)]
pub(crate) struct Fields {
    pub(crate) event_id: String,
    pub(crate) event_timestamp: i64,
    pub(crate) saga_id: String,
    pub(crate) saga_type: String,
    pub(crate) step: String,
    pub(crate) status: String,
    pub(crate) order_id: String,
    pub(crate) metadata: Option<String>,
    pub(crate) recorded_at: i64,
}

pub(crate) struct Reference<'w> {
    writer: &'w Writer,
    reader: Schema,
}

impl<'w> Reference<'w> {
    pub(crate) fn new(writer: &'w Writer) -> Self {
        apache_avro::util::max_allocation_bytes(1 << 20);
        let text = |name: &str| json!({ "name": name, "type": "string" });
        let time = |name: &str| json!({ "name": name, "type": { "type": "long", "logicalType": "timestamp-millis" } });
        let reader = json!({ "type": "record", "name": "Contract", "fields": [
            text("eventId"), time("eventTimestamp"), text("sagaId"),
            { "name": "sagaType", "type": writer.saga_type },
            text("step"),
            { "name": "status", "type": writer.status },
            text("orderId"),
            { "name": "metadata", "type": ["null", "string"], "default": null },
            time("recordedAt"),
        ]});
        Self {
            writer,
            reader: Schema::parse(&reader).unwrap(),
        }
    }

    pub(crate) fn encode(&self, value: &Value) -> Vec<u8> {
        let writer = GenericDatumWriter::builder(&self.writer.schema).build().unwrap();
        writer
            .write_value_to_vec(value.clone())
            .unwrap_or_else(|e| panic!("{e}: {}", self.writer.json))
    }

    /// What it reads, and how many bytes it leaves.
    pub(crate) fn decode(&self, body: &[u8]) -> (Result<Fields, Error>, usize) {
        let reader = GenericDatumReader::builder(&self.writer.schema)
            .reader_schema(&self.reader)
            .build()
            .unwrap();
        let mut rest = body;
        let read = reader.read_value(&mut rest);
        (read.map(fields), rest.len())
    }
}

fn fields(value: Value) -> Fields {
    let Value::Record(fields) = value else {
        panic!("no record: {value:?}")
    };
    let get = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    let text = |name: &str| match get(name) {
        Value::String(text) | Value::Enum(_, text) => text,
        other => panic!("{name} is {other:?}"),
    };
    let time = |name: &str| match get(name) {
        Value::TimestampMillis(millis) => millis,
        other => panic!("{name} is {other:?}"),
    };
    let metadata = match get("metadata") {
        Value::Union(_, inner) => match *inner {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => panic!("metadata is {other:?}"),
        },
        other => panic!("metadata is {other:?}"),
    };
    Fields {
        event_id: text("eventId"),
        event_timestamp: time("eventTimestamp"),
        saga_id: text("sagaId"),
        saga_type: text("sagaType"),
        step: text("step"),
        status: text("status"),
        order_id: text("orderId"),
        metadata,
        recorded_at: time("recordedAt"),
    }
}

/// Whether apache-avro refuses only what a field says that the contract does not know, in records of
/// this schema.
pub(crate) fn about_unknown_fields(error: &Error, schema: &str) -> bool {
    // It tells a big-decimal that ends early as it tells a double.
    let big_decimal = matches!(error.details(), Details::ReadDouble(_)) && schema.contains("big-decimal");
    big_decimal
        || matches!(
            error.details(),
            Details::ConvertToUtf8(_)
                | Details::ConvertStrToUuid(_)
                | Details::ConvertSliceToUuid(_)
                | Details::MemoryAllocation { .. }
                | Details::IntegerOverflow
        )
        || format!("{} {:?}", error, error.details())
            .to_lowercase()
            .replace(' ', "")
            .contains("bigdecimal")
}
