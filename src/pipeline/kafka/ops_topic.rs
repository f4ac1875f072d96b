//! The ops topic: one partition, kept without limit, never compacted.

use super::settings::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
const REPLICAS: usize = 3;

/// Creates the topic. Several replicas may do so at once; whoever may not says so once per attempt.
pub fn create_ops_topic(settings: &KafkaSettings, name: &str) {
    match try_create(settings, name) {
        Ok(()) => tracing::info!(topic = name, "ops topic created"),
        Err(why) => tracing::warn!(
            topic = name,
            why,
            "the ops topic is missing and cannot be created; holds, discards and purges wait for it. Create it: 1 \
             partition, retention.ms=-1, cleanup.policy=delete, message.timestamp.type=LogAppendTime"
        ),
    }
}

fn try_create(settings: &KafkaSettings, name: &str) -> Result<(), String> {
    let client: AdminClient<DefaultClientContext> = settings
        .client_config()
        .create()
        .map_err(|error| error.to_string())?;
    let metadata = client
        .inner()
        .fetch_metadata(None, TIMEOUT)
        .map_err(|error| error.to_string())?;
    let replicas = metadata.brokers().len().clamp(1, REPLICAS);
    let replicas = i32::try_from(replicas).unwrap_or(1);
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(replicas))
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("cleanup.policy", "delete")
        // When a decision was made is for the broker to say, not for the clock of whoever makes it.
        .set("message.timestamp.type", "LogAppendTime");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let results = runtime
        .block_on(client.create_topics([&topic], &options))
        .map_err(|error| error.to_string())?;
    match results.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        // Another replica was faster.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(code.to_string()),
        None => Err("no answer".to_owned()),
    }
}
