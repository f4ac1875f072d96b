//! What a cluster says of itself when an operator asks: brokers, topics, the consumer group. Nothing is changed, and
//! whether it is as it should be is not judged here.

use super::admin;
use super::client::{self, signed, unsigned};
use super::settings::KafkaSettings;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// The brokers that are there, and the topics.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// `host:port` of each broker, sorted.
    pub(crate) brokers: Vec<String>,
    topics: Vec<TopicState>,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct TopicState {
    pub(crate) name: String,
    pub(crate) partitions: Vec<PartitionState>,
}

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) number: u32,
    pub(crate) has_leader: bool,
    pub(crate) replicas: usize,
    pub(crate) in_sync: usize,
}

impl Cluster {
    /// A topic that is there.
    pub(crate) fn topic(&self, name: &str) -> Option<&TopicState> {
        self.topics.iter().find(|topic| topic.name == name)
    }
}

impl TopicState {
    fn of(topic: &MetadataTopic) -> Self {
        let partitions = topic.partitions().iter();
        Self {
            name: topic.name().to_owned(),
            partitions: partitions
                .map(|partition| PartitionState {
                    number: unsigned(partition.id()),
                    has_leader: partition.leader() >= 0,
                    replicas: partition.replicas().len(),
                    in_sync: partition.isr().len(),
                })
                .collect(),
        }
    }
}

/// Keeps what librdkafka complains of first: the call that fails only says that it timed out.
#[derive(Default)]
struct FirstComplaint(OnceLock<String>);

impl ClientContext for FirstComplaint {
    fn error(&self, _error: KafkaError, reason: &str) {
        self.0.get_or_init(|| reason.to_owned());
    }
}

impl ConsumerContext for FirstComplaint {}

/// Asks a cluster. Every answer may be an error in the broker's or librdkafka's words.
pub(crate) struct Inspector<'a> {
    settings: &'a KafkaSettings,
    consumer: BaseConsumer<FirstComplaint>,
    timeout: Duration,
}

impl<'a> Inspector<'a> {
    /// Waits for each answer as long as `timeout` says. Does not wait for a broker.
    pub(crate) fn new(settings: &'a KafkaSettings, timeout: Duration) -> Result<Self, String> {
        let mut config = settings.client_config();
        config.set("group.id", &settings.group_id);
        let consumer =
            client::consumer(&config, FirstComplaint::default()).map_err(|error| error.to_string())?;
        Ok(Self {
            settings,
            consumer,
            timeout,
        })
    }

    pub(crate) fn cluster(&self) -> Result<Cluster, String> {
        let metadata = self
            .consumer
            .fetch_metadata(None, self.timeout)
            .map_err(|error| {
                // Complaints come in by polling.
                let _no_message = self.consumer.poll(Duration::from_millis(100));
                let complaint = self.consumer.context().0.get();
                complaint.cloned().unwrap_or_else(|| error.to_string())
            })?;
        let brokers = metadata.brokers().iter();
        let mut brokers: Vec<_> = brokers
            .map(|broker| format!("{}:{}", broker.host(), broker.port()))
            .collect();
        brokers.sort();
        // Brokers also answer about topics that they only heard of.
        let topics = metadata
            .topics()
            .iter()
            .filter(|topic| !topic.partitions().is_empty());
        Ok(Cluster {
            brokers,
            topics: topics.map(TopicState::of).collect(),
        })
    }

    /// The settings of a topic, by name.
    pub(crate) fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>, String> {
        admin::topic_settings(self.settings, topic, self.timeout)
    }

    /// Client id and address of each active member of the consumer group.
    pub(crate) fn members(&self) -> Result<Vec<String>, String> {
        let groups = self
            .consumer
            .fetch_group_list(Some(&self.settings.group_id), self.timeout)
            .map_err(|error| error.to_string())?;
        let members = groups.groups().iter().flat_map(|group| group.members());
        Ok(members
            .map(|member| format!("{}{}", member.client_id(), member.client_host()))
            .collect())
    }

    /// What the group has committed, by partition.
    pub(crate) fn committed(&self, topic: &TopicState) -> Result<Vec<(u32, Option<i64>)>, String> {
        let mut asked = TopicPartitionList::new();
        for partition in &topic.partitions {
            asked.add_partition(&topic.name, signed(partition.number));
        }
        let committed = self
            .consumer
            .committed_offsets(asked, self.timeout)
            .map_err(|error| error.to_string())?;
        let elements = committed.elements();
        Ok(elements
            .iter()
            .map(|element| {
                let offset = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                (unsigned(element.partition()), offset)
            })
            .collect())
    }
}
