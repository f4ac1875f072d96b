//! The client that publishes: one idempotent librdkafka producer, keyed by saga.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{Delivery as Delivered, DeliveryFuture};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{
    Delivery, Flushing, PublishError, Receipt, Recording, SagaStep, SagaTrackerClient, SagaTrackerSettings,
    Stamp,
};
use crate::contract::{SagaEvent, SagaStatus, headers};
use crate::encoding::{Encoder, Fixed, SchemaError, SchemaIds};

/// What the promise of delivery hangs on; not for the settings to change.
const FIXED: [(&str, &str); 2] = [("acks", "all"), ("enable.idempotence", "true")];

/// Other names under which librdkafka knows the fixed properties and the brokers.
const RESERVED: [&str; 5] = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "bootstrap.servers",
    "metadata.broker.list",
];

/// Before the settings' own properties. The partitioner is the Java clients': whichever service and
/// language reports a step, the saga stays in one partition.
const DEFAULTS: [(&str, &str); 3] = [
    ("partitioner", "murmur2_random"),
    ("message.timeout.ms", "30000"),
    ("linger.ms", "5"),
];

const QUEUE_RETRY: Duration = Duration::from_millis(10);

/// Why the settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A property is not the settings' to choose.
    #[error(
        "the property {0:?} cannot be set: acks=all and idempotence are fixed, and brokers are `bootstrap_servers`"
    )]
    ReservedProperty(String),
    /// librdkafka refuses a property or a combination of them.
    #[error("librdkafka refuses the producer's properties: {0}")]
    Producer(#[source] KafkaError),
    /// The schema cannot carry saga events.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The registry's settings are wrong.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] crate::encoding::RegistrySetupError),
}

/// Publishes every report to Kafka.
///
/// Needs a tokio runtime. Dropping it loses what is still queued: [`flush`](SagaTrackerClient::flush) first.
pub struct KafkaSagaTrackerClient {
    producer: FutureProducer,
    topic: String,
    subject: String,
    encoder: Encoder,
    schema_ids: Box<dyn SchemaIds>,
    schema_id: OnceCell<u32>,
    stamp: Stamp,
    delivery: Delivery,
    queue_timeout: Duration,
    undelivered: Arc<AtomicU64>,
}

impl fmt::Debug for KafkaSagaTrackerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSagaTrackerClient")
            .field("topic", &self.topic)
            .field("stamp", &self.stamp)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl KafkaSagaTrackerClient {
    /// With the published schema, and its id from the settings.
    ///
    /// # Errors
    /// When the settings do not make a producer. Brokers are not contacted yet.
    pub fn new(settings: &SagaTrackerSettings, stamp: Stamp) -> Result<Self, SetupError> {
        Self::with_schema(settings, stamp, Encoder::published()?, schema_ids(settings)?)
    }

    /// With another version of the schema, or another source of its id.
    ///
    /// # Errors
    /// As [`KafkaSagaTrackerClient::new`].
    pub fn with_schema(
        settings: &SagaTrackerSettings,
        stamp: Stamp,
        encoder: Encoder,
        schema_ids: Box<dyn SchemaIds>,
    ) -> Result<Self, SetupError> {
        let producer = producer_config(settings)?
            .create()
            .map_err(SetupError::Producer)?;
        Ok(Self {
            producer,
            topic: settings.topic.clone(),
            subject: format!("{}-value", settings.topic),
            encoder,
            schema_ids,
            schema_id: OnceCell::new(),
            stamp,
            delivery: settings.delivery,
            queue_timeout: Duration::from_millis(settings.queue_timeout_ms),
            undelivered: Arc::default(),
        })
    }

    /// How many reports were queued in the background and never delivered.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::Relaxed)
    }

    async fn send(&self, event: SagaEvent) -> Result<Receipt, PublishError> {
        // Encoded before the id is asked for: a step at fault must not wait for a registry.
        let body = self.encoder.encode_body(&event)?;
        let ask = || self.schema_ids.id_for(&self.subject, self.encoder.schema());
        let schema_id = *self.schema_id.get_or_try_init(ask).await?;
        let pending = self
            .enqueue(&event, &crate::encoding::frame(schema_id, &body))
            .await?;
        match self.delivery {
            Delivery::Awaited => {
                let Delivered {
                    partition, offset, ..
                } = delivered(pending).await.map_err(PublishError::Kafka)?;
                Ok(Receipt::Delivered {
                    event_id: event.event_id,
                    partition,
                    offset,
                })
            }
            Delivery::Background => {
                let event_id = event.event_id.clone();
                self.watch(pending, event);
                Ok(Receipt::Queued { event_id })
            }
        }
    }

    async fn enqueue(&self, event: &SagaEvent, value: &[u8]) -> Result<DeliveryFuture, PublishError> {
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header {
                key: headers::SDK_VERSION,
                value: Some(env!("CARGO_PKG_VERSION")),
            })
            .insert(Header {
                key: headers::EVENT_ID,
                value: Some(&event.event_id),
            });
        let mut record = FutureRecord::to(&self.topic)
            .key(event.saga_id.as_str())
            .payload(value)
            .headers(headers);
        let deadline = Instant::now() + self.queue_timeout;
        loop {
            match self.producer.send_result(record) {
                Ok(pending) => return Ok(pending),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if Instant::now() >= deadline {
                        return Err(PublishError::QueueFull {
                            waited: self.queue_timeout,
                        });
                    }
                    record = back;
                    tokio::time::sleep(QUEUE_RETRY).await;
                }
                Err((error, _)) => return Err(PublishError::Kafka(error)),
            }
        }
    }

    fn watch(&self, pending: DeliveryFuture, event: SagaEvent) {
        let undelivered = Arc::clone(&self.undelivered);
        tokio::spawn(async move {
            if let Err(error) = delivered(pending).await {
                undelivered.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    saga_id = event.saga_id,
                    event_id = event.event_id,
                    step = event.step,
                    %error,
                    "saga event was not delivered"
                );
            }
        });
    }
}

impl SagaTrackerClient for KafkaSagaTrackerClient {
    fn record_step(&self, step: SagaStep, status: SagaStatus) -> Recording<'_> {
        self.publish(self.stamp.event(step, status))
    }

    fn publish(&self, event: SagaEvent) -> Recording<'_> {
        Box::pin(self.send(event))
    }

    fn flush(&self, timeout: Duration) -> Flushing<'_> {
        let producer = self.producer.clone();
        Box::pin(async move {
            // librdkafka's flush blocks its thread.
            tokio::task::spawn_blocking(move || producer.flush(timeout))
                .await
                .unwrap_or(Err(KafkaError::Canceled))
                .map_err(PublishError::Kafka)
        })
    }
}

async fn delivered(pending: DeliveryFuture) -> Result<Delivered, KafkaError> {
    match pending.await {
        Ok(Ok(delivered)) => Ok(delivered),
        Ok(Err((error, _message))) => Err(error),
        Err(_producer_dropped) => Err(KafkaError::Canceled),
    }
}

fn producer_config(settings: &SagaTrackerSettings) -> Result<ClientConfig, SetupError> {
    if let Some(name) = settings
        .properties
        .keys()
        .find(|name| RESERVED.contains(&name.as_str()))
    {
        return Err(SetupError::ReservedProperty(name.clone()));
    }
    let mut config = ClientConfig::new();
    for (name, value) in DEFAULTS {
        config.set(name, value);
    }
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    for (name, value) in FIXED {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    Ok(config)
}

#[cfg(feature = "registry")]
fn schema_ids(settings: &SagaTrackerSettings) -> Result<Box<dyn SchemaIds>, SetupError> {
    match &settings.schema_registry {
        Some(registry) => Ok(Box::new(crate::encoding::Registry::new(registry.clone())?)),
        None => Ok(Box::new(Fixed(settings.schema_id))),
    }
}

#[cfg(not(feature = "registry"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as with the registry")]
fn schema_ids(settings: &SagaTrackerSettings) -> Result<Box<dyn SchemaIds>, SetupError> {
    Ok(Box::new(Fixed(settings.schema_id)))
}
