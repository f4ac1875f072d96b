//! The settings themselves, by component. What each option means is told in [`super::OPTIONS`].

use super::{ConfigError, Origin, Problem, Secret, properties};
use crate::domain::SagaDefinitions;
use crate::projector::ProjectorSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything the program is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct Config {
    pub kafka: KafkaSettings,
    pub registry: RegistrySettings,
    pub server: ServerSettings,
    pub store: StoreSettings,
    pub projector: ProjectorSettings,
    pub health: HealthSettings,
    pub metrics: MetricsSettings,
    pub log: LogSettings,
    pub definitions_file: Option<PathBuf>,
}

impl Config {
    /// The saga definitions in force: those of the file, else the built-in ones.
    ///
    /// # Errors
    /// When the file cannot be read or is not a definitions file.
    pub fn definitions(&self) -> Result<SagaDefinitions, ConfigError> {
        let Some(path) = &self.definitions_file else {
            return Ok(SagaDefinitions::default());
        };
        let problem = |why: String| {
            ConfigError::Problems(vec![Problem {
                option: "definitions_file".into(),
                origin: Origin::File(path.clone()),
                message: format!("{why}; a definitions file is accepted, see README.md"),
            }])
        };
        let text = std::fs::read_to_string(path).map_err(|e| problem(format!("cannot be read ({e})")))?;
        SagaDefinitions::from_toml(&text).map_err(|e| problem(e.to_string()))
    }
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct KafkaSettings {
    pub bootstrap_servers: String,
    pub group_id: String,
    pub topic: String,
    pub dlt_topic: String,
    pub max_poll_records: u64,
    pub max_poll_wait_ms: u64,
    pub queued_max_kbytes: u64,
    pub partition_refresh_ms: u64,
    pub publish_dead_letters: bool,
    pub properties: Properties,
    pub properties_files: BTreeMap<String, PathBuf>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".into(),
            group_id: "saga-tracker-service".into(),
            topic: "c4ang.saga.tracker".into(),
            dlt_topic: "c4ang.saga.tracker.dlt".into(),
            max_poll_records: 5_000,
            max_poll_wait_ms: 50,
            queued_max_kbytes: 32_768,
            partition_refresh_ms: 10_000,
            publish_dead_letters: true,
            properties: Properties::default(),
            properties_files: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// What every client of ours has in common: where the brokers are, and the properties that the
    /// user passes through. Each component adds its own, which the user cannot override.
    pub fn client_config(&self) -> rdkafka::ClientConfig {
        let mut client = rdkafka::ClientConfig::new();
        client
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "saga-tracker");
        for (name, value) in &self.properties.0 {
            client.set(name, value);
        }
        client
    }
}

/// librdkafka properties. Those that hold secrets are not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.0
                    .iter()
                    .map(|(name, value)| (name, properties::shown(name, value))),
            )
            .finish()
    }
}

/// Where schemas come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct RegistrySettings {
    pub url: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub timeout_ms: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            ca_file: None,
            timeout_ms: 5_000,
        }
    }
}

/// Who may ask, and how patiently we answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct ServerSettings {
    pub bind: IpAddr,
    pub port: u16,
    pub header_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub header_limit_bytes: u64,
    pub body_limit_bytes: u64,
    pub max_connections: u64,
    pub shutdown_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8086,
            header_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            header_limit_bytes: 32_768,
            body_limit_bytes: 1_048_576,
            max_connections: 1_024,
            shutdown_grace_ms: 10_000,
        }
    }
}

impl ServerSettings {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct StoreSettings {
    pub data_dir: PathBuf,
    pub block_cache_mib: u64,
    pub write_buffer_mib: u64,
    pub max_open_files: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            data_dir: "./saga-tracker-data".into(),
            block_cache_mib: 64,
            write_buffer_mib: 64,
            max_open_files: 512,
        }
    }
}

/// When the program calls itself unwell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct HealthSettings {
    pub kafka_down_after_ms: u64,
    pub disk_free_min_bytes: u64,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            kafka_down_after_ms: 30_000,
            disk_free_min_bytes: 268_435_456,
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct MetricsSettings {
    pub max_steps: u64,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { max_steps: 100 }
    }
}

/// What is written to the log of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct LogSettings {
    pub level: String,
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
