//! The settings themselves, by component. What each option means is told in [`super::OPTIONS`].

use super::{ConfigError, Origin, Problem, Secret, properties};
use crate::domain::SagaDefinitions;
use crate::operations::dead_letters::DeadLetterSettings;
use crate::operations::objects;
use crate::operations::retention::RetentionSettings;
use crate::operations::snapshot::SnapshotSettings;
use crate::pipeline::projector::ProjectorSettings;
use crate::pipeline::{kafka, registry};
use crate::server::api;
use crate::server::metrics::MetricsSettings;
use crate::store::rocks::RocksSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    pub objects: ObjectsSettings,
    pub snapshot: SnapshotSettings,
    pub projector: ProjectorSettings,
    pub health: HealthSettings,
    pub metrics: MetricsSettings,
    pub retention: RetentionSettings,
    pub dead_letters: DeadLetterSettings,
    pub log: LogSettings,
    pub definitions_file: Option<PathBuf>,
}

impl Config {
    /// What ingest makes of it.
    pub fn ingest(&self) -> kafka::KafkaSettings {
        kafka::KafkaSettings {
            min_free_bytes: self.store.min_free_bytes,
            ..self.kafka.ingest()
        }
    }

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
    pub ops_topic: String,
    pub create_ops_topic: bool,
    pub max_poll_records: usize,
    pub max_wait_ms: u64,
    pub publish_dead_letters: bool,
    pub consume_dead_letters: bool,
    pub properties: Properties,
    pub properties_files: BTreeMap<String, PathBuf>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        let ingest = kafka::KafkaSettings::default();
        Self {
            bootstrap_servers: ingest.bootstrap_servers,
            group_id: ingest.group_id,
            topic: ingest.topic,
            dlt_topic: ingest.dlt_topic,
            ops_topic: ingest.ops_topic,
            create_ops_topic: ingest.create_ops_topic,
            max_poll_records: ingest.max_poll_records,
            max_wait_ms: ingest.max_wait_ms,
            publish_dead_letters: ingest.publish_dead_letters,
            consume_dead_letters: ingest.consume_dead_letters,
            properties: Properties(ingest.properties),
            properties_files: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// What ingest makes of it. Values that were kept in files are among the properties by now.
    fn ingest(&self) -> kafka::KafkaSettings {
        kafka::KafkaSettings {
            bootstrap_servers: self.bootstrap_servers.clone(),
            group_id: self.group_id.clone(),
            topic: self.topic.clone(),
            dlt_topic: self.dlt_topic.clone(),
            ops_topic: self.ops_topic.clone(),
            create_ops_topic: self.create_ops_topic,
            publish_dead_letters: self.publish_dead_letters,
            consume_dead_letters: self.consume_dead_letters,
            max_poll_records: self.max_poll_records,
            max_wait_ms: self.max_wait_ms,
            properties: self.properties.0.clone(),
            ..kafka::KafkaSettings::default()
        }
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
    pub connect_timeout_seconds: u64,
    pub timeout_seconds: u64,
    pub unknown_id_seconds: u64,
    pub unknown_id_wait_seconds: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        let client = registry::RegistrySettings::default();
        Self {
            url: None,
            username: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            ca_file: None,
            connect_timeout_seconds: client.connect_timeout_seconds,
            timeout_seconds: client.timeout_seconds,
            unknown_id_seconds: client.unknown_id_seconds,
            unknown_id_wait_seconds: client.unknown_id_wait_seconds,
        }
    }
}

impl RegistrySettings {
    /// What the registry's client makes of it. Secrets that were kept in files are read by now.
    pub fn client(&self) -> registry::RegistrySettings {
        let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        registry::RegistrySettings {
            url: self.url.clone().unwrap_or_default(),
            username: self.username.clone(),
            password: exposed(&self.password),
            token: exposed(&self.token),
            ca_file: self.ca_file.clone(),
            connect_timeout_seconds: self.connect_timeout_seconds,
            timeout_seconds: self.timeout_seconds,
            unknown_id_seconds: self.unknown_id_seconds,
            unknown_id_wait_seconds: self.unknown_id_wait_seconds,
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
    pub body_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub write_timeout_ms: u64,
    pub header_limit_bytes: usize,
    pub uri_limit_bytes: usize,
    pub body_limit_bytes: u64,
    pub max_connections: usize,
    pub max_connections_per_peer: usize,
    pub allowed_hosts: Option<String>,
    pub allowed_origins: Option<String>,
    pub max_concurrent_scans: usize,
    pub max_concurrent_full_reads: usize,
    pub shutdown_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        let api = api::ServerSettings::default();
        Self {
            bind: api.address,
            port: api.port,
            header_timeout_ms: api.header_timeout_ms,
            body_timeout_ms: api.body_timeout_ms,
            request_timeout_ms: api.request_timeout_ms,
            write_timeout_ms: api.write_timeout_ms,
            header_limit_bytes: api.max_header_bytes,
            uri_limit_bytes: api.max_uri_bytes,
            body_limit_bytes: api.max_body_bytes,
            max_connections: api.max_connections,
            max_connections_per_peer: api.max_connections_per_peer,
            allowed_hosts: None,
            allowed_origins: None,
            max_concurrent_scans: api.max_concurrent_scans,
            max_concurrent_full_reads: api.max_concurrent_full_reads,
            shutdown_grace_ms: api.shutdown_grace_ms,
        }
    }
}

impl ServerSettings {
    /// What the API makes of it.
    pub fn api(&self, health: &HealthSettings) -> api::ServerSettings {
        api::ServerSettings {
            address: self.bind,
            port: self.port,
            header_timeout_ms: self.header_timeout_ms,
            body_timeout_ms: self.body_timeout_ms,
            request_timeout_ms: self.request_timeout_ms,
            write_timeout_ms: self.write_timeout_ms,
            max_body_bytes: self.body_limit_bytes,
            max_header_bytes: self.header_limit_bytes,
            max_uri_bytes: self.uri_limit_bytes,
            max_connections: self.max_connections,
            max_connections_per_peer: self.max_connections_per_peer,
            allowed_hosts: listed(self.allowed_hosts.as_deref()),
            allowed_origins: listed(self.allowed_origins.as_deref()),
            max_concurrent_scans: self.max_concurrent_scans,
            max_concurrent_full_reads: self.max_concurrent_full_reads,
            shutdown_grace_ms: self.shutdown_grace_ms,
            health: api::health::HealthSettings {
                kafka_down_after_ms: health.kafka_down_after_ms,
                min_free_disk_bytes: health.disk_free_min_bytes,
            },
        }
    }
}

/// The parts of a text that commas separate.
fn listed(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
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
    pub block_cache_mib: usize,
    pub write_buffer_mib: usize,
    pub max_wal_mib: u64,
    pub max_open_files: u32,
    pub background_jobs: u16,
    pub min_free_bytes: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        let rocks = RocksSettings::default();
        Self {
            data_dir: "./saga-tracker-data".into(),
            block_cache_mib: rocks.block_cache_mib,
            write_buffer_mib: rocks.write_buffer_mib,
            max_wal_mib: rocks.max_wal_mib,
            max_open_files: rocks.max_open_files,
            background_jobs: rocks.background_jobs,
            min_free_bytes: kafka::KafkaSettings::default().min_free_bytes,
        }
    }
}

impl StoreSettings {
    /// What the embedded engine makes of it.
    pub fn rocks(&self) -> RocksSettings {
        RocksSettings {
            block_cache_mib: self.block_cache_mib,
            write_buffer_mib: self.write_buffer_mib,
            max_wal_mib: self.max_wal_mib,
            max_open_files: self.max_open_files,
            background_jobs: self.background_jobs,
            ..RocksSettings::default()
        }
    }
}

/// Where snapshots and the archive are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "OPTIONS documents every field; a test compares the two"
)]
pub struct ObjectsSettings {
    pub url: Option<String>,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<Secret>,
    pub secret_key_file: Option<PathBuf>,
    pub session_token: Option<Secret>,
    pub session_token_file: Option<PathBuf>,
    pub google_credentials_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub allow_http: bool,
    pub virtual_hosted: bool,
    pub connect_timeout_seconds: u64,
    pub timeout_seconds: u64,
    pub retries: usize,
}

impl Default for ObjectsSettings {
    fn default() -> Self {
        let room = objects::ObjectsSettings::default();
        Self {
            url: None,
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            secret_key_file: None,
            session_token: None,
            session_token_file: None,
            google_credentials_file: None,
            ca_file: None,
            allow_http: room.allow_http,
            virtual_hosted: room.virtual_hosted,
            connect_timeout_seconds: room.connect_timeout.as_secs(),
            timeout_seconds: room.timeout.as_secs(),
            retries: room.retries,
        }
    }
}

impl ObjectsSettings {
    /// What the room of objects makes of it. Secrets that were kept in files are read by now.
    pub fn room(&self) -> objects::ObjectsSettings {
        let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        objects::ObjectsSettings {
            url: self.url.clone().unwrap_or_default(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: exposed(&self.secret_key),
            session_token: exposed(&self.session_token),
            google_credentials_file: self.google_credentials_file.clone(),
            ca_file: self.ca_file.clone(),
            allow_http: self.allow_http,
            virtual_hosted: self.virtual_hosted,
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            timeout: Duration::from_secs(self.timeout_seconds),
            retries: self.retries,
            ..objects::ObjectsSettings::default()
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
        let api = api::health::HealthSettings::default();
        Self {
            kafka_down_after_ms: api.kafka_down_after_ms,
            disk_free_min_bytes: api.min_free_disk_bytes,
        }
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
