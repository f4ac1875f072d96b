//! What is left to read again of a topic, and where it comes from. What becomes of a record is
//! [`super::topic_replay`]'s.

use super::topic_replay::{OwnedRecord, ReplayError};
use crate::domain::{Millis, Position};
use crate::pipeline::kafka::KafkaSettings;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one look waits.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// After so many looks in a row at which nothing came, the broker does not answer: 15 seconds.
pub(super) const SILENT: u32 = 75;

/// What one look gave.
pub(super) enum Given {
    /// A record.
    Record(OwnedRecord),
    /// The broker says that there is no more in this partition; markers of transactions, which nobody gets,
    /// may have been the last.
    End(u32),
    /// Nothing, or a fault of which the client says that it passes.
    Nothing,
}

/// What is left of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The next offset.
    pub(super) next: u64,
    /// The first offset that is not to be read again.
    pub(super) end: u64,
}

/// What is left to read, by partition.
#[derive(Debug, Default)]
pub(super) struct Remaining {
    shares: BTreeMap<u32, Share>,
    silent: u32,
}

impl Remaining {
    pub(super) fn add(&mut self, partition: u32, share: Share) {
        self.shares.insert(partition, share);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Notes what came; the record, if it is one that is to be read again.
    pub(super) fn take(&mut self, given: Given) -> Option<OwnedRecord> {
        match given {
            Given::Record(record) => self.take_record(record),
            Given::End(partition) => {
                self.silent = 0;
                self.shares.remove(&partition);
                None
            }
            Given::Nothing => {
                self.silent += 1;
                None
            }
        }
    }

    fn take_record(&mut self, record: OwnedRecord) -> Option<OwnedRecord> {
        self.silent = 0;
        let Position { partition, offset } = record.position;
        let share = self.shares.get_mut(&partition)?;
        share.next = offset + 1;
        let end = share.end;
        if offset + 1 >= end {
            self.shares.remove(&partition);
        }
        (offset < end).then_some(record)
    }

    /// What was not reached, when nothing came for too long.
    pub(super) fn gives_up(&self) -> Option<String> {
        if self.silent < SILENT {
            return None;
        }
        let shares = self.shares.iter().map(|(partition, share)| {
            format!(
                "partition {partition} from offset {} up to {}",
                share.next,
                share.end - 1
            )
        });
        Some(shares.collect::<Vec<_>>().join(", "))
    }

    /// The topic's partitions and where to start in each.
    pub(super) fn assignment(&self, topic: &str) -> Result<TopicPartitionList, ReplayError> {
        let mut list = TopicPartitionList::new();
        for (partition, share) in &self.shares {
            let from = Offset::Offset(i64::try_from(share.next).unwrap_or(i64::MAX));
            list.add_partition_offset(topic, signed(*partition), from)
                .map_err(|error| ReplayError::Kafka(error.to_string()))?;
        }
        Ok(list)
    }
}

/// A consumer for reading again, beside the one that consumes.
pub(super) fn consumer(settings: &KafkaSettings) -> Result<BaseConsumer, ReplayError> {
    settings
        .consumer_config()
        .set("group.id", format!("{}-replay", settings.group_id))
        // Says where a partition ends, so that silence means something else.
        .set("enable.partition.eof", "true")
        .set("statistics.interval.ms", "0")
        .create()
        .map_err(|error| ReplayError::Kafka(format!("librdkafka refuses the configuration: {error}")))
}

/// Looks once.
pub(super) fn look(consumer: &BaseConsumer) -> Given {
    match consumer.poll(POLL) {
        Some(Ok(message)) => Given::Record(owned(&message)),
        Some(Err(KafkaError::PartitionEOF(partition))) => {
            u32::try_from(partition).map_or(Given::Nothing, Given::End)
        }
        Some(Err(error)) => {
            tracing::warn!(%error, "replay");
            Given::Nothing
        }
        None => Given::Nothing,
    }
}

fn owned(message: &BorrowedMessage<'_>) -> OwnedRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    let partition = u32::try_from(message.partition()).unwrap_or(0);
    OwnedRecord {
        position: Position::new(partition, message.offset().unsigned_abs()),
        timestamp: message.timestamp().to_millis().map(Millis),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        by_broker: matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
    }
}

pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
