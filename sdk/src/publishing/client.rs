//! What a service may ask of the tracker's client, whatever is behind it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rdkafka::error::KafkaError;

use super::SagaStep;
use crate::contract::{SagaEvent, SagaStatus, metadata};
use crate::encoding::{EncodeError, SchemaIdError};

/// A report under way. Nothing is sent until it is awaited.
pub type Recording<'a> = Pin<Box<dyn Future<Output = Result<Receipt, PublishError>> + Send + 'a>>;

/// A wait for everything that is queued.
pub type Flushing<'a> = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send + 'a>>;

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Nothing: the client is not enabled.
    Disabled,
    /// It is in the producer's queue.
    Queued {
        /// The event that reports it.
        event_id: String,
    },
    /// The broker has it.
    Delivered {
        /// The event that reports it.
        event_id: String,
        /// Where it is.
        partition: i32,
        /// Where it is.
        offset: i64,
    },
}

/// Why a step was not reported.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The step itself is at fault: reporting it again does not help.
    #[error(transparent)]
    Refused(#[from] EncodeError),
    /// The registry gave the schema no id.
    #[error(transparent)]
    SchemaId(#[from] SchemaIdError),
    /// The producer's queue stayed full: the broker is slow or away. Report it again later.
    #[error("the producer's queue had no room within {} ms", waited.as_millis())]
    QueueFull {
        /// How long the report waited.
        waited: Duration,
    },
    /// Kafka did not take it. Reporting it again with the same event id is safe.
    #[error("Kafka did not take the saga event: {0}")]
    Kafka(#[source] KafkaError),
}

/// Reports saga steps to the tracker.
///
/// Object-safe, so that a service can hold an `Arc<dyn SagaTrackerClient>` and its tests their own.
pub trait SagaTrackerClient: Send + Sync {
    /// Reports a step with a status.
    fn record_step(&self, step: SagaStep, status: SagaStatus) -> Recording<'_>;

    /// Publishes an event that exists already: from an outbox, or once more after an error.
    fn publish(&self, event: SagaEvent) -> Recording<'_>;

    /// Waits until everything queued is delivered or given up. Call it before the service ends.
    fn flush(&self, timeout: Duration) -> Flushing<'_>;

    /// The saga begins with this step.
    fn record_start(&self, step: SagaStep) -> Recording<'_> {
        self.record_step(step, SagaStatus::Started)
    }

    /// The step was taken, and the saga goes on.
    fn record_progress(&self, step: SagaStep) -> Recording<'_> {
        self.record_step(step, SagaStatus::InProgress)
    }

    /// The step is done, and with the saga's last step the saga.
    fn record_complete(&self, step: SagaStep) -> Recording<'_> {
        self.record_step(step, SagaStatus::Completed)
    }

    /// The saga failed in this step.
    fn record_failure(&self, step: SagaStep, reason: &str) -> Recording<'_> {
        self.record_step(
            step.with_metadata(metadata::FAILURE_REASON, reason),
            SagaStatus::Failed,
        )
    }

    /// The step undid what a failed saga had done.
    fn record_compensation(&self, step: SagaStep) -> Recording<'_> {
        self.record_step(step, SagaStatus::Compensated)
    }
}
