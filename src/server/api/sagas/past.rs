//! An event as history and comparisons tell it.

use super::super::saga_fields::Status;
use super::super::text::Instant;
use super::steps::OperatorChangeBody;
use crate::pipeline::query::PastEvent;
use serde::Serialize;
use utoipa::ToSchema;

/// An event of the past, without its metadata.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PastEvent)]
pub(super) struct PastEventBody {
    event_id: String,
    step: String,
    /// What the producer said about the saga.
    status: Status,
    #[schema(required)]
    producer_service: Option<String>,
    #[schema(required)]
    trace_id: Option<String>,
    /// Event time.
    recorded_at: Instant,
    /// Arrival time.
    arrived_at: Instant,
    /// The partition of the tracker topic that it lies in.
    partition: u32,
    /// Its offset there.
    offset: u64,
    /// True when it is a delivery that did not stand: another one of its event lay at a lower position. Absent
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duplicate: Option<bool>,
    /// How many milliseconds after the first of the events behind it in the timeline it arrived. Absent when it
    /// came before all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    late_millis: Option<u64>,
    /// The rules that it broke. Absent when it broke none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["FAILED_AFTER_COMPLETED"]))]
    anomalies: Vec<&'static str>,
    /// What an operator did, when the event is an operator's. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    operator_change: Option<OperatorChangeBody>,
}

impl From<PastEvent> for PastEventBody {
    fn from(event: PastEvent) -> Self {
        Self {
            event_id: event.event_id.into(),
            step: event.step.into(),
            status: event.status.into(),
            producer_service: event.producer_service.map(String::from),
            trace_id: event.trace_id.map(String::from),
            recorded_at: Instant(event.place.recorded_at),
            arrived_at: Instant(event.arrived_at),
            partition: event.place.position.partition,
            offset: event.place.position.offset,
            duplicate: event.duplicate.then_some(true),
            late_millis: event.late_millis,
            anomalies: event.anomalies.iter().map(|kind| kind.as_str()).collect(),
            operator_change: event.operator.map(Into::into),
        }
    }
}
