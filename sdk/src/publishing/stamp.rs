//! Makes events of steps: adds the id, the times and the reporting service. Sends nothing, so that an
//! outbox can build its events in the service's own transaction.

use std::fmt;
use std::sync::Arc;

use super::{Clock, EventIds, SagaStep};
use crate::contract::{SagaEvent, SagaStatus, metadata};

/// What the client knows about every event that it builds.
#[derive(Clone)]
pub struct Stamp {
    producer_service: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn EventIds>,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp")
            .field("producer_service", &self.producer_service)
            .finish_non_exhaustive()
    }
}

impl Stamp {
    /// Of one service, with its clock and its source of event ids.
    pub fn new(producer_service: impl Into<String>, clock: Arc<dyn Clock>, ids: Arc<dyn EventIds>) -> Self {
        Self {
            producer_service: producer_service.into(),
            clock,
            ids,
        }
    }

    /// The event that reports `step`.
    ///
    /// `producerService` and `producerTimestamp` are added unless the step brings its own (a gateway
    /// reports for others).
    #[must_use]
    pub fn event(&self, step: SagaStep, status: SagaStatus) -> SagaEvent {
        let now = self.clock.now();
        let mut metadata = step
            .metadata
            .with_default(metadata::PRODUCER_TIMESTAMP, format!("{now:.3}"));
        if !self.producer_service.is_empty() {
            metadata = metadata.with_default(metadata::PRODUCER_SERVICE, self.producer_service.as_str());
        }
        SagaEvent {
            event_id: step.event_id.unwrap_or_else(|| self.ids.next()),
            event_timestamp: now,
            saga_id: step.saga_id,
            saga_type: step.saga_type,
            step: step.step,
            status,
            order_id: step.order_id,
            metadata: Some(metadata.to_text()),
            recorded_at: step.recorded_at.unwrap_or(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::{SagaType, steps};

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    struct Always(&'static str);

    impl EventIds for Always {
        fn next(&self) -> String {
            self.0.to_owned()
        }
    }

    fn stamp() -> Stamp {
        let now = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        Stamp::new("order-service", Arc::new(At(now)), Arc::new(Always("id-1")))
    }

    fn step() -> SagaStep {
        SagaStep::new("s-1", SagaType::OrderCreation, steps::ORDER_CREATED, "o-1")
    }

    fn metadata(event: &SagaEvent) -> Value {
        serde_json::from_str(event.metadata.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn an_event_says_who_built_it_and_when() {
        let event = stamp().event(step().with_trace("t-1", "sp-1"), SagaStatus::Started);
        assert_eq!(event.event_id, "id-1");
        assert_eq!(event.recorded_at, event.event_timestamp);
        let expected = json!({
            "producerService": "order-service",
            "producerTimestamp": "2026-01-02T03:04:05.678Z",
            "traceId": "t-1",
            "spanId": "sp-1",
        });
        assert_eq!(metadata(&event), expected);
    }

    #[test]
    fn what_the_step_brings_itself_stays() {
        let happened = "2026-01-02T03:00:00Z".parse().unwrap();
        let step = step()
            .with_event_id("e-9")
            .at(happened)
            .with_metadata("producerService", "pos-terminal");
        let event = stamp().event(step, SagaStatus::InProgress);
        assert_eq!(event.event_id, "e-9");
        assert_eq!(event.recorded_at, happened);
        assert_ne!(event.event_timestamp, happened);
        assert_eq!(metadata(&event)["producerService"], "pos-terminal");
    }
}
