//! What is wrong with a configuration, and where its values come from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
    /// A file that holds nothing but a secret.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::SecretFile(path) => write!(f, "secret in {}", path.display()),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option, or the name that was taken for one.
    pub option: String,
    /// Where it was found.
    pub origin: Origin,
    /// What was found and what is accepted.
    pub message: String,
}

impl Problem {
    pub(super) fn new(option: &str, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            option: option.to_owned(),
            origin,
            message: message.into(),
        }
    }

    pub(super) fn unknown(name: &str, origin: Origin, nearest: Option<String>) -> Self {
        Self::new(
            name,
            origin,
            match nearest {
                Some(known) => format!("unknown; did you mean {known}?"),
                None => "unknown; `saga-tracker config --reference` lists all options".to_owned(),
            },
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.option, self.message, self.origin)
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("configuration file {}: {why} ({origin})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
        /// Who named it.
        origin: Origin,
    },
    /// Everything that is wrong, one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}
