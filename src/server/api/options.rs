//! The options that are in force, as the surface tells them. Who reads configuration fills it; no secret is in it.

use serde_json::Value;

/// Where the value of an option came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionSource {
    /// Nobody said anything.
    Default,
    /// A configuration file.
    File,
    /// An environment variable.
    Environment,
    /// A flag of the command line.
    Flag,
    /// A file that holds nothing but a secret.
    SecretFile,
}

impl OptionSource {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
            Self::SecretFile => "secret file",
        }
    }
}

/// An option and its value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionInForce {
    /// Its key, e.g. `kafka.topic`.
    pub name: String,
    /// Its value; secrets masked. Null when it has none.
    pub value: Value,
    /// Where that came from.
    pub source: OptionSource,
    /// The file, variable or flag.
    pub source_name: Option<String>,
}
