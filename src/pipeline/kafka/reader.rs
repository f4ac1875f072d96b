//! A topic that is read again beside whoever consumes it: from offsets that the reader names, as far as it likes.
//! What becomes of the records is not known here.

use super::client::{self, JOB_ANSWER_TIMEOUT, TopicError};
use super::settings::KafkaSettings;
use super::source::{OwnedRecord, RawRecord};
use crate::domain::Millis;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use std::time::Duration;

/// What one look gave.
pub(crate) enum Given {
    /// A record.
    Record(OwnedRecord),
    /// The broker says that there is no more in this partition; markers of transactions, which nobody gets,
    /// may have been the last.
    End(u32),
    /// Nothing, or a fault of which the client says that it passes.
    Nothing,
}

/// Reads the tracker topic again.
pub(crate) struct TopicReader {
    consumer: BaseConsumer,
    topic: String,
}

impl TopicReader {
    /// A reader that appears to brokers under the tracker's group and this name. Does not wait for a broker.
    pub(crate) fn open(settings: &KafkaSettings, name: &str) -> Result<Self, TopicError> {
        let mut config = settings.consumer_config();
        config
            .set("group.id", format!("{}-{name}", settings.group_id))
            // Says where a partition ends, so that silence means something else.
            .set("enable.partition.eof", "true");
        Ok(Self {
            consumer: client::consumer(&config, DefaultConsumerContext)?,
            topic: settings.topic.clone(),
        })
    }

    /// The first offset of the partition that is still there, and the end.
    pub(crate) fn bounds(&self, partition: u32) -> Result<(u64, u64), TopicError> {
        client::partition_bounds(&self.consumer, &self.topic, partition, JOB_ANSWER_TIMEOUT)
    }

    /// The first offset of a record of that time or later, if there is one.
    pub(crate) fn offset_at(&self, partition: u32, time: Millis) -> Result<Option<u64>, TopicError> {
        let asked = client::list(&self.topic, [(partition, Offset::Offset(time.0))]);
        let found = asked.and_then(|asked| self.consumer.offsets_for_times(asked, JOB_ANSWER_TIMEOUT));
        let found = found.map_err(TopicError::of(&self.topic, partition))?;
        Ok(match found.elements().first().map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => Some(offset.unsigned_abs()),
            _ => None,
        })
    }

    /// Begins to read each of these partitions from its offset on.
    pub(crate) fn start(&self, from: impl IntoIterator<Item = (u32, u64)>) -> Result<(), TopicError> {
        let from = from
            .into_iter()
            .map(|(partition, next)| (partition, client::at(next)));
        client::list(&self.topic, from)
            .and_then(|list| self.consumer.assign(&list))
            .map_err(TopicError::Assignment)
    }

    /// Looks once, for so long at most.
    pub(crate) fn look(&self, timeout: Duration) -> Given {
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => Given::Record(RawRecord::of(&message).into()),
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
}
