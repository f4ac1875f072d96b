//! The client where the tracker is not enabled.

use std::future::ready;
use std::time::Duration;

use super::{Flushing, Receipt, Recording, SagaStep, SagaTrackerClient};
use crate::contract::{SagaEvent, SagaStatus};

/// Takes every report and does nothing with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOpSagaTrackerClient;

impl SagaTrackerClient for NoOpSagaTrackerClient {
    fn record_step(&self, _step: SagaStep, _status: SagaStatus) -> Recording<'_> {
        Box::pin(ready(Ok(Receipt::Disabled)))
    }

    fn publish(&self, _event: SagaEvent) -> Recording<'_> {
        Box::pin(ready(Ok(Receipt::Disabled)))
    }

    fn flush(&self, _timeout: Duration) -> Flushing<'_> {
        Box::pin(ready(Ok(())))
    }
}
