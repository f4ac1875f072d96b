//! The record that a redrive publishes: the letter as it came, or with what an operator changed.
//!
//! The letter itself is never changed. Whatever is changed, the result is decoded as ingest will do
//! it, and what is still no event is not published.

use super::DeadLetter;
use super::view::{Examined, examine};
use crate::domain::{Event, Millis, OPERATOR_STATUS_CHANGE};
use crate::pipeline::decode::{Fragment, wire};
use crate::pipeline::ingest::origin::{DeadLetterTopics, is_origin};
use crate::pipeline::registry::SchemaSource;
use crate::store::dead_letters::EXTERNAL;
use jiff::Timestamp;
use saga_tracker_sdk::contract::SagaEvent;
use saga_tracker_sdk::encoding::{Encoder, frame};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to change in a letter before it is published again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Change {
    /// Read the body with the schema of this id: it is put in front of the body, in place of the id
    /// there, or, where there is none, before all of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<u32>,
    /// Bytes to publish in place of the value.
    #[serde(skip_serializing_if = "Option::is_none", with = "super::stored_bytes")]
    pub value: Option<Vec<u8>>,
    /// Fields of the event, in place of those that could be read. The event is encoded anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventEdit>,
}

/// Fields of an event as an operator writes them; those left out stay as they could be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "they are the contract's fields")]
pub struct EventEdit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// An object, or the metadata's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
}

impl Change {
    /// Whether the letter is published as it came.
    pub fn is_none(&self) -> bool {
        self.schema_id.is_none() && self.value.is_none() && self.event.is_none()
    }
}

/// Whether only the tracker itself publishes events of that step.
pub fn is_reserved(step: &str) -> bool {
    step == OPERATOR_STATUS_CHANGE
}

/// A letter made ready to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Revised {
    /// The key: the letter's own, or, when the event was changed or there is none, its saga.
    pub key: Vec<u8>,
    /// With the letter's own key the letter's own partition, where the producer put the saga, by
    /// whatever rule; otherwise by the key.
    pub partition: Option<u32>,
    /// The value.
    pub value: Vec<u8>,
    /// The headers: the letter's own, and those that name it as the origin.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// What it will be.
    pub event: Event,
}

/// Why a letter cannot be published again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotRedrive {
    /// It would become a dead letter again.
    #[error("still not an event: {0}")]
    Undecodable(String),
    /// It would be an event that only the tracker itself publishes.
    #[error(
        "its step is {0}, which is reserved for changes that operators make here; a status is changed by PATCH \
         /internal/v1/sagas/{{sagaId}}/status"
    )]
    Reserved(String),
    /// It cannot be told now; try again.
    #[error("{0}")]
    Unavailable(String),
}

/// Makes a letter ready to be published. May wait for the schema registry.
///
/// # Errors
/// [`CannotRedrive`] when it is no event, even with what was changed.
pub(super) fn revise(
    letter: &DeadLetter,
    change: &Change,
    topics: &DeadLetterTopics,
    schemas: &dyn SchemaSource,
) -> Result<Revised, CannotRedrive> {
    let value = revised_value(letter, change, topics, schemas)?;
    let examined = examine(schemas, value.as_deref(), letter.position, letter.arrived_at);
    let event = match examined {
        Examined::Event { event, .. } => *event,
        Examined::Rejected { rejected, .. } => {
            let defect = rejected.defect;
            return Err(CannotRedrive::Undecodable(format!(
                "{}: {}",
                defect.reason, defect.detail
            )));
        }
        Examined::Unavailable { why, .. } => return Err(CannotRedrive::Unavailable(why)),
    };
    if is_reserved(event.step.as_str()) {
        return Err(CannotRedrive::Reserved(event.step.as_str().to_owned()));
    }
    let kept = letter.key.clone().filter(|_| change.event.is_none());
    let mut headers: Vec<(String, Option<Vec<u8>>)> = letter
        .headers
        .iter()
        .filter(|(name, _)| !is_origin(name))
        .cloned()
        .collect();
    let origin = topics.headers_of(letter.position);
    headers.extend(origin.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))));
    let key = kept.unwrap_or_else(|| event.saga_id.as_str().as_bytes().to_vec());
    let at_home = letter.position.partition & EXTERNAL == 0 && letter.key.as_ref() == Some(&key);
    Ok(Revised {
        key,
        partition: at_home.then_some(letter.position.partition),
        value: value.unwrap_or_default(),
        headers,
        event,
    })
}

fn revised_value(
    letter: &DeadLetter,
    change: &Change,
    topics: &DeadLetterTopics,
    schemas: &dyn SchemaSource,
) -> Result<Option<Vec<u8>>, CannotRedrive> {
    let value = change.value.clone().or_else(|| letter.value.clone());
    if let Some(edit) = &change.event {
        let examined = examine(schemas, value.as_deref(), letter.position, letter.arrived_at);
        if let Examined::Unavailable { why, .. } = examined {
            return Err(CannotRedrive::Unavailable(why));
        }
        let event = edit
            .apply(&examined.fragment())
            .map_err(CannotRedrive::Undecodable)?;
        return encode(&event, &topics.topic, schemas).map(Some);
    }
    let Some(id) = change.schema_id else {
        return Ok(value);
    };
    Ok(value.map(|value| match wire::split(&value) {
        Ok((_, body)) => frame(id, body),
        Err(_) => frame(id, &value),
    }))
}

/// The event in the wire format, as producers of the topic write it.
fn encode(event: &SagaEvent, topic: &str, schemas: &dyn SchemaSource) -> Result<Vec<u8>, CannotRedrive> {
    let writer = schemas
        .writer(topic)
        .map_err(|error| CannotRedrive::Unavailable(error.to_string()))?;
    let encoder = Encoder::new(&writer.text).map_err(|error| {
        CannotRedrive::Undecodable(format!("schema {} cannot write events: {error}", writer.id))
    })?;
    encoder
        .encode(event, writer.id)
        .map_err(|error| CannotRedrive::Undecodable(error.to_string()))
}

impl EventEdit {
    /// The whole event; the words say which field is missing.
    fn apply(&self, read: &Fragment) -> Result<SagaEvent, String> {
        let text = |name: &str, given: &Option<String>, read: &Option<String>| {
            given.clone().or_else(|| read.clone()).ok_or_else(|| {
                format!("{name} could not be read from the dead letter, so it has to be given")
            })
        };
        let instant = |name: &str, given: Option<Timestamp>, read: Option<i64>| {
            let read = read.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            given.or(read).ok_or_else(|| {
                format!("{name} could not be read from the dead letter, so it has to be given")
            })
        };
        let status = text("status", &self.status, &read.status)?;
        let recorded_at = instant("recordedAt", self.recorded_at, read.recorded_at)?;
        let readable =
            |millis: &i64| (Millis::EARLIEST_EVENT..Millis::LATEST_EVENT).contains(&Millis(*millis));
        let built = read.event_timestamp.filter(readable);
        Ok(SagaEvent {
            event_id: text("eventId", &self.event_id, &read.event_id)?,
            // When it was built matters to nobody but people: a time that cannot be one is no reason to fail.
            event_timestamp: instant("eventTimestamp", self.event_timestamp, built).unwrap_or(recorded_at),
            saga_id: text("sagaId", &self.saga_id, &read.saga_id)?,
            saga_type: text("sagaType", &self.saga_type, &read.saga_type)?.into(),
            step: text("step", &self.step, &read.step)?,
            status: status.parse().map_err(|_| {
                format!(
                    "status is {status:?}; accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED, COMPENSATED"
                )
            })?,
            order_id: text("orderId", &self.order_id, &read.order_id)?,
            metadata: match &self.metadata {
                None => read.metadata.clone(),
                Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            },
            recorded_at,
        })
    }
}
