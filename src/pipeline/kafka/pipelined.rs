//! Publishing many messages side by side, from an async task: each is queued at once, and its delivery is awaited
//! whenever that suits.
//!
//! For messages that can be published again: nobody is asked first whether the topic is there, and of one that
//! fails it is not told whether it is there all the same. [`super::KafkaOut`] does both.

use super::client::StartError;
use super::producer::Message;
use super::settings::KafkaSettings;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::Duration;

/// How long a message may be under way.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The topic does not take so much, in one message or in a batch of several.
    #[error("{0}")]
    TooLarge(KafkaError),
    /// Anything else, which may pass.
    #[error("{0}")]
    Failed(KafkaError),
}

impl From<KafkaError> for DeliveryError {
    fn from(error: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize) => {
                Self::TooLarge(error)
            }
            _ => Self::Failed(error),
        }
    }
}

/// A producer that keeps the order of what it is given within a partition, acknowledged by all replicas.
pub struct PipelinedProducer {
    producer: FutureProducer,
}

impl PipelinedProducer {
    /// Connects in the background: no broker has to be there.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(settings: &KafkaSettings) -> Result<Self, StartError> {
        let producer = settings.producer_config(DELIVERY_TIMEOUT).create();
        Ok(Self {
            producer: producer.map_err(StartError::Config)?,
        })
    }

    /// Queues a message, and gives its delivery to wait for.
    ///
    /// # Errors
    /// When it cannot be queued.
    pub fn send(
        &self,
        message: &Message,
    ) -> Result<impl Future<Output = Result<(), DeliveryError>> + Send + use<>, DeliveryError> {
        let record = FutureRecord::<[u8], [u8]> {
            topic: &message.topic,
            partition: message.partition(),
            key: message.key.as_deref(),
            payload: message.value.as_deref(),
            timestamp: None,
            headers: message.headers(),
        };
        let delivery = self.producer.send_result(record).map_err(|(error, _)| error)?;
        Ok(async {
            match delivery.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(error.into()),
                Err(_) => Err(KafkaError::Canceled.into()),
            }
        })
    }
}
