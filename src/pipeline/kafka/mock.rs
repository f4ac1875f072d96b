//! A Kafka broker inside this process: librdkafka's mock cluster. It speaks the real protocol over
//! loopback and needs nothing installed, but forgets what goes beyond 100,000 messages or 5 MiB per
//! partition, and everything when it is dropped: for demos, not a stand-in for Kafka in tests.

use super::shape::TRACKER_TOPIC;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum MockBrokerError {
    /// librdkafka did not start it.
    #[error("the embedded broker did not start: {0}")]
    Start(#[source] KafkaError),
    /// librdkafka was built without it.
    #[error("the embedded broker did not start: this librdkafka has no mock cluster")]
    Unavailable,
    /// A topic was not created.
    #[error("the embedded broker refused to create the topic {topic:?}: {source}")]
    Topic {
        /// Which topic.
        topic: String,
        /// librdkafka's reason.
        source: KafkaError,
    },
}

/// A running embedded broker. Dropping it ends it.
pub struct MockBroker {
    // Owns the cluster: a client that is told to bring its own broker.
    _owner: BaseProducer,
    bootstrap_servers: String,
}

impl MockBroker {
    /// Starts a broker on a free loopback port, with these topics.
    ///
    /// # Errors
    /// When librdkafka does not start it or refuses a topic.
    pub fn start(topics: &[&str]) -> Result<Self, MockBrokerError> {
        let owner: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            // It warns that it ignores the bootstrap servers, which nobody set.
            .set_log_level(RDKafkaLogLevel::Error)
            .create()
            .map_err(MockBrokerError::Start)?;
        let bootstrap_servers = {
            let cluster = owner
                .client()
                .mock_cluster()
                .ok_or(MockBrokerError::Unavailable)?;
            for &topic in topics {
                cluster
                    .create_topic(topic, i32::from(TRACKER_TOPIC.partitions), 1)
                    .map_err(|source| MockBrokerError::Topic {
                        topic: topic.to_owned(),
                        source,
                    })?;
            }
            cluster.bootstrap_servers()
        };
        Ok(Self {
            _owner: owner,
            bootstrap_servers,
        })
    }

    /// Where it listens: `host:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}
