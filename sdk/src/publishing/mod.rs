//! The client that a service calls, and what is behind it.
//!
//! A service holds one [`SagaTrackerClient`]. [`client`] makes the one that the settings ask for: a
//! Kafka producer where the tracker is enabled, nothing at all where it is not. Consuming and querying
//! do not belong here.

mod ambient;
mod client;
mod kafka;
mod noop;
mod settings;
mod stamp;
mod step;

use std::sync::Arc;

pub use ambient::{Clock, EventIds, RandomEventIds, SystemClock};
pub use client::{Flushing, PublishError, Receipt, Recording, SagaTrackerClient};
pub use kafka::{KafkaSagaTrackerClient, SetupError};
pub use noop::NoOpSagaTrackerClient;
pub use settings::{Delivery, SagaTrackerSettings};
pub use stamp::Stamp;
pub use step::SagaStep;

/// The client that the settings ask for.
///
/// # Errors
/// When the settings cannot make a producer. A broker or registry that is not there (yet) is no error
/// here: reports fail, or wait, until it is.
pub fn client(settings: &SagaTrackerSettings) -> Result<Arc<dyn SagaTrackerClient>, SetupError> {
    client_with(settings, Arc::new(SystemClock), Arc::new(RandomEventIds))
}

/// As [`client`], with the clock and the source of event ids as arguments.
///
/// # Errors
/// As [`client`].
pub fn client_with(
    settings: &SagaTrackerSettings,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn EventIds>,
) -> Result<Arc<dyn SagaTrackerClient>, SetupError> {
    if !settings.enabled {
        return Ok(Arc::new(NoOpSagaTrackerClient));
    }
    let stamp = Stamp::new(settings.producer_service.clone(), clock, ids);
    Ok(Arc::new(KafkaSagaTrackerClient::new(settings, stamp)?))
}
