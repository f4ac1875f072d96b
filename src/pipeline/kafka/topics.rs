//! The bounds of topics by the broker's word, asked anew each time: what a consumer saw a moment ago
//! proves nothing about now. What follows from them is not decided here.

use super::client::{self, ANSWER_TIMEOUT, JOB_ANSWER_TIMEOUT, TopicBounds, TopicError};
use super::settings::KafkaSettings;
use crate::domain::Position;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Mutex, PoisonError};

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

/// Asks once for what the tracker topic holds.
///
/// # Errors
/// [`TopicError`].
pub fn topic_bounds(settings: &KafkaSettings) -> Result<TopicBounds, TopicError> {
    let consumer = client::consumer(&settings.client_config(), DefaultConsumerContext)?;
    client::bounds(&consumer, &settings.topic, JOB_ANSWER_TIMEOUT)
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

    fn connect(&self) -> Result<BaseConsumer, TopicError> {
        let mut config = self.settings.client_config();
        config
            .set("group.id", format!("{}-edges", self.settings.group_id))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "1024");
        Ok(client::consumer(&config, DefaultConsumerContext)?)
    }

    fn ask<T>(&self, question: impl FnOnce(&BaseConsumer) -> Result<T, TopicError>) -> Result<T, TopicError> {
        let mut consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = match consumer.take() {
            Some(connected) => connected,
            None => self.connect()?,
        };
        question(consumer.insert(connected))
    }
}

impl Topics for KafkaTopics {
    fn bounds(&self, topic: &str) -> Result<TopicBounds, String> {
        self.ask(|consumer| client::bounds(consumer, topic, ANSWER_TIMEOUT))
            .map_err(|error| error.to_string())
    }

    fn nothing_from(&self, topic: &str, from: Position) -> Result<bool, String> {
        self.ask(|consumer| nothing_from(consumer, topic, from))
            .map_err(|error| error.to_string())
    }
}

fn nothing_from(consumer: &BaseConsumer, topic: &str, from: Position) -> Result<bool, TopicError> {
    let failed = TopicError::of(topic, from.partition);
    let list = client::list(topic, [(from.partition, client::at(from.offset))]).map_err(&failed)?;
    consumer.assign(&list).map_err(&failed)?;
    let nothing = match consumer.poll(ANSWER_TIMEOUT) {
        Some(Err(KafkaError::PartitionEOF(_))) => Ok(true),
        Some(Ok(_)) => Ok(false),
        Some(Err(error)) => Err(failed(error)),
        None => Err(failed(KafkaError::MessageConsumption(
            RDKafkaErrorCode::OperationTimedOut,
        ))),
    };
    consumer.unassign().map_err(&failed)?;
    nothing
}
