//! Realistic sagas, planned: what each service reports, how long after the saga's start it happened,
//! and when its report arrives. The same seed makes the same sagas, identifiers included.
//!
//! No clock and no Kafka: a plan becomes events when somebody says when the saga began.

use std::time::Duration;

use jiff::Timestamp;
use saga_tracker_sdk::contract::{Metadata, SagaEvent, SagaStatus, SagaType, metadata};
use saga_tracker_sdk::encoding::{EncodeError, Encoder};

use super::poison::{Poison, PoisonKind};
use super::rng::Rng;
use super::stories;

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

/// Key and value of a Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The saga.
    pub key: Vec<u8>,
    /// Frame and body; none is a tombstone.
    pub value: Option<Vec<u8>>,
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
            Content::Poison(poison) => Ok(poison.message(start, schema_id)),
        }
    }

    /// The event, where it is one.
    pub fn planned_event(&self) -> Option<&PlannedEvent> {
        match &self.content {
            Content::Event(planned) => Some(planned),
            Content::Poison(_) => None,
        }
    }

    fn event_mut(&mut self) -> Option<&mut PlannedEvent> {
        match &mut self.content {
            Content::Event(planned) => Some(planned),
            Content::Poison(_) => None,
        }
    }
}

/// Sagas without end; see [`sagas`].
#[derive(Debug, Clone)]
pub struct Sagas {
    rng: Rng,
    run: u64,
    orders: u64,
    next: Option<Vec<PlannedRecord>>,
}

/// Sagas without end, each with its records in the order in which they are published. Another seed
/// makes other sagas: no identifier is shared.
pub fn sagas(seed: u64) -> Sagas {
    let mut rng = Rng::new(seed);
    let run = rng.bits() >> 40;
    Sagas {
        rng,
        run,
        orders: 0,
        next: None,
    }
}

impl Iterator for Sagas {
    type Item = Vec<PlannedRecord>;

    fn next(&mut self) -> Option<Vec<PlannedRecord>> {
        if let Some(payment) = self.next.take() {
            return Some(payment);
        }
        self.orders += 1;
        let order_id = format!("ORD-{:06x}-{:06}", self.run, self.orders);
        let (order, payment) = stories::order(&mut self.rng, &order_id);
        self.next = payment.map(|story| disturb(&mut self.rng, story));
        Some(disturb(&mut self.rng, order))
    }
}

/// What happens to reports on their way, and to the clocks that they are stamped by.
fn disturb(rng: &mut Rng, story: Vec<PlannedEvent>) -> Vec<PlannedRecord> {
    // Arrival first: it goes by the world's time, whatever a service's clock shows.
    let mut records = stories::arrivals(rng, story);
    if rng.per_mille(150) {
        skew_clock(rng, &mut records);
    }
    if rng.per_mille(80) {
        share_a_millisecond(rng, &mut records);
    }
    if rng.per_mille(10) {
        garble_metadata(rng, &mut records);
    }
    if rng.per_mille(60) {
        arrive_late(rng, &mut records);
    }
    if rng.per_mille(80) {
        send_twice(rng, &mut records);
    }
    if rng.per_mille(20) {
        add_poison(rng, &mut records);
    }
    records.sort_by_key(|record| record.delay);
    records
}

fn skew_clock(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let service = rng.pick([Service::Order, Service::Product, Service::Payment]);
    let skew = i64::try_from(rng.between(200, 4_000)).unwrap_or(0);
    let skew = if rng.per_mille(500) { -skew } else { skew };
    for event in records.iter_mut().filter_map(PlannedRecord::event_mut) {
        if event.service == service {
            event.recorded_after_ms += skew;
        }
    }
}

fn share_a_millisecond(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let first = rng.index(records.len().saturating_sub(1));
    if let [first, second, ..] = &mut records[first..]
        && let (Some(first), Some(second)) = (first.planned_event(), second.event_mut())
    {
        second.recorded_after_ms = first.recorded_after_ms;
    }
}

fn garble_metadata(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let odd = rng.index(records.len());
    if let Some(event) = records[odd].event_mut() {
        event.odd_metadata = Some(rng.pick(["retry=2;channel=WEB", "[\"WEB\"]", "{\"channel\":"]));
    }
}

fn arrive_late(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let late = rng.index(records.len());
    records[late].delay += Duration::from_millis(rng.between(5_000, 30_000));
}

fn send_twice(rng: &mut Rng, records: &mut Vec<PlannedRecord>) {
    let mut retry = records[rng.index(records.len())].clone();
    retry.delay += Duration::from_millis(rng.between(20, 3_000));
    // A producer that fills in its retry count reports something else under the same id.
    if rng.per_mille(60)
        && let Some(event) = retry.event_mut()
    {
        event.metadata = std::mem::take(&mut event.metadata).with(metadata::RETRY_COUNT, 1);
    }
    records.push(retry);
}

fn add_poison(rng: &mut Rng, records: &mut Vec<PlannedRecord>) {
    let before = &records[rng.index(records.len())];
    let delay = before.delay + Duration::from_millis(rng.between(1, 500));
    let Some(event) = before.planned_event() else {
        return;
    };
    let poison = Poison {
        kind: rng.pick(PoisonKind::ALL),
        saga_id: event.saga_id.clone(),
    };
    records.push(PlannedRecord {
        delay,
        content: Content::Poison(poison),
    });
}

#[cfg(test)]
mod tests;
