//! What a saga's plan is made of: steps as services report them, and records that are no steps.

use super::poison::{Message, Poison};
use jiff::Timestamp;
use saga_tracker_sdk::contract::{Metadata, SagaEvent, SagaStatus, SagaType, metadata};
use saga_tracker_sdk::encoding::{EncodeError, Encoder, frame};
use std::time::Duration;

/// A service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Takes orders, and confirms or cancels them.
    Order,
    /// Keeps stock.
    Product,
    /// Takes and returns money.
    Payment,
}

impl Service {
    /// The name that it reports under.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order-service",
            Self::Product => "product-service",
            Self::Payment => "payment-service",
        }
    }
}

/// One record of a saga's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRecord {
    /// When it is published, counted from the saga's start.
    pub delay: Duration,
    /// What is published.
    pub content: Content,
}

/// What a planned record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A step, as its service reports it.
    Event(Box<PlannedEvent>),
    /// A step whose bytes lack the frame in front, from a service that writes without its serializer: set aside, and
    /// mended by a redrive that reads it with the schema's id.
    Unframed(Box<PlannedEvent>),
    /// Something that is no event: a tracker has to set it aside.
    Poison(Poison),
}

/// A saga event whose times count from the saga's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedEvent {
    /// Unique, except that a retry has the id of what it repeats.
    pub event_id: String,
    /// Which saga.
    pub saga_id: String,
    /// Kind of saga.
    pub saga_type: SagaType,
    /// Which step.
    pub step: &'static str,
    /// What the step did to the saga.
    pub status: SagaStatus,
    /// Which order.
    pub order_id: String,
    /// Who reports it.
    pub service: Service,
    /// What goes along.
    pub metadata: Metadata,
    /// In place of `metadata`: text that is no JSON object, from a service that got it wrong.
    pub odd_metadata: Option<&'static str>,
    /// What the reporting service's clock showed, in milliseconds after the saga's start. Negative
    /// where that clock is behind.
    pub recorded_after_ms: i64,
}

impl PlannedEvent {
    /// The event, of a saga that began at `start`.
    pub fn event(&self, start: Timestamp) -> SagaEvent {
        let recorded_at = after(start, self.recorded_after_ms);
        let metadata = match self.odd_metadata {
            Some(text) => text.to_owned(),
            None => self
                .metadata
                .clone()
                .with(metadata::PRODUCER_SERVICE, self.service.name())
                .with(metadata::PRODUCER_TIMESTAMP, format!("{recorded_at:.3}"))
                .to_text(),
        };
        SagaEvent {
            event_id: self.event_id.clone(),
            event_timestamp: recorded_at,
            saga_id: self.saga_id.clone(),
            saga_type: self.saga_type.clone(),
            step: self.step.to_owned(),
            status: self.status,
            order_id: self.order_id.clone(),
            metadata: Some(metadata),
            recorded_at,
        }
    }
}

pub(super) fn after(start: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_millisecond(start.as_millisecond().saturating_add(ms)).unwrap_or(start)
}

impl PlannedRecord {
    /// The record as bytes, of a saga that began at `start`.
    ///
    /// # Errors
    /// When the encoder's schema cannot express the event.
    pub fn message(
        &self,
        start: Timestamp,
        encoder: &Encoder,
        schema_id: u32,
    ) -> Result<Message, EncodeError> {
        match &self.content {
            Content::Event(planned) => Ok(Message {
                key: planned.saga_id.clone().into_bytes(),
                value: Some(encoder.encode(&planned.event(start), schema_id)?),
            }),
            Content::Unframed(planned) => {
                let mut framed = encoder.encode(&planned.event(start), schema_id)?;
                Ok(Message {
                    key: planned.saga_id.clone().into_bytes(),
                    value: Some(framed.split_off(frame(schema_id, &[]).len())),
                })
            }
            Content::Poison(poison) => Ok(poison.message(start, schema_id)),
        }
    }

    /// The event, where it is one.
    pub fn planned_event(&self) -> Option<&PlannedEvent> {
        match &self.content {
            Content::Event(planned) => Some(planned),
            Content::Unframed(_) | Content::Poison(_) => None,
        }
    }

    pub(super) fn event_mut(&mut self) -> Option<&mut PlannedEvent> {
        match &mut self.content {
            Content::Event(planned) => Some(planned),
            Content::Unframed(_) | Content::Poison(_) => None,
        }
    }
}
