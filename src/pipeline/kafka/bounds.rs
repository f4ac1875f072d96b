//! What a topic holds, asked from outside of a running tracker.

use super::settings::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// By partition the first offset that the broker still holds, and the end.
pub type TopicBounds = BTreeMap<u32, (u64, u64)>;

/// Asks for what the tracker topic holds.
///
/// # Errors
/// In words, when no broker answers or there is no such topic.
pub fn topic_bounds(settings: &KafkaSettings) -> Result<TopicBounds, String> {
    let consumer: BaseConsumer = settings
        .client_config()
        .create()
        .map_err(|error| error.to_string())?;
    let topic = &settings.topic;
    let metadata = consumer
        .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
        .map_err(|error| format!("no broker answers ({error}); check kafka.bootstrap_servers"))?;
    let partitions = match metadata.topics().first() {
        Some(found) if found.error().is_none() && !found.partitions().is_empty() => found.partitions(),
        _ => return Err(format!("topic {topic} does not exist; check kafka.topic")),
    };
    partitions
        .iter()
        .map(|partition| {
            let (low, end) = consumer
                .fetch_watermarks(topic, partition.id(), ANSWER_TIMEOUT)
                .map_err(|error| format!("partition {} of {topic}: {error}", partition.id()))?;
            let number = u32::try_from(partition.id()).unwrap_or(0);
            Ok((number, (low.unsigned_abs(), end.unsigned_abs())))
        })
        .collect()
}
