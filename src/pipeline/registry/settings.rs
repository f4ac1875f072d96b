//! How to reach the schema registry.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// How to reach the schema registry. Without a `url` the bundled schema reads every record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Base URL, e.g. `http://registry:8081`; several, separated by commas, are tried in turn.
    /// `user:password@` in a URL is used for that URL. Empty: the bundled schema.
    pub url: String,
    /// User (or API key) for basic authentication.
    pub username: Option<String>,
    /// Password (or API secret) for basic authentication.
    pub password: Option<String>,
    /// Token for bearer authentication; wins over user and password.
    pub token: Option<String>,
    /// PEM file of further certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// Seconds to wait for a connection.
    pub connect_timeout_seconds: u64,
    /// Seconds to wait for a whole answer.
    pub timeout_seconds: u64,
    /// Seconds for which an id that the registry does not know is not asked for again.
    pub unknown_id_seconds: u64,
    /// Seconds that consumption waits for a schema that the registry does not know yet.
    pub unknown_id_wait_seconds: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            token: None,
            ca_file: None,
            connect_timeout_seconds: 5,
            timeout_seconds: 10,
            unknown_id_seconds: 30,
            unknown_id_wait_seconds: 5,
        }
    }
}

impl RegistrySettings {
    /// The base URLs, as written.
    pub fn urls(&self) -> Vec<&str> {
        self.url
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .collect()
    }
}

impl fmt::Debug for RegistrySettings {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| "***");
        let urls: Vec<String> = self.urls().into_iter().map(without_userinfo).collect();
        f.debug_struct("RegistrySettings")
            .field("url", &urls.join(","))
            .field("username", &self.username)
            .field("password", &masked(&self.password))
            .field("token", &masked(&self.token))
            .field("ca_file", &self.ca_file)
            .field("connect_timeout_seconds", &self.connect_timeout_seconds)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("unknown_id_seconds", &self.unknown_id_seconds)
            .field("unknown_id_wait_seconds", &self.unknown_id_wait_seconds)
            .finish()
    }
}

/// A URL as messages may show it.
pub(super) fn without_userinfo(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            match authority.rfind('@') {
                Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

/// Why a registry cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySettingsError {
    /// A text that is not a URL.
    #[error(
        "registry.url: {url:?} is no URL ({detail}); accepted: http://host:port or https://host:port, several separated by commas"
    )]
    Url {
        /// The URL, without user and password.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A CA file that cannot be used.
    #[error("registry.ca_file: {path} cannot be used: {detail}; accepted: a file of PEM certificates")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The HTTP client cannot be made.
    #[error("no HTTP client for the schema registry: {detail}")]
    Client {
        /// What is wrong.
        detail: String,
    },
    /// The schema inside the program is broken.
    #[error("the bundled schema proto/SagaTracker.avsc cannot be used: {detail}")]
    Bundled {
        /// What is wrong with it.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_separated_by_commas() {
        let settings = RegistrySettings {
            url: " http://a:1 ,http://b:2,, ".into(),
            ..Default::default()
        };
        assert_eq!(settings.urls(), ["http://a:1", "http://b:2"]);
        assert!(RegistrySettings::default().urls().is_empty());
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = RegistrySettings {
            url: "https://me:s3cret@registry/a@b,http://plain:1".into(),
            username: Some("me".into()),
            password: Some("s3cret".into()),
            token: Some("s3cret".into()),
            ..Default::default()
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("https://registry/a@b,http://plain:1"), "{shown}");
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let refused = toml::from_str::<RegistrySettings>("uri = 'http://a'")
            .unwrap_err()
            .to_string();
        assert!(refused.contains("uri"), "{refused}");
        let read: RegistrySettings = toml::from_str("url = 'http://a'\ntimeout_seconds = 3").unwrap();
        assert_eq!((read.timeout_seconds, read.connect_timeout_seconds), (3, 5));
    }
}
