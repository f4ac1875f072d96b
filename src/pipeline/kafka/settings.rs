//! How Kafka is reached, which topics are the tracker's, and how records are taken.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where records come from, and how they are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// Brokers to ask first, `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Group id that the stored offsets are reported under.
    pub group_id: String,
    /// The tracker topic.
    pub topic: String,
    /// The dead-letter topic.
    pub dlt_topic: String,
    /// The topic of decisions: holds, discards, purges.
    pub ops_topic: String,
    /// Whether to create the ops topic when it is missing.
    pub create_ops_topic: bool,
    /// Whether dead letters are published to the dead-letter topic. Of several replicas one should.
    pub publish_dead_letters: bool,
    /// Whether letters that others wrote onto the dead-letter topic are taken in.
    pub consume_dead_letters: bool,
    /// Most records in one write.
    pub max_poll_records: usize,
    /// Longest wait for a write to fill, milliseconds.
    pub max_wait_ms: u64,
    /// Consumption waits while less is free on the disk under the store, bytes.
    pub min_free_bytes: u64,
    /// librdkafka properties, passed through.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".to_owned(),
            group_id: "saga-tracker-service".to_owned(),
            topic: "c4ang.saga.tracker".to_owned(),
            dlt_topic: "c4ang.saga.tracker.dlt".to_owned(),
            ops_topic: "c4ang.saga.tracker.ops".to_owned(),
            create_ops_topic: true,
            publish_dead_letters: true,
            consume_dead_letters: false,
            max_poll_records: 5_000,
            max_wait_ms: 10,
            min_free_bytes: 512 << 20,
            properties: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// The client configuration that every connection to Kafka starts from.
    pub(super) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "saga-tracker")
            // Whoever asks a broker that just came back may be told of no brokers at all, and then knows none to
            // ask again: librdkafka turns to the bootstrap servers after five minutes unless told otherwise. Not sooner
            // than a busy broker may take to answer: each time, questions under way are given up.
            .set("metadata.recovery.rebootstrap.trigger.ms", "15000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// The same for those that consume, with our defaults where no property says otherwise.
    pub fn consumer_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        for (name, value) in CONSUMER_DEFAULTS {
            if !self.properties.contains_key(name) {
                config.set(name, value);
            }
        }
        config
            .set("group.id", &self.group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false")
            // They would overtake records, and pile up while consumption waits: `watch` asks instead.
            .set("statistics.interval.ms", "0");
        config
    }

    /// The same for the one that looks at a topic beside its consumer: it fetches one record at most.
    pub(super) fn watch_config(&self) -> ClientConfig {
        let mut config = self.consumer_config();
        config
            .set("enable.partition.eof", "true")
            .set("queued.min.messages", "1")
            .set("queued.max.messages.kbytes", "64")
            .set("fetch.message.max.bytes", "16384")
            .set("fetch.wait.max.ms", "50");
        config
    }

    /// The same for those that publish: every message is acknowledged by all replicas, in order, or fails after so
    /// long.
    pub(super) fn producer_config(&self, timeout: Duration) -> ClientConfig {
        let mut config = self.client_config();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", timeout.as_millis().to_string())
            // A letter may be as long as anything that the tracker topic let in.
            .set("message.max.bytes", "104857600");
        config
    }

    /// The first property that librdkafka refuses, and why.
    pub fn refused_property(&self) -> Option<(String, String)> {
        match self.client_config().create_native_config() {
            Err(KafkaError::ClientConfig(_, why, name, _)) => Some((name, why)),
            _ => None,
        }
    }
}

const CONSUMER_DEFAULTS: [(&str, &str); 8] = [
    // A record that was damaged on its way is fetched again; the sum costs a processor nothing that can be
    // measured (a few nanoseconds for each record).
    ("check.crcs", "true"),
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.message.max.bytes", "1048576"),
    // When the queue is full, librdkafka looks again only after this long; its default of a second
    // starves a consumer that empties the queue in less.
    ("fetch.queue.backoff.ms", "5"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "3000"),
    ("socket.timeout.ms", "20000"),
    ("fetch.wait.max.ms", "500"),
];
