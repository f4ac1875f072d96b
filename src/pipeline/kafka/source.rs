//! Where records come from: Kafka, or a list in a test.

use super::client::{StartError, unsigned};
use crate::domain::{Cut, Millis, Position};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A record as it came, borrowed from the client's buffers.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    /// Where it stands.
    pub position: Position,
    /// Kafka's timestamp.
    pub timestamp: Option<Millis>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; a tombstone has none.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: RawHeaders<'a>,
}

impl<'a> RawRecord<'a> {
    pub(super) fn of(message: &'a BorrowedMessage<'a>) -> Self {
        Self {
            position: Position::new(unsigned(message.partition()), message.offset().unsigned_abs()),
            timestamp: message.timestamp().to_millis().map(Millis),
            key: message.key(),
            value: message.payload(),
            headers: RawHeaders::Kafka(message),
        }
    }
}

/// A record that is kept after the client's buffers are gone.
#[derive(Clone, Debug)]
pub(crate) struct OwnedRecord {
    pub(crate) position: Position,
    pub(crate) timestamp: Option<Millis>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Whether the broker set the timestamp.
    pub(crate) by_broker: bool,
}

impl From<RawRecord<'_>> for OwnedRecord {
    fn from(record: RawRecord<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers = record.headers.to_vec().into_iter();
        Self {
            position: record.position,
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: headers
                .map(|(name, value)| (name.to_owned(), owned(value)))
                .collect(),
            by_broker: record.headers.are_of_append_time(),
        }
    }
}

impl OwnedRecord {
    pub(crate) fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers
    }

    pub(crate) fn raw(&self) -> RawRecord<'_> {
        RawRecord {
            position: self.position,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: RawHeaders::List(&self.headers),
        }
    }
}

/// A record's headers, read only when someone asks.
#[derive(Clone, Copy)]
pub enum RawHeaders<'a> {
    /// From Kafka.
    Kafka(&'a BorrowedMessage<'a>),
    /// From a list.
    List(&'a [(String, Option<Vec<u8>>)]),
}

impl<'a> RawHeaders<'a> {
    /// The last value of each of these headers as text, if all of them are there. Costs nearly
    /// nothing for a record without headers.
    pub fn texts<const N: usize>(self, names: [&str; N]) -> Option<[&'a str; N]> {
        let mut found: [Option<&'a [u8]>; N] = [None; N];
        let mut look = |name: &str, value: Option<&'a [u8]>| {
            if let Some(place) = names.iter().position(|wanted| *wanted == name) {
                found[place] = value;
            }
        };
        match self {
            Self::Kafka(message) => {
                let headers = message.headers()?;
                headers.iter().for_each(|header| look(header.key, header.value));
            }
            Self::List(list) => list.iter().for_each(|(name, value)| look(name, value.as_deref())),
        }
        let mut texts = [""; N];
        for (text, value) in texts.iter_mut().zip(found) {
            *text = std::str::from_utf8(value?).ok()?;
        }
        Some(texts)
    }

    /// Whether the broker set the record's timestamp, when it appended it.
    pub fn are_of_append_time(self) -> bool {
        match self {
            Self::Kafka(message) => matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
            Self::List(_) => false,
        }
    }

    /// Visits the headers in order.
    pub fn each(self, mut visit: impl FnMut(&'a str, Option<&'a [u8]>)) {
        match self {
            Self::Kafka(message) => {
                if let Some(headers) = message.headers() {
                    headers.iter().for_each(|header| visit(header.key, header.value));
                }
            }
            Self::List(list) => list
                .iter()
                .for_each(|(name, value)| visit(name, value.as_deref())),
        }
    }

    /// The headers in order.
    pub fn to_vec(self) -> Vec<(&'a str, Option<&'a [u8]>)> {
        let mut all = Vec::new();
        self.each(|name, value| all.push((name, value)));
        all
    }
}

/// What to do after a record was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; go on.
    Next,
    /// The batch is full; return.
    Enough,
}

/// Why a source has nothing more to give, whatever happens; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A client did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The partitions cannot be read from there.
    #[error("librdkafka refuses the assignment: {0}")]
    Assignment(KafkaError),
    /// The client met an error that it does not recover from.
    #[error("librdkafka gave up: {0}; restart the tracker")]
    GaveUp(KafkaError),
    /// Nobody asks about the topic any more.
    #[error("the thread that watches the topic ended; its message is in the log; restart the tracker")]
    WatchEnded,
}

/// Gives records in the order of each partition's offsets.
pub trait Source: Send {
    /// Hands over the records that are there, each to `take`, until it says enough, `timeout` has
    /// passed since the first record, or none came within `idle`.
    ///
    /// # Errors
    /// [`SourceError`].
    fn poll(
        &mut self,
        idle: Duration,
        timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError>;

    /// What was last seen of the cluster.
    fn observed(&self) -> Observed;

    /// A way to ask the broker, also in the middle of a poll.
    fn broker(&self) -> Arc<dyn Broker>;

    /// Tells lag tools how far the store has come. Best effort, and not each time.
    fn report(&mut self, stored: &Cut);

    /// The same a last time, and waits for the answer.
    fn report_finally(&mut self, stored: &Cut);
}

/// Answers questions about the topic.
pub trait Broker: Send + Sync {
    /// The end of a partition, if the broker answers.
    fn ask_end(&self, partition: u32) -> Option<u64>;

    /// The first offset of a partition that is still there, if the broker answers.
    fn ask_low(&self, partition: u32) -> Option<u64>;

    /// What is seen of the cluster now, also in the middle of a poll, by those who look in between.
    fn observed(&self) -> Option<Observed> {
        None
    }
}

/// What a source last saw of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Whether a broker answers.
    pub reachable: bool,
    /// Why the topic cannot be consumed yet, and what to do.
    pub waiting: Option<String>,
    /// What keeps records from being read although the broker gives them.
    pub held_up: Option<String>,
    /// How many partitions the topic has; 0 before that is known.
    pub partitions: u32,
    /// End offsets, as far as known: where the first record will stand, or the first open transaction.
    pub ends: Cut,
    /// Every record before it that there is has been handed over.
    pub looked: Cut,
    /// The first offset that the broker still holds, by partition, of those that answered the last time.
    pub lows: BTreeMap<u32, u64>,
    /// The same as it was when a partition was seen first: no record before it is ever handed over.
    pub begins: BTreeMap<u32, u64>,
    /// Whether the topic is compacted, as far as the broker said.
    pub compacted: Option<bool>,
    /// By partition, behind the last batch that was passed over because it cannot be unpacked.
    pub unreadable: BTreeMap<u32, u64>,
    /// How often the broker has been asked, a question on its way included.
    pub asked: u64,
    /// Which of these questions was last answered: what is seen is at least as new as that question.
    pub answered: u64,
}

impl Observed {
    /// The ends as a reader sees them who is at `next`: an end that was looked up to is reached, though
    /// markers of transactions, which nobody gets, lie before it.
    pub fn ends_for(&self, next: &Cut) -> Cut {
        self.ends
            .iter()
            .map(|(partition, end)| {
                let looked = self.looked.next(partition) >= end;
                let seen = if looked {
                    next.next(partition).min(end)
                } else {
                    end
                };
                (partition, seen)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_looked_up_to_is_reached() {
        let cut = |edges: &[u64]| (0u32..).zip(edges.iter().copied()).collect::<Cut>();
        let observed = Observed {
            ends: cut(&[10, 10, 10, 0]),
            looked: cut(&[10, 9, 12]),
            ..Observed::default()
        };
        // Markers at 9; a record at 9 that is still to come; more than the end known; nothing at all.
        assert_eq!(observed.ends_for(&cut(&[9, 9, 10, 0])), cut(&[9, 10, 10, 0]));
        // A topic of markers only.
        assert_eq!(observed.ends_for(&Cut::default()), cut(&[0, 10, 0, 0]));
    }
}
