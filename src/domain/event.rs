//! One step report, as it stands in the log.

use super::event_key::EventDigest;
use super::text;
use super::{EventId, EventKey, Millis, OrderId, Position, SagaId, SagaStatus, SagaType, Step, TimelineKey};

/// The key of the metadata that says why a step failed.
const FAILURE_REASON: &str = "failureReason";

/// Of the reason of a failure so many characters are kept.
pub const MAX_FAILURE_REASON_CHARS: usize = 200;

#[derive(serde::Deserialize)]
struct FailureReason {
    #[serde(rename = "failureReason")]
    reason: Option<serde_json::Value>,
}

/// One event of a saga, decoded and validated, together with where and when it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the tracker topic.
    pub position: Position,
    /// Kafka's timestamp of the record, made monotone per partition: the same on every replica.
    pub arrived_at: Millis,
    /// Event time: what the fold sorts by.
    pub recorded_at: Millis,
    /// When the producer built the event.
    pub event_timestamp: Millis,
    /// Unique per event; empty when the producer gave none.
    pub event_id: EventId,
    /// The saga it reports on; never empty.
    pub saga_id: SagaId,
    /// The saga's kind.
    pub saga_type: SagaType,
    /// What happened.
    pub step: Step,
    /// What the producer says it means for the saga.
    pub status: SagaStatus,
    /// The order that the saga is about.
    pub order_id: OrderId,
    /// The metadata text, verbatim.
    pub metadata: Option<Box<str>>,
    /// Whether `metadata` is what the contract asks for.
    pub metadata_form: MetadataForm,
    /// `producerService` of the metadata.
    pub producer_service: Option<Box<str>>,
    /// `traceId` of the metadata.
    pub trace_id: Option<Box<str>>,
}

/// Whether an event's metadata could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MetadataForm {
    /// There is none.
    Absent = 0,
    /// A JSON object.
    Object = 1,
    /// Text that is not a JSON object: kept verbatim and flagged.
    Verbatim = 2,
}

impl MetadataForm {
    /// The form with that number in a record.
    pub fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Absent),
            1 => Some(Self::Object),
            2 => Some(Self::Verbatim),
            _ => None,
        }
    }
}

/// An event of a given saga, borrowed from wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Its place in its saga's timeline: event time and position.
    pub place: TimelineKey,
    /// Kafka's timestamp of the record, made monotone per partition.
    pub arrived_at: Millis,
    /// When the producer built the event.
    pub event_timestamp: Millis,
    /// Unique per event; empty when the producer gave none.
    pub event_id: &'a str,
    /// The saga's kind.
    pub saga_type: &'a str,
    /// What happened.
    pub step: &'a str,
    /// What the producer says it means for the saga.
    pub status: SagaStatus,
    /// The order that the saga is about.
    pub order_id: &'a str,
    /// The metadata text, verbatim.
    pub metadata: Option<&'a str>,
    /// Whether `metadata` is what the contract asks for.
    pub metadata_form: MetadataForm,
    /// `producerService` of the metadata.
    pub producer_service: Option<&'a str>,
    /// `traceId` of the metadata.
    pub trace_id: Option<&'a str>,
}

impl<'a> EventRef<'a> {
    /// What makes another delivery the same event.
    pub fn key(&self) -> EventKey<'a> {
        if self.event_id.is_empty() {
            EventKey::Content(self.step, self.status, self.place.recorded_at)
        } else {
            EventKey::Id(self.event_id)
        }
    }

    /// `failureReason` of the metadata, its first [`MAX_FAILURE_REASON_CHARS`] characters; `None` when it is
    /// blank or no text.
    pub fn failure_reason(&self) -> Option<Box<str>> {
        // Hardly any event has one, and parsing takes longer than looking.
        let object = self
            .metadata
            .filter(|text| self.metadata_form == MetadataForm::Object && text.contains(FAILURE_REASON))?;
        let object: FailureReason = serde_json::from_str(object).ok()?;
        let reason = object.reason?;
        let reason = reason.as_str()?.trim();
        (!reason.is_empty()).then(|| text::first(reason, MAX_FAILURE_REASON_CHARS).into())
    }

    /// Two deliveries of one event have equal digests when the producer sent the same thing.
    pub fn body_digest(&self) -> EventDigest {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.place.recorded_at.0.to_be_bytes())
            .update(&self.event_timestamp.0.to_be_bytes())
            .update(&[self.status.tag(), u8::from(self.metadata.is_some())]);
        for text in [
            self.event_id,
            self.saga_type,
            self.step,
            self.order_id,
            self.metadata.unwrap_or_default(),
        ] {
            hasher
                .update(&(text.len() as u64).to_be_bytes())
                .update(text.as_bytes());
        }
        EventDigest::of(&hasher)
    }

    /// The event with memory of its own.
    pub fn to_event(&self, saga_id: &SagaId) -> Event {
        Event {
            position: self.place.position,
            arrived_at: self.arrived_at,
            recorded_at: self.place.recorded_at,
            event_timestamp: self.event_timestamp,
            event_id: self.event_id.into(),
            saga_id: saga_id.clone(),
            saga_type: self.saga_type.into(),
            step: self.step.into(),
            status: self.status,
            order_id: self.order_id.into(),
            metadata: self.metadata.map(Into::into),
            metadata_form: self.metadata_form,
            producer_service: self.producer_service.map(Into::into),
            trace_id: self.trace_id.map(Into::into),
        }
    }
}

impl Event {
    /// Its place in its saga's timeline.
    pub fn timeline_key(&self) -> TimelineKey {
        TimelineKey {
            recorded_at: self.recorded_at,
            position: self.position,
        }
    }

    /// The event, borrowed.
    pub fn view(&self) -> EventRef<'_> {
        EventRef {
            place: self.timeline_key(),
            arrived_at: self.arrived_at,
            event_timestamp: self.event_timestamp,
            event_id: self.event_id.as_str(),
            saga_type: self.saga_type.as_str(),
            step: self.step.as_str(),
            status: self.status,
            order_id: self.order_id.as_str(),
            metadata: self.metadata.as_deref(),
            metadata_form: self.metadata_form,
            producer_service: self.producer_service.as_deref(),
            trace_id: self.trace_id.as_deref(),
        }
    }

    /// What makes another delivery the same event.
    pub fn key(&self) -> EventKey<'_> {
        self.view().key()
    }

    /// Bytes of memory that it takes, about: what bounds on memory count.
    pub fn weight(&self) -> usize {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        size_of::<Self>()
            + self.event_id.as_str().len()
            + self.saga_id.as_str().len()
            + self.order_id.as_str().len()
            + length(self.metadata.as_deref())
            + length(self.producer_service.as_deref())
            + length(self.trace_id.as_deref())
    }

    /// Whether the producer sent the same thing, wherever and whenever it arrived.
    pub fn same_body(&self, other: &Event) -> bool {
        self.recorded_at == other.recorded_at
            && self.event_timestamp == other.event_timestamp
            && self.event_id == other.event_id
            && self.saga_id == other.saga_id
            && self.saga_type == other.saga_type
            && self.step == other.step
            && self.status == other.status
            && self.order_id == other.order_id
            && self.metadata == other.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_the_tags_of_records() {
        for form in [MetadataForm::Absent, MetadataForm::Object, MetadataForm::Verbatim] {
            assert_eq!(MetadataForm::from_tag(form as u8), Some(form));
        }
        assert_eq!(MetadataForm::from_tag(3), None);
    }
}
