//! A step as a service reports it, before it becomes an event.

use jiff::Timestamp;
use serde_json::Value;

use crate::contract::{Metadata, SagaType, metadata};

/// One step to report. The client adds what it knows itself: the event's id, the times, the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaStep {
    pub(super) saga_id: String,
    pub(super) saga_type: SagaType,
    pub(super) step: String,
    pub(super) order_id: String,
    pub(super) metadata: Metadata,
    pub(super) event_id: Option<String>,
    pub(super) recorded_at: Option<Timestamp>,
}

impl SagaStep {
    /// A step of a saga; for `step` see [`steps`](crate::contract::steps).
    pub fn new(
        saga_id: impl Into<String>,
        saga_type: SagaType,
        step: impl Into<String>,
        order_id: impl Into<String>,
    ) -> Self {
        Self {
            saga_id: saga_id.into(),
            saga_type,
            step: step.into(),
            order_id: order_id.into(),
            metadata: Metadata::new(),
            event_id: None,
            recorded_at: None,
        }
    }

    /// With one more metadata entry.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata = self.metadata.with(key, value);
        self
    }

    /// With the trace and span that the step belongs to.
    #[must_use]
    pub fn with_trace(self, trace_id: impl Into<String>, span_id: impl Into<String>) -> Self {
        self.with_metadata(metadata::TRACE_ID, trace_id.into())
            .with_metadata(metadata::SPAN_ID, span_id.into())
    }

    /// With an id of the caller's. A step that is reported again, after an error or from an outbox,
    /// keeps its id and so counts once.
    #[must_use]
    pub fn with_event_id(mut self, event_id: impl Into<String>) -> Self {
        self.event_id = Some(event_id.into());
        self
    }

    /// With the time at which the step happened, where that is not now.
    #[must_use]
    pub const fn at(mut self, recorded_at: Timestamp) -> Self {
        self.recorded_at = Some(recorded_at);
        self
    }
}
