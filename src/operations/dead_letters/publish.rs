//! Publishes stored dead letters to the dead-letter topic, in order of their offsets, at least once:
//! a cursor in the store says which have been.
//!
//! Headers are those of Spring Kafka's recoverer, which the tools of the replaced service read, and
//! our own `saga-tracker-reason`. Origin topic, partition and offset tell a letter that was
//! published twice (after a crash, or by a second replica).

use super::stored::{DeadLetter, dead_letters_from, published};
use crate::failpoint;
use crate::pipeline::kafka::{DeliveryError, KafkaSettings, Message, PipelinedProducer, StartError};
use crate::store::codec::Record;
use crate::store::records::TotalRecord;
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, reads, totals};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Letters that are under way to the broker at once.
const MAX_IN_FLIGHT: usize = 100;
/// Wait before trying again when the broker refuses or is away.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Letters are looked for at least so often, told or not.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// What is under way at shutdown gets so long; without a broker it would take its full timeout.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// Length of a value that was left out.
const OMITTED_BYTES: &str = "saga-tracker-omitted-bytes";
/// Length of a value of which only the first bytes are kept.
const WHOLE_BYTES: &str = "saga-tracker-whole-bytes";
/// Length of headers that were left out.
const OMITTED_HEADER_BYTES: &str = "saga-tracker-omitted-header-bytes";
/// Length of a key that was left out.
const OMITTED_KEY_BYTES: &str = "saga-tracker-omitted-key-bytes";

/// Why a round of publishing ended early.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{topic}: {error}")]
    Kafka { topic: String, error: DeliveryError },
}

/// Publishes dead letters until told to stop.
pub struct Publisher {
    store: SharedStore,
    settings: KafkaSettings,
    producer: PipelinedProducer,
}

impl Publisher {
    /// Connects lazily: no broker has to be there.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(store: SharedStore, settings: &KafkaSettings) -> Result<Self, StartError> {
        Ok(Self {
            store,
            settings: settings.clone(),
            producer: PipelinedProducer::new(settings)?,
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
                    POLL_INTERVAL
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "dead letters are stored but not published yet; trying again");
                    }
                    RETRY_INTERVAL
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
        let end = reads::log_cut(&*self.store, &self.settings.topic)?;
        let done = published(&*self.store, totals::DEAD_LETTER_CURSOR)?;
        for (partition, end) in end.iter() {
            let mut next = done.next(partition);
            while next < end && !shutdown.is_cancelled() {
                let (letters, reached) =
                    dead_letters_from(&*self.store, partition, next, end, MAX_IN_FLIGHT)?;
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
            let message = Form::Whole.message(letter, &self.settings);
            let delivery = self.producer.send(&message);
            under_way.push((letter, delivery.map_err(|error| self.refused(error))?));
        }
        for (letter, delivery) in under_way {
            match delivery.await {
                Ok(()) => {}
                // It may be the batch that is too large.
                Err(DeliveryError::TooLarge(_)) => self.publish_alone(letter).await?,
                Err(error) => return Err(self.refused(error)),
            }
        }
        failpoint::pass("dead_letter.after_publish");
        Ok(())
    }

    /// Publishes a letter whole or, when the topic does not take it, with less and less of what is in the
    /// store anyway: it must not keep back the letters behind it.
    async fn publish_alone(&self, letter: &DeadLetter) -> Result<(), PublishError> {
        for form in Form::ALL {
            match self.deliver(&form.message(letter, &self.settings)).await {
                Ok(()) if form == Form::Whole => return Ok(()),
                Ok(()) => {
                    self.tell(letter, form.words());
                    return Ok(());
                }
                Err(DeliveryError::TooLarge(_)) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.tell(letter, "is not published at all");
        Ok(())
    }

    fn tell(&self, letter: &DeadLetter, what: &str) {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        tracing::error!(
            position = %letter.position,
            value_bytes = letter.value_bytes,
            header_bytes = header_bytes(letter),
            key_bytes = length(&letter.key),
            topic = self.settings.dlt_topic,
            "the dead letter is too large for the topic and {what}; raise max.message.bytes"
        );
    }

    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        self.producer.send(message)?.await
    }

    fn refused(&self, error: DeliveryError) -> PublishError {
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
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

/// How much of a letter is published, each less than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Whole,
    WithoutValue,
    WithoutHeaders,
    WithoutKey,
}

impl Form {
    const ALL: [Form; 4] = [
        Self::Whole,
        Self::WithoutValue,
        Self::WithoutHeaders,
        Self::WithoutKey,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Whole => "goes there whole",
            Self::WithoutValue => "goes there without its value",
            Self::WithoutHeaders => "goes there without its value and its headers",
            Self::WithoutKey => "goes there without its value, its headers and its key",
        }
    }

    fn message(self, letter: &DeadLetter, settings: &KafkaSettings) -> Message {
        let key = letter.key.as_ref().filter(|_| self < Self::WithoutKey);
        let value = letter.value.as_ref().filter(|_| self < Self::WithoutValue);
        Message {
            topic: settings.dlt_topic.clone(),
            partition: None,
            key: key.cloned(),
            value: value.cloned(),
            headers: self.headers(letter, settings),
        }
    }

    /// The letter's own, ours, and what was left out.
    fn headers(self, letter: &DeadLetter, settings: &KafkaSettings) -> Headers {
        let own = letter.headers.iter().filter(|_| self < Self::WithoutHeaders);
        let mut headers: Headers = own.cloned().collect();
        headers.extend(origin_headers(letter, settings));
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let is_cut = letter.value_bytes > length(&letter.value);
        for (told, name, bytes) in [
            (is_cut && self == Self::Whole, WHOLE_BYTES, letter.value_bytes),
            (self >= Self::WithoutValue, OMITTED_BYTES, letter.value_bytes),
            (
                self >= Self::WithoutHeaders,
                OMITTED_HEADER_BYTES,
                header_bytes(letter) as u64,
            ),
            (self >= Self::WithoutKey, OMITTED_KEY_BYTES, length(&letter.key)),
        ] {
            if told {
                headers.push((name.to_owned(), Some(bytes.to_string().into_bytes())));
            }
        }
        headers
    }
}

fn header_bytes(letter: &DeadLetter) -> usize {
    let headers = letter.headers.iter();
    headers
        .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len))
        .sum()
}

fn origin_headers(letter: &DeadLetter, settings: &KafkaSettings) -> Headers {
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
        ("kafka_dlt-original-consumer-group", settings.group_id.as_bytes()),
        (
            "kafka_dlt-exception-fqcn",
            b"com.groom.ecommerce.saga.tracker.DeadLetter",
        ),
        ("kafka_dlt-exception-message", letter.detail.as_bytes()),
        ("saga-tracker-reason", letter.reason.as_bytes()),
    ];
    ours.map(|(name, value)| (name.to_owned(), Some(value.to_vec())))
        .to_vec()
}

/// Returns when shutdown was asked for long enough ago.
async fn enough(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, Position};

    #[test]
    fn what_is_too_large_gets_smaller_with_each_form_and_says_what_was_left_out() {
        let letter = DeadLetter {
            position: Position::new(1, 7),
            topic: "t".to_owned(),
            reason: "tombstone".to_owned(),
            detail: "no value".to_owned(),
            arrived_at: Millis(5),
            timestamp: None,
            key: Some(vec![b'k'; 300]),
            value: Some(vec![b'v'; 200]),
            value_bytes: 200,
            headers: vec![
                ("big".to_owned(), Some(vec![b'h'; 400])),
                ("none".to_owned(), None),
            ],
        };
        let settings = KafkaSettings::default();
        let told = |form: Form| {
            let message = form.message(&letter, &settings);
            let of = |name: &str| {
                let (_, value) = message.headers.iter().find(|(key, _)| key == name)?;
                Some(String::from_utf8(value.clone()?).unwrap())
            };
            let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(Vec::len);
            (
                (
                    length(&message.key),
                    length(&message.value),
                    of("big").map(|text| text.len()),
                ),
                [OMITTED_BYTES, OMITTED_HEADER_BYTES, OMITTED_KEY_BYTES].map(of),
                of("saga-tracker-reason").unwrap(),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        let reason = "tombstone".to_owned();
        assert_eq!(
            Form::ALL.map(told),
            [
                (
                    (Some(300), Some(200), Some(400)),
                    [None, None, None],
                    reason.clone()
                ),
                (
                    (Some(300), None, Some(400)),
                    [some("200"), None, None],
                    reason.clone()
                ),
                (
                    (Some(300), None, None),
                    [some("200"), some("407"), None],
                    reason.clone()
                ),
                (
                    (None, None, None),
                    [some("200"), some("407"), some("300")],
                    reason
                ),
            ]
        );
    }
    #[test]
    fn of_a_value_that_is_not_kept_whole_the_length_is_told() {
        let letter = DeadLetter {
            position: Position::new(1, 7),
            topic: "t".to_owned(),
            reason: "too_large".to_owned(),
            detail: String::new(),
            arrived_at: Millis(5),
            timestamp: None,
            key: None,
            value: Some(vec![b'v'; 200]),
            value_bytes: 9_000,
            headers: Vec::new(),
        };
        let told = |form: Form| {
            let headers = form.headers(&letter, &KafkaSettings::default());
            let ours = [WHOLE_BYTES, OMITTED_BYTES];
            let ours = headers
                .into_iter()
                .filter(|(name, _)| ours.contains(&name.as_str()));
            ours.map(|(name, value)| (name, String::from_utf8(value.unwrap()).unwrap()))
                .collect::<Vec<_>>()
        };
        let length = |name: &str| vec![(name.to_owned(), "9000".to_owned())];
        assert_eq!(told(Form::Whole), length(WHOLE_BYTES));
        assert_eq!(told(Form::WithoutValue), length(OMITTED_BYTES));
    }
}
