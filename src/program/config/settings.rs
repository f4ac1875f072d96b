//! Everything the program is told: the settings of each component, by section.

use super::problem::{ConfigError, Origin, Problem};
use crate::domain::SagaDefinitions;
use crate::operations::dead_letters::DeadLetterSettings;
use crate::operations::incidents::IncidentSettings;
use crate::operations::objects::ObjectsSettings;
use crate::operations::retention::RetentionSettings;
use crate::operations::snapshot::SnapshotSettings;
use crate::operations::webhooks::WebhookSettings;
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::projector::ProjectorSettings;
use crate::pipeline::registry::RegistrySettings;
use crate::server::api::{HealthSettings, ServerSettings};
use crate::server::metrics::MetricsSettings;
use crate::server::page::PageSettings;
use crate::settings::{ConfigOption, settings};
use crate::store::rocks::RocksSettings;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Puts the sections together, in the order of the reference.
macro_rules! config {
    ($($section:ident: $settings:ident,)+) => {
        settings! {
            /// Everything the program is told.
            #[derive(Debug)]
            #[expect(missing_docs, reason = "the settings of each section say what they are")]
            pub struct Config of [] {
                /// TOML file with the saga definitions; it replaces the built-in ones.
                #[option(Path, flag = "definitions")]
                pub definitions_file: Option<PathBuf> = None,
            } beside {
                $(pub $section: $settings = $settings::default(),)+
            }
        }

        /// All options, in the order of the reference.
        pub fn options() -> impl Iterator<Item = &'static ConfigOption> {
            [Config::OPTIONS, $($settings::OPTIONS),+].into_iter().flatten()
        }
    };
}

config! {
    kafka: KafkaSettings,
    registry: RegistrySettings,
    server: ServerSettings,
    page: PageSettings,
    store: RocksSettings,
    objects: ObjectsSettings,
    snapshot: SnapshotSettings,
    projector: ProjectorSettings,
    health: HealthSettings,
    metrics: MetricsSettings,
    retention: RetentionSettings,
    dead_letters: DeadLetterSettings,
    incidents: IncidentSettings,
    webhooks: WebhookSettings,
    log: LogSettings,
}

impl Config {
    /// The saga definitions that are configured: those of the file, else the built-in ones.
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
                message: format!("{why}; a definitions file is accepted, see docs/configure.md"),
            }])
        };
        let text = std::fs::read_to_string(path).map_err(|e| problem(format!("cannot be read ({e})")))?;
        SagaDefinitions::from_toml(&text).map_err(|e| problem(e.to_string()))
    }
}

settings! {
    /// What is written to the log of the process.
    #[derive(Debug)]
    pub struct LogSettings of [log] {
        /// What to log.
        #[option(LogFilter, flag = "log-level")]
        pub level: String = "info".to_owned(),
        /// How to log.
        #[option(Choice(&["text", "json"]), flag = "log-format")]
        pub format: LogFormat = LogFormat::Text,
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
