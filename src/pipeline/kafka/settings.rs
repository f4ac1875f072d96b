//! How Kafka is reached, which topics are the tracker's, and how records are taken.

use super::properties::Properties;
use crate::settings::settings;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// Where records come from, and how they are taken.
    #[derive(Debug)]
    pub struct KafkaSettings of [kafka] {
        /// Brokers to start from: host:port, comma separated.
        #[option(Text, env = ["KAFKA_BOOTSTRAP_SERVERS"], flag = "bootstrap-servers")]
        pub bootstrap_servers: String = "localhost:9092".to_owned(),
        /// Group under which offsets are committed, for lag tools. Consumption resumes from the store, not from
        /// these.
        #[option(Text, env = ["KAFKA_CONSUMER_GROUP_ID"], flag = "group-id")]
        pub group_id: String = "saga-tracker-service".to_owned(),
        /// Topic of the tracker events.
        #[option(Topic, env = ["KAFKA_TOPIC_SAGA_TRACKER"], flag = "topic")]
        pub topic: String = "c4ang.saga.tracker".to_owned(),
        /// Topic to which records that cannot be applied are published.
        #[option(Topic, env = ["KAFKA_TOPIC_SAGA_TRACKER_DLT"], flag = "dlt-topic")]
        pub dlt_topic: String = "c4ang.saga.tracker.dlt".to_owned(),
        /// Topic of operators' decisions: holds, discards, purges. One partition, kept without limit.
        #[option(Topic, env = ["KAFKA_TOPIC_SAGA_TRACKER_OPS"], flag = "ops-topic")]
        pub ops_topic: String = "c4ang.saga.tracker.ops".to_owned(),
        /// Whether to create the ops topic when it is missing. Otherwise it is waited for.
        #[option(Switch)]
        pub create_ops_topic: bool = true,
        /// Records in one batch, at most.
        #[option(Integer(1, 1_000_000), env = ["KAFKA_MAX_POLL_RECORDS"])]
        pub max_poll_records: usize = 5_000,
        /// How long a batch waits to fill up, at most, milliseconds: two while few records come, the more the longer writes
        /// take.
        #[option(Integer(0, 60_000))]
        pub max_wait_ms: u64 = 10,
        /// Whether to publish dead letters to the dead-letter topic. Of several replicas only one needs to.
        #[option(Switch)]
        pub publish_dead_letters: bool = true,
        /// Whether to take in dead letters that other services wrote onto the dead-letter topic. Replicas that differ in
        /// this have different digests.
        #[option(Switch)]
        pub consume_dead_letters: bool = false,
        /// Any librdkafka property, such as "security.protocol" = "SASL_SSL". In the environment
        /// SAGA_TRACKER_KAFKA__PROPERTIES__SECURITY_PROTOCOL, or several in SAGA_TRACKER_KAFKA_PROPERTIES as
        /// a=b,c=d. Properties that would break the tracker's promises are refused by name.
        #[option(Map, env = ["SAGA_TRACKER_KAFKA_PROPERTIES"], flag = "kafka-property")]
        pub properties: Properties = Properties::default(),
        /// Files that hold values of librdkafka properties, such as "sasl.password" = "/run/secrets/kafka".
        #[option(Map)]
        pub properties_files: BTreeMap<String, PathBuf> = BTreeMap::new(),
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
        for (name, value) in &self.properties.0 {
            config.set(name, value);
        }
        config
    }

    /// The same for those that consume, with our defaults where no property says otherwise.
    pub fn consumer_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        for (name, value) in CONSUMER_DEFAULTS {
            if !self.properties.0.contains_key(name) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_damaged_on_its_way_is_noticed_unless_a_property_says_otherwise() {
        let settings = KafkaSettings::default();
        for config in [settings.consumer_config(), settings.watch_config()] {
            assert_eq!(config.get("check.crcs"), Some("true"));
        }
        let settings = KafkaSettings {
            properties: [("check.crcs".to_owned(), "false".to_owned())].into(),
            ..KafkaSettings::default()
        };
        assert_eq!(settings.consumer_config().get("check.crcs"), Some("false"));
    }
}
