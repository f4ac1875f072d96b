//! Avro encoding of one event against one schema: the published one, or a later version of it.

use std::collections::HashMap;
use std::fmt;

use apache_avro::Schema;
use apache_avro::schema::{Name, RecordSchema, ResolvedSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use super::frame;
use crate::contract::limits::{self, InvalidEvent};
use crate::contract::{SCHEMA, SagaEvent};

const FIELDS: [&str; 9] = [
    "eventId",
    "eventTimestamp",
    "sagaId",
    "sagaType",
    "step",
    "status",
    "orderId",
    "metadata",
    "recordedAt",
];

/// Why a schema cannot carry saga events.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not an Avro schema.
    #[error("the Avro schema does not parse: {0}")]
    Parse(#[source] apache_avro::Error),
    /// An Avro schema of something else.
    #[error("the Avro schema is not a record")]
    NotARecord,
    /// A field of the event would be lost.
    #[error("the Avro schema has no field {0:?}, which every saga event has")]
    MissingField(&'static str),
    /// A field would have no value.
    #[error("the Avro schema asks for a field {0:?} that saga events do not have, and gives no default")]
    UnknownField(String),
}

/// Why an event cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The tracker would make it a dead letter.
    #[error("the tracker would not take this event: {0}")]
    Invalid(#[from] InvalidEvent),
    /// The schema's enum lacks the symbol.
    #[error("{field} is {symbol:?}, which the schema does not have: it accepts {}", accepted.join(", "))]
    UnknownSymbol {
        /// Which field.
        field: &'static str,
        /// Its value.
        symbol: String,
        /// What the schema accepts.
        accepted: Vec<String>,
    },
    /// The schema types a field in a way that the event's value does not fit.
    #[error("the event does not fit the schema: {0}")]
    Schema(#[source] apache_avro::Error),
}

/// Encodes events against one schema.
///
/// ```
/// use saga_tracker_sdk::contract::{SagaEvent, SagaStatus, SagaType, steps};
/// use saga_tracker_sdk::encoding::Encoder;
///
/// let event = SagaEvent {
///     event_id: "6f1c2f3e-5a77-4d2f-9a3d-0a6d1f6f0a11".to_owned(),
///     event_timestamp: "2026-01-02T03:04:05.678Z".parse()?,
///     saga_id: "order-1".to_owned(),
///     saga_type: SagaType::OrderCreation,
///     step: steps::ORDER_CREATED.to_owned(),
///     status: SagaStatus::Started,
///     order_id: "order-1".to_owned(),
///     metadata: None,
///     recorded_at: "2026-01-02T03:04:05.678Z".parse()?,
/// };
/// let record = Encoder::published()?.encode(&event, 1)?;
/// assert_eq!(record[..5], [0, 0, 0, 0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder {
    text: String,
    schema: Schema,
    names: HashMap<Name, Schema>,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("schema", &self.text)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Against the published schema, [`SCHEMA`].
    ///
    /// # Errors
    /// Never in a released version: a test parses the bundled text.
    pub fn published() -> Result<Self, SchemaError> {
        Self::new(SCHEMA)
    }

    /// Against another version of the schema: with more saga types, or more fields that have defaults.
    ///
    /// # Errors
    /// When the text is not a record schema that holds a whole saga event.
    pub fn new(schema: &str) -> Result<Self, SchemaError> {
        let parsed = Schema::parse_str(schema).map_err(SchemaError::Parse)?;
        let Schema::Record(record) = &parsed else {
            return Err(SchemaError::NotARecord);
        };
        for field in FIELDS {
            if !record.lookup.contains_key(field) {
                return Err(SchemaError::MissingField(field));
            }
        }
        for field in &record.fields {
            if field.default.is_none() && !FIELDS.contains(&field.name.as_str()) {
                return Err(SchemaError::UnknownField(field.name.clone()));
            }
        }
        let resolved = ResolvedSchema::new(&parsed).map_err(SchemaError::Parse)?;
        let names = resolved
            .get_names()
            .iter()
            .map(|(name, &named)| (name.clone(), named.clone()))
            .collect();
        Ok(Self {
            text: schema.to_owned(),
            schema: parsed,
            names,
        })
    }

    /// The schema as it was given: what a registry registers.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.text
    }

    /// The whole record value: frame and body.
    ///
    /// # Errors
    /// When the tracker would refuse the event or the schema cannot express it.
    pub fn encode(&self, event: &SagaEvent, schema_id: u32) -> Result<Vec<u8>, EncodeError> {
        Ok(frame(schema_id, &self.encode_body(event)?))
    }

    /// The Avro body alone.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_body(&self, event: &SagaEvent) -> Result<Vec<u8>, EncodeError> {
        limits::check(event)?;
        self.knows_symbol("sagaType", event.saga_type.as_str())?;
        self.knows_symbol("status", event.status.as_str())?;
        let value = record_value(event)
            .resolve_with_names(&self.schema, &self.names)
            .map_err(EncodeError::Schema)?;
        GenericDatumWriter::builder(&self.schema)
            .build()
            .and_then(|writer| writer.write_value_to_vec(value))
            .map_err(EncodeError::Schema)
    }

    // An enum with a default would swallow a symbol that it lacks and write the default instead.
    fn knows_symbol(&self, field: &'static str, symbol: &str) -> Result<(), EncodeError> {
        let accepted = match self.field_schema(field) {
            Some(Schema::Enum(schema)) => &schema.symbols,
            _ => return Ok(()),
        };
        if accepted.iter().any(|known| known == symbol) {
            return Ok(());
        }
        Err(EncodeError::UnknownSymbol {
            field,
            symbol: symbol.to_owned(),
            accepted: accepted.clone(),
        })
    }

    fn field_schema(&self, field: &str) -> Option<&Schema> {
        let Schema::Record(RecordSchema { fields, lookup, .. }) = &self.schema else {
            return None;
        };
        lookup
            .get(field)
            .and_then(|&position| fields.get(position))
            .map(|field| &field.schema)
    }
}

// Plain longs and strings: resolving them against the schema makes them what it declares, in both
// spellings of the timestamps' logical type.
fn record_value(event: &SagaEvent) -> Value {
    let metadata = event
        .metadata
        .as_ref()
        .map_or(Value::Null, |text| Value::String(text.clone()));
    let values = [
        Value::String(event.event_id.clone()),
        Value::Long(event.event_timestamp.as_millisecond()),
        Value::String(event.saga_id.clone()),
        Value::String(event.saga_type.as_str().to_owned()),
        Value::String(event.step.clone()),
        Value::String(event.status.as_str().to_owned()),
        Value::String(event.order_id.clone()),
        metadata,
        Value::Long(event.recorded_at.as_millisecond()),
    ];
    Value::Record(FIELDS.iter().map(|&name| name.to_owned()).zip(values).collect())
}

#[cfg(test)]
mod tests;
