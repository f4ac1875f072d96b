//! What the program is told: one [`Config`], put together from defaults, a TOML file, the
//! environment and flags, with the origin of every value.
//!
//! Plain settings only. What a component makes of them is its own business; nothing here opens a
//! store, a socket or a topic.

mod environment;
mod file;
mod load;
mod nearest;
mod options;
mod problem;
mod reference;
mod secret_files;
mod setting;
mod settings;
mod validate;

pub use load::{Flag, Loaded, Sources};
pub use problem::{ConfigError, Origin, Problem};
pub use reference::reference;
pub use setting::Effective;
pub use settings::{Config, LogFormat, LogSettings, options};

/// The prefix of our own environment variables.
pub const PREFIX: &str = "SAGA_TRACKER_";
