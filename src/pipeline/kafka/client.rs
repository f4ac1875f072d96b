//! What our Kafka clients have in common: how one is made, what it asks of a topic, why that fails, and Kafka's
//! numbers as ours.

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait for an answer while a running tracker waits for it.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for commands and jobs, which have time.
pub(super) const JOB_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// By partition the first offset that the broker still holds, and the end.
pub type TopicBounds = BTreeMap<u32, (u64, u64)>;

/// Why a client did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A property, or a combination of them, is wrong.
    #[error("librdkafka refuses the configuration: {0}; see kafka.properties")]
    Config(KafkaError),
    /// The machine gives no thread.
    #[error("cannot start the thread {name}: {error}")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// Why not.
        error: std::io::Error,
    },
}

/// Why a question about a topic has no answer.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// There is no client to ask with.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No broker can be reached.
    #[error("no broker answers: {0}; check kafka.bootstrap_servers")]
    NoAnswer(KafkaError),
    /// A broker answers that there is no such topic.
    #[error("topic {0} does not exist; check the names of the topics under kafka")]
    NoTopic(String),
    /// The question about one partition failed.
    #[error("partition {partition} of {topic}: {error}")]
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What librdkafka says.
        error: KafkaError,
    },
    /// The partitions cannot be read from there.
    #[error("librdkafka refuses the assignment: {0}")]
    Assignment(KafkaError),
}

impl TopicError {
    /// Makes the error of a partition out of librdkafka's.
    pub(super) fn of(topic: &str, partition: u32) -> impl Fn(KafkaError) -> Self {
        move |error| Self::Partition {
            topic: topic.to_owned(),
            partition,
            error,
        }
    }
}

pub(super) fn consumer<C: ConsumerContext>(
    config: &ClientConfig,
    context: C,
) -> Result<BaseConsumer<C>, StartError> {
    config.create_with_context(context).map_err(StartError::Config)
}

pub(super) fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(work)
        .map_err(|error| StartError::Thread { name, error })
}

/// How many partitions the topic has: at least one.
pub(super) fn partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> Result<u32, TopicError> {
    let metadata = consumer
        .fetch_metadata(Some(topic), timeout)
        .map_err(TopicError::NoAnswer)?;
    let found = metadata.topics().first().filter(|found| found.error().is_none());
    match found.map_or(0, |found| found.partitions().len()) {
        0 => Err(TopicError::NoTopic(topic.to_owned())),
        count => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
    }
}

/// The first offset of the partition that is there, and where what is committed ends: behind the last record, or
/// where the first open transaction begins.
pub(super) fn partition_bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: u32,
    timeout: Duration,
) -> Result<(u64, u64), TopicError> {
    let (low, end) = consumer
        .fetch_watermarks(topic, signed(partition), timeout)
        .map_err(TopicError::of(topic, partition))?;
    Ok((u64::try_from(low).unwrap_or(0), u64::try_from(end).unwrap_or(0)))
}

/// The bounds of every partition.
pub(super) fn bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> Result<TopicBounds, TopicError> {
    (0..partitions(consumer, topic, timeout)?)
        .map(|partition| {
            let bounds = partition_bounds(consumer, topic, partition, timeout)?;
            Ok((partition, bounds))
        })
        .collect()
}

/// Partitions of a topic, each with an offset.
pub(super) fn list(
    topic: &str,
    offsets: impl IntoIterator<Item = (u32, Offset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, signed(partition), offset)?;
    }
    Ok(list)
}

pub(super) fn at(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}

pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

pub(super) fn unsigned(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or(0)
}
