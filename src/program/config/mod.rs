//! What the program is told: one [`Config`], put together from defaults, a TOML file, the
//! environment and flags, with the origin of every value.
//!
//! Plain settings only. What a component makes of them is its own business; nothing here opens a
//! store, a socket or a topic.

mod environment;
mod file;
mod load;
#[cfg(test)]
mod load_tests;
mod nearest;
mod options;
mod properties;
mod reference;
mod secret;
mod secret_files;
mod settings;
mod validate;

pub use load::{ConfigError, Effective, Flag, Loaded, Origin, Problem, Sources};
pub use options::{ConfigOption, Kind, OPTIONS};
pub use reference::reference;
pub use secret::Secret;
pub use settings::{
    Config, HealthSettings, KafkaSettings, LogFormat, LogSettings, ObjectsSettings, Properties,
    RegistrySettings, ServerSettings, StoreSettings,
};

/// The prefix of our own environment variables.
pub const PREFIX: &str = "SAGA_TRACKER_";
