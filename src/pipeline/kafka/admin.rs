//! What needs an admin client: creating the ops topic, and reading a topic's settings.

use super::client::ANSWER_TIMEOUT;
use super::settings::KafkaSettings;
use super::shape::{OPS_TOPIC, replicas};
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::time::Duration;

type Client = AdminClient<DefaultClientContext>;

/// Creates the ops topic: one partition, kept without limit, never compacted. Several replicas may do so at once;
/// one that is not allowed to says so once per attempt.
pub fn create_ops_topic(settings: &KafkaSettings, name: &str) {
    match try_create(settings, name) {
        Ok(()) => tracing::info!(topic = name, "ops topic created"),
        Err(why) => tracing::warn!(
            topic = name,
            why,
            shape = %OPS_TOPIC,
            "the ops topic is missing and cannot be created; holds, discards and purges wait for it. Create it in \
             that shape"
        ),
    }
}

fn try_create(settings: &KafkaSettings, name: &str) -> Result<(), String> {
    let results = ask(settings, async |client| {
        let metadata = client.inner().fetch_metadata(None, ANSWER_TIMEOUT)?;
        let replicas = i32::try_from(replicas(metadata.brokers().len())).unwrap_or(1);
        let partitions = i32::from(OPS_TOPIC.partitions);
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        let settings = OPS_TOPIC.settings.iter();
        let topic = settings.fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_TIMEOUT));
        client.create_topics([&topic], &options).await
    })?;
    match results.into_iter().next() {
        // Perhaps another replica was faster.
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(code.to_string()),
        None => Err("no answer".to_owned()),
    }
}

/// The settings of a topic by name; the error is in words.
pub(super) fn topic_settings(
    settings: &KafkaSettings,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, String> {
    let results = ask(settings, async |client| {
        let options = AdminOptions::new().request_timeout(Some(timeout));
        client
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
            .await
    })?;
    let described = results.into_iter().next().ok_or("no answer")?;
    let ConfigResource { entries, .. } = described.map_err(|code| code.to_string())?;
    Ok(entries
        .into_iter()
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect())
}

/// Asks with a client of its own, and waits for the answer.
fn ask<T>(
    settings: &KafkaSettings,
    question: impl AsyncFnOnce(&Client) -> KafkaResult<T>,
) -> Result<T, String> {
    let client: Client = settings
        .client_config()
        .create()
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(question(&client))
        .map_err(|error| error.to_string())
}
