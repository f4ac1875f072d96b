//! The edges of topics by the broker's word, asked anew each time: what a consumer saw a moment ago
//! proves nothing about now. What follows from them is not decided here.

use super::bounds::TopicBounds;
use super::settings::KafkaSettings;
use crate::domain::Position;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers where topics begin and end.
pub trait Topics: Send + Sync {
    /// By partition the first offset that is still there, and the end.
    ///
    /// # Errors
    /// In words, when nobody answers or there is no such topic.
    fn bounds(&self, topic: &str) -> Result<TopicBounds, String>;

    /// Whether a reader who is at `from` has nothing more to get up to the end: what stands there, if
    /// anything, are markers of transactions.
    ///
    /// # Errors
    /// In words, when nobody answers.
    fn nothing_from(&self, topic: &str, from: Position) -> Result<bool, String>;
}

/// Asks Kafka, over a connection of its own that is made at the first question.
pub struct KafkaTopics {
    settings: KafkaSettings,
    consumer: Mutex<Option<BaseConsumer>>,
}

impl KafkaTopics {
    /// Asks the brokers of these settings.
    pub fn new(settings: &KafkaSettings) -> Self {
        Self {
            settings: settings.clone(),
            consumer: Mutex::new(None),
        }
    }

    fn connect(&self) -> Result<BaseConsumer, String> {
        self.settings
            .client_config()
            .set("group.id", format!("{}-edges", self.settings.group_id))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "1024")
            .create()
            .map_err(|error| format!("librdkafka refuses the configuration: {error}"))
    }

    fn ask<T>(&self, question: impl FnOnce(&BaseConsumer) -> Result<T, String>) -> Result<T, String> {
        let mut consumer = self.lock();
        if consumer.is_none() {
            *consumer = Some(self.connect()?);
        }
        match &*consumer {
            Some(consumer) => question(consumer),
            None => Err("there is no connection".to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BaseConsumer>> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics for KafkaTopics {
    fn bounds(&self, topic: &str) -> Result<TopicBounds, String> {
        self.ask(|consumer| {
            let metadata = consumer
                .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
                .map_err(|error| format!("no broker answers: {error}"))?;
            let partitions = match metadata.topics().first() {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
                    found.partitions()
                }
                _ => return Err(format!("topic {topic} does not exist")),
            };
            partitions
                .iter()
                .map(|partition| {
                    let (low, end) = consumer
                        .fetch_watermarks(topic, partition.id(), ANSWER_TIMEOUT)
                        .map_err(|error| format!("partition {} of {topic}: {error}", partition.id()))?;
                    let number = u32::try_from(partition.id()).unwrap_or(0);
                    Ok((number, (low.unsigned_abs(), end.unsigned_abs())))
                })
                .collect()
        })
    }

    fn nothing_from(&self, topic: &str, from: Position) -> Result<bool, String> {
        self.ask(|consumer| {
            let in_words = |error: KafkaError| format!("{from} of {topic}: {error}");
            let number = i32::try_from(from.partition).map_err(|error| error.to_string())?;
            let offset = Offset::Offset(i64::try_from(from.offset).map_err(|error| error.to_string())?);
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, number, offset)
                .map_err(in_words)?;
            consumer.assign(&list).map_err(in_words)?;
            let seen = consumer.poll(ANSWER_TIMEOUT);
            let bare = match seen {
                Some(Err(KafkaError::PartitionEOF(_))) => Ok(true),
                Some(Ok(_)) => Ok(false),
                Some(Err(error)) => Err(in_words(error)),
                None => Err(format!("{from} of {topic}: no answer in time")),
            };
            consumer.unassign().map_err(in_words)?;
            bare
        })
    }
}
