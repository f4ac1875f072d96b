//! Settings of the client, as they stand in a service's own configuration.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::contract::TOPIC;

/// When a report counts as done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// When all in-sync replicas have it.
    #[default]
    Awaited,
    /// When the producer has queued it. A failed delivery is logged and counted, not returned.
    Background,
}

/// Settings of the client. Off unless enabled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SagaTrackerSettings {
    /// Whether to publish at all.
    pub enabled: bool,
    /// Kafka brokers to start from.
    pub bootstrap_servers: String,
    /// Topic to publish to.
    pub topic: String,
    /// Name of the service that reports; goes into the metadata.
    pub producer_service: String,
    /// When a report counts as done.
    pub delivery: Delivery,
    /// Longest wait for room in the producer's queue.
    pub queue_timeout_ms: u64,
    /// Schema id in front of every record when there is no registry.
    pub schema_id: u32,
    /// Registry that gives the schema its id.
    #[cfg(feature = "registry")]
    pub schema_registry: Option<crate::encoding::RegistrySettings>,
    /// librdkafka properties (`sasl.mechanism`, `ssl.ca.location`, `linger.ms`, …).
    pub properties: BTreeMap<String, String>,
}

impl Default for SagaTrackerSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            bootstrap_servers: "localhost:9092".to_owned(),
            topic: TOPIC.to_owned(),
            producer_service: String::new(),
            delivery: Delivery::default(),
            queue_timeout_ms: 5_000,
            schema_id: 1,
            #[cfg(feature = "registry")]
            schema_registry: None,
            properties: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_have_defaults_and_the_client_is_off() {
        let settings: SagaTrackerSettings =
            serde_json::from_str(r#"{"producer_service": "order-service", "delivery": "background"}"#)
                .unwrap();
        let expected = SagaTrackerSettings {
            producer_service: "order-service".to_owned(),
            delivery: Delivery::Background,
            ..SagaTrackerSettings::default()
        };
        assert_eq!(settings, expected);
        assert!(!settings.enabled, "enabled by default");
        assert_eq!(settings.topic, "c4ang.saga.tracker");
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused_by_name() {
        let error = serde_json::from_str::<SagaTrackerSettings>(r#"{"topik": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("`topik`"), "{error}");
    }
}
