//! Publishes stored dead letters to the dead-letter topic, in order of their offsets, at least once:
//! a cursor in the store says which have been.
//!
//! Headers are those of Spring Kafka's recoverer, which the tools of the replaced service read, and
//! our own `saga-tracker-reason`. Origin topic, partition and offset tell a letter that was
//! published twice (after a crash, or by a second replica).

use super::read::{DeadLetter, dead_letters_from, published};
use crate::failpoint;
use crate::store::codec::Record;
use crate::store::records::TotalRecord;
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, read, totals};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Letters that are under way to the broker at once.
const AT_ONCE: usize = 100;
/// Wait before trying again when the broker refuses or is away.
const RETRY: Duration = Duration::from_secs(2);
/// Letters are looked for at least so often, told or not.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is under way at shutdown gets so long; without a broker it would take its full timeout.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// How letters are published.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// Connection to Kafka.
    pub client: ClientConfig,
    /// The tracker topic, whose letters these are.
    pub topic: String,
    /// The dead-letter topic.
    pub dlt_topic: String,
    /// The group that could not process them.
    pub group_id: String,
}

/// Why a round of publishing ended early.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{topic}: {error}")]
    Kafka { topic: String, error: KafkaError },
}

/// Publishes dead letters until told to stop.
pub struct Publisher {
    store: SharedStore,
    settings: PublishSettings,
    producer: FutureProducer,
}

impl Publisher {
    /// Connects lazily: no broker has to be there.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(store: SharedStore, settings: PublishSettings) -> Result<Self, KafkaError> {
        let producer = settings
            .client
            .clone()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "30000")
            // A letter may be as long as anything that the tracker topic let in.
            .set("message.max.bytes", "104857600")
            .create()?;
        Ok(Self {
            store,
            settings,
            producer,
        })
    }

    /// Publishes what is there and what comes, until shutdown. A broker that is away is waited for.
    pub async fn run(self, news: Arc<Notify>, shutdown: CancellationToken) {
        let mut failing = false;
        loop {
            failpoint::pass("thread.dead-letters");
            let round = tokio::select! {
                round = self.round(&shutdown) => round,
                () = enough(&shutdown) => return,
            };
            let wait = match round {
                Ok(()) => {
                    failing = false;
                    LOOK_EVERY
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "dead letters are stored but not published yet; trying again");
                    }
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = news.notified(), if !failing => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Publishes every letter that has not been.
    async fn round(&self, shutdown: &CancellationToken) -> Result<(), PublishError> {
        let end = read::log_cut(&*self.store, &self.settings.topic)?;
        let done = published(&*self.store, totals::DEAD_LETTER_CURSOR)?;
        for (partition, end) in end.iter() {
            let mut next = done.next(partition);
            while next < end && !shutdown.is_cancelled() {
                let (letters, reached) = dead_letters_from(&*self.store, partition, next, end, AT_ONCE)?;
                self.publish(&letters).await?;
                self.move_cursor(partition, reached)?;
                next = reached;
            }
        }
        Ok(())
    }

    async fn publish(&self, letters: &[DeadLetter]) -> Result<(), PublishError> {
        if letters.is_empty() {
            return Ok(());
        }
        failpoint::pass("dead_letter.before_publish");
        let mut under_way = Vec::with_capacity(letters.len());
        for letter in letters {
            under_way.push((letter, self.send(self.record(letter))?));
        }
        for (letter, delivery) in under_way {
            match delivered(delivery).await {
                Ok(()) => {}
                // It may be the batch that is too large.
                Err(error) if is_too_large(&error) => self.publish_alone(letter).await?,
                Err(error) => return Err(self.refused(error)),
            }
        }
        failpoint::pass("dead_letter.after_publish");
        Ok(())
    }

    /// Publishes a letter whole or, when the topic does not take it, without its value, which is in
    /// the store: it must not keep back the letters behind it.
    async fn publish_alone(&self, letter: &DeadLetter) -> Result<(), PublishError> {
        match delivered(self.send(self.record(letter))?).await {
            Ok(()) => return Ok(()),
            Err(error) if is_too_large(&error) => {}
            Err(error) => return Err(self.refused(error)),
        }
        let bytes = letter.value.as_ref().map_or(0, |value| value.len());
        tracing::error!(
            position = %letter.position, bytes, topic = self.settings.dlt_topic,
            "the dead letter is too large for the topic and goes there without its value; raise max.message.bytes"
        );
        let headers = self.headers(letter).insert(Header {
            key: "saga-tracker-omitted-bytes",
            value: Some(&bytes.to_string()),
        });
        let mut record = self.record(letter).headers(headers);
        record.payload = None;
        delivered(self.send(record)?)
            .await
            .map_err(|error| self.refused(error))
    }

    fn record<'a>(&'a self, letter: &'a DeadLetter) -> FutureRecord<'a, [u8], [u8]> {
        let mut record = FutureRecord::to(&self.settings.dlt_topic).headers(self.headers(letter));
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        record
    }

    fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> Result<DeliveryFuture, PublishError> {
        self.producer
            .send_result(record)
            .map_err(|(error, _)| self.refused(error))
    }

    fn refused(&self, error: KafkaError) -> PublishError {
        PublishError::Kafka {
            topic: self.settings.dlt_topic.clone(),
            error,
        }
    }

    fn move_cursor(&self, partition: u32, next: u64) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        let mut key = Key::default();
        keys::meta_cursor(&mut key, totals::DEAD_LETTER_CURSOR, partition);
        let value = i64::try_from(next).unwrap_or(i64::MAX);
        batch.put_with(Table::Meta, &key, |bytes| TotalRecord { value }.write(bytes));
        self.store.write(&batch, Durability::Process)?;
        failpoint::pass("dead_letter.after_cursor");
        Ok(())
    }

    fn headers(&self, letter: &DeadLetter) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &letter.headers {
            headers = headers.insert(Header {
                key: name,
                value: value.as_deref(),
            });
        }
        let partition = i32::try_from(letter.position.partition)
            .unwrap_or(i32::MAX)
            .to_be_bytes();
        let offset = letter.position.offset.to_be_bytes();
        let timestamp = letter.timestamp.unwrap_or(letter.arrived_at).0.to_be_bytes();
        let ours: [(&str, &[u8]); 9] = [
            ("kafka_dlt-original-topic", letter.topic.as_bytes()),
            ("kafka_dlt-original-partition", &partition),
            ("kafka_dlt-original-offset", &offset),
            ("kafka_dlt-original-timestamp", &timestamp),
            ("kafka_dlt-original-timestamp-type", b"CreateTime"),
            (
                "kafka_dlt-original-consumer-group",
                self.settings.group_id.as_bytes(),
            ),
            (
                "kafka_dlt-exception-fqcn",
                b"com.groom.ecommerce.saga.tracker.DeadLetter",
            ),
            ("kafka_dlt-exception-message", letter.detail.as_bytes()),
            ("saga-tracker-reason", letter.reason.as_bytes()),
        ];
        ours.into_iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        })
    }
}

async fn delivered(delivery: DeliveryFuture) -> Result<(), KafkaError> {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// Returns when shutdown was asked for long enough ago.
async fn enough(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_WAIT).await;
}
