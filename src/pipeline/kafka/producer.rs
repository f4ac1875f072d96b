//! Publishing, with an answer in bounded time that can be relied on: it is there, it is surely not
//! there, or nobody knows.
//!
//! Before anything is handed to the producer the broker is asked about the topic. While it does not
//! answer, nothing is published: that is what lets a caller say "nothing was changed".

use super::client::{self, StartError};
use super::settings::KafkaSettings;
use crate::domain::Position;
use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long the broker may take to answer before a message is handed over.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// A producer that found no broker so often in a row is replaced.
const MAX_UNANSWERED: u32 = 3;
/// How long a topic may be absent or without a leader: both are normal while it is being created, the
/// ops topic at the first start among others.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often such a topic is asked about.
const ASK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a message may be under way.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);
/// librdkafka reports every message by then; it looks for late ones once a second.
const REPORT_TIMEOUT: Duration = Duration::from_secs(12);
/// Messages under way at once when many are published.
const MAX_IN_FLIGHT: usize = 500;
/// Longest wait for one report, before it is looked whether it is the one that is waited for.
const POLL_TIMEOUT: Duration = Duration::from_millis(3);
/// How often the queue is served while nobody publishes, and how much is taken off it then.
const SERVE_INTERVAL: Duration = Duration::from_millis(250);
const SERVE_BATCH: usize = 16;

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The partition; when not set it follows from the key, as with all producers of sagas.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    pub(super) fn partition(&self) -> Option<i32> {
        self.partition.and_then(|number| i32::try_from(number).ok())
    }

    pub(super) fn headers(&self) -> Option<OwnedHeaders> {
        let none = OwnedHeaders::new_with_capacity(self.headers.len());
        let all = self.headers.iter().fold(none, |headers, (key, value)| {
            let value = value.as_deref();
            headers.insert(Header { key, value })
        });
        (!self.headers.is_empty()).then_some(all)
    }
}

/// Why a message has no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutError {
    /// Kafka does not answer, or the topic is not there to be written to. Nothing was published.
    #[error("Kafka cannot take it now: {0}")]
    Unreachable(String),
    /// Kafka answers, and does not take it. Nothing was published.
    #[error("Kafka does not take it: {0}")]
    Refused(String),
    /// Kafka went away in between: it may have been published or not.
    #[error("Kafka did not say whether it took it: {0}")]
    Uncertain(String),
}

/// Where messages go: Kafka, or a list in a test. Blocks: not for an async thread.
pub trait Outlet: Send + Sync {
    /// Publishes a message, acknowledged by all replicas, and says where it is.
    ///
    /// # Errors
    /// [`OutError`].
    fn publish(&self, message: &Message) -> Result<Position, OutError>;

    /// Publishes several, and says of each where it is. Their order is kept within a partition.
    fn publish_all(&self, messages: &[Message]) -> Vec<Result<Position, OutError>> {
        messages.iter().map(|message| self.publish(message)).collect()
    }
}

type Delivery = Result<Position, OutError>;

/// Passes each delivery report on to whoever waits for it.
struct Reports;

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sender<Delivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let delivery = match result {
            Ok(message) => match (
                u32::try_from(message.partition()),
                u64::try_from(message.offset()),
            ) {
                (Ok(partition), Ok(offset)) => Ok(Position::new(partition, offset)),
                // The broker has it from an earlier attempt and no longer knows where.
                _ => Err(OutError::Uncertain("it is published, but not where".to_owned())),
            },
            Err((error, _)) => Err(classify(error)),
        };
        // Whoever waited may have given up.
        let _ = waiting.send(delivery);
    }
}

fn classify(error: &KafkaError) -> OutError {
    use RDKafkaErrorCode as Code;
    let words = error.to_string();
    match error.rdkafka_error_code() {
        Some(
            Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::PolicyViolation,
        ) => OutError::Refused(words),
        // Purged before it was ever sent.
        Some(Code::PurgeQueue | Code::QueueFull) => OutError::Unreachable(words),
        _ => OutError::Uncertain(words),
    }
}

/// The one producer of everything that operators cause. Cheap to clone.
#[derive(Clone)]
pub struct KafkaOut {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    producer: Mutex<Arc<BaseProducer<Reports>>>,
    /// How often in a row it found no broker.
    unanswered: AtomicU32,
}

impl KafkaOut {
    /// Connects in the background: no broker has to be there.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(settings: &KafkaSettings) -> Result<Self, StartError> {
        let mut config = settings.producer_config(DELIVERY_TIMEOUT);
        for (name, value) in [
            // The Java clients' choice: a saga stays in the partition that its producers chose.
            ("partitioner", "murmur2_random"),
            ("reconnect.backoff.max.ms", "2000"),
            ("linger.ms", "5"),
        ] {
            if !settings.properties.0.contains_key(name) {
                config.set(name, value);
            }
        }
        // Asking about a topic would create it, with the broker's retention instead of ours.
        config.set("allow.auto.create.topics", "false");
        let producer = BaseProducer::from_config_and_context(&config, Reports).map_err(StartError::Config)?;
        let inner = Arc::new(Inner {
            config,
            producer: Mutex::new(Arc::new(producer)),
            unanswered: AtomicU32::new(0),
        });
        let served = Arc::downgrade(&inner);
        client::spawn("producer", move || serve(&served))?;
        Ok(Self { inner })
    }

    fn producer(&self) -> Arc<BaseProducer<Reports>> {
        self.inner
            .producer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the topic can be written to now. Waits a little for one that is being created.
    ///
    /// # Errors
    /// [`OutError::Unreachable`].
    pub fn check(&self, topic: &str) -> Result<(), OutError> {
        let asked = Instant::now();
        while let Some(why) = self.unfit(topic)? {
            if asked.elapsed() > SETTLE_TIMEOUT {
                return Err(OutError::Unreachable(why));
            }
            std::thread::sleep(ASK_INTERVAL);
        }
        Ok(())
    }

    /// What keeps the topic from being written to, by the broker's word.
    fn unfit(&self, topic: &str) -> Result<Option<String>, OutError> {
        let producer = self.producer();
        let metadata = producer
            .client()
            .fetch_metadata(Some(topic), ASK_TIMEOUT)
            .map_err(|error| {
                self.renew_when_unanswered(&producer);
                OutError::Unreachable(format!("{error}; check kafka.bootstrap_servers"))
            })?;
        self.inner.unanswered.store(0, Ordering::Relaxed);
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found.map_or(&[][..], |topic| topic.partitions());
        if partitions.is_empty() {
            return Ok(Some(format!(
                "topic {topic} does not exist; create it, or check the names of the topics under kafka"
            )));
        }
        let leaderless = partitions.iter().find(|partition| partition.leader() < 0);
        Ok(leaderless.map(|partition| format!("partition {} of {topic} has no leader", partition.id())))
    }

    /// Hands the message over; the answer comes later.
    fn send(
        &self,
        producer: &BaseProducer<Reports>,
        message: &Message,
    ) -> Result<Receiver<Delivery>, OutError> {
        let (report, delivery) = bounded(1);
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&message.topic, Box::new(report));
        record.partition = message.partition();
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.headers = message.headers();
        match producer.send(record) {
            Ok(()) => Ok(delivery),
            // What was not queued was not sent, whatever the reason.
            Err((error, _)) => Err(match classify(&error) {
                OutError::Uncertain(words) => OutError::Unreachable(words),
                certain => certain,
            }),
        }
    }

    fn publish_checked(&self, messages: &[Message]) -> Vec<Delivery> {
        let mut results = Vec::with_capacity(messages.len());
        for chunk in messages.chunks(MAX_IN_FLIGHT) {
            let producer = self.producer();
            let under_way: Vec<_> = chunk
                .iter()
                .map(|message| self.send(&producer, message))
                .collect();
            results.extend(
                under_way
                    .into_iter()
                    .map(|delivery| await_report(&producer, &delivery?)),
            );
            self.renew_when_spent(&producer);
        }
        results
    }

    /// A producer that met a fatal error takes nothing any more.
    fn renew_when_spent(&self, producer: &Arc<BaseProducer<Reports>>) {
        if let Some((_, why)) = producer.client().fatal_error() {
            tracing::warn!(why, "the producer gave up; a new one takes over");
            self.renew(producer);
        }
    }

    /// A client that was told of no brokers, as one that hung tells for a moment, may find none for minutes.
    fn renew_when_unanswered(&self, producer: &Arc<BaseProducer<Reports>>) {
        let before = self.inner.unanswered.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= MAX_UNANSWERED {
            self.inner.unanswered.store(0, Ordering::Relaxed);
            tracing::warn!("the producer finds no broker; a new one takes over");
            self.renew(producer);
        }
    }

    /// Whoever has something under way with the old one keeps it until then.
    fn renew(&self, producer: &Arc<BaseProducer<Reports>>) {
        let mut current = self.inner.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, producer) {
            return;
        }
        match BaseProducer::from_config_and_context(&self.inner.config, Reports) {
            Ok(fresh) => *current = Arc::new(fresh),
            Err(error) => tracing::error!(%error, "no new producer"),
        }
    }
}

/// Waits for the report on a message, and serves the queue that it comes through.
fn await_report(producer: &BaseProducer<Reports>, delivery: &Receiver<Delivery>) -> Delivery {
    let until = Instant::now() + REPORT_TIMEOUT;
    while Instant::now() < until {
        if let Ok(report) = delivery.try_recv() {
            return report;
        }
        producer.poll(POLL_TIMEOUT);
    }
    Err(OutError::Uncertain(
        "the client gave no report in time".to_owned(),
    ))
}

/// Serves the client's queue while nobody publishes, until the producer is dropped. The binding's own thread for
/// this waits in whole milliseconds, and spins for the last one of each wait.
fn serve(inner: &Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        let producer = inner
            .producer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        drop(inner);
        for _ in 0..SERVE_BATCH {
            producer.poll(Duration::ZERO);
        }
        drop(producer);
        crate::wait::park(SERVE_INTERVAL);
    }
}

impl Outlet for KafkaOut {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        let mut results = self.publish_all(std::slice::from_ref(message));
        results
            .pop()
            .unwrap_or_else(|| Err(OutError::Unreachable("nothing was sent".to_owned())))
    }

    fn publish_all(&self, messages: &[Message]) -> Vec<Result<Position, OutError>> {
        let mut topics: Vec<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        for topic in topics {
            if let Err(error) = self.check(topic) {
                return messages.iter().map(|_| Err(error.clone())).collect();
            }
        }
        self.publish_checked(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_that_finds_no_broker_three_times_in_a_row_is_replaced() {
        let settings = KafkaSettings {
            // Nobody listens there.
            bootstrap_servers: "127.0.0.1:1".to_owned(),
            ..KafkaSettings::default()
        };
        let out = KafkaOut::new(&settings).unwrap();
        let first = out.producer();
        for asked in 1..=MAX_UNANSWERED {
            assert!(
                Arc::ptr_eq(&out.producer(), &first),
                "replaced before {asked} asks"
            );
            assert!(matches!(out.check("topic"), Err(OutError::Unreachable(_))));
        }
        assert!(!Arc::ptr_eq(&out.producer(), &first));
        // The next one has as many tries.
        let second = out.producer();
        assert!(matches!(out.check("topic"), Err(OutError::Unreachable(_))));
        assert!(Arc::ptr_eq(&out.producer(), &second));
    }
}
