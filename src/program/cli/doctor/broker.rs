//! The brokers: reachable, and what they say of the topics and the group.

use super::{Check, group, topic};
use crate::pipeline::kafka::KafkaSettings;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const BROKERS: &str = "kafka brokers";

/// Keeps what librdkafka complains of: the call that fails only says that it timed out.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

impl ClientContext for Complaints {
    fn error(&self, _error: KafkaError, reason: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reason.to_owned());
    }
}

impl ConsumerContext for Complaints {}

impl Complaints {
    fn first(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
            .cloned()
    }
}

/// All checks that need a broker.
pub(super) fn check(kafka: &KafkaSettings, timeout: Duration) -> Vec<Check> {
    let advice = format!(
        "check kafka.bootstrap_servers ({}), the network, and kafka.properties (security.protocol, sasl.*, ssl.*)",
        kafka.bootstrap_servers
    );
    let complaints = Complaints::default();
    let mut client = kafka.client_config();
    client.set("group.id", &kafka.group_id);
    let consumer = match BaseConsumer::from_config_and_context(&client, complaints.clone()) {
        Ok(consumer) => consumer,
        Err(error) => return vec![Check::fail(BROKERS, error.to_string(), advice)],
    };
    let metadata = match consumer.fetch_metadata(None, timeout) {
        Ok(metadata) => metadata,
        Err(error) => {
            // Complaints come in by polling.
            let _no_message = consumer.poll(Duration::from_millis(100));
            let why = complaints.first().unwrap_or_else(|| error.to_string());
            return vec![Check::fail(BROKERS, why, advice)];
        }
    };
    let mut checks = vec![brokers(&metadata)];
    let settings = topic::settings(kafka, &kafka.topic, timeout);
    checks.extend(topic::check(kafka, &metadata, &settings));
    checks.push(topic::check_ops(kafka, &metadata, timeout));
    checks.extend(group::check(kafka, &consumer, &metadata, timeout));
    checks
}

fn brokers(metadata: &Metadata) -> Check {
    let mut addresses: Vec<_> = metadata
        .brokers()
        .iter()
        .map(|broker| format!("{}:{}", broker.host(), broker.port()))
        .collect();
    addresses.sort();
    Check::ok(
        BROKERS,
        format!("{} reachable: {}", addresses.len(), addresses.join(", ")),
    )
}
