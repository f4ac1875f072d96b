//! How to reach the schema registry.

use crate::settings::{Secret, settings};
use std::fmt;
use std::path::PathBuf;

settings! {
    /// How to reach the schema registry. Without an address the bundled schema reads every record.
    pub struct RegistrySettings of [registry] {
        /// Schema registry; several addresses are tried in turn. Without one, every record is read by the bundled
        /// schema.
        #[option(Urls, env = ["SCHEMA_REGISTRY_URL"], flag = "registry-url")]
        pub url: Option<String> = None,
        /// User for the registry (basic authentication).
        #[option(Text)]
        pub username: Option<String> = None,
        /// Password for the registry.
        #[option(Secret)]
        pub password: Option<Secret> = None,
        /// File that holds the password for the registry.
        #[option(Path)]
        pub password_file: Option<PathBuf> = None,
        /// Bearer token for the registry, instead of a user.
        #[option(Secret)]
        pub token: Option<Secret> = None,
        /// File that holds the bearer token.
        #[option(Path)]
        pub token_file: Option<PathBuf> = None,
        /// PEM file with certificate authorities to trust beside the system's.
        #[option(Path)]
        pub ca_file: Option<PathBuf> = None,
        /// How long to wait for a connection to the registry, seconds.
        #[option(SECONDS)]
        pub connect_timeout_seconds: u64 = 5,
        /// How long one request to the registry may take, seconds.
        #[option(SECONDS)]
        pub timeout_seconds: u64 = 10,
        /// For how long a schema id that the registry does not know is not asked for again, seconds.
        #[option(SECONDS)]
        pub unknown_id_seconds: u64 = 30,
        /// How long consumption waits for a schema that the registry does not know yet, seconds; then its records
        /// are dead letters until it does.
        #[option(Integer(0, 3_600))]
        pub unknown_id_wait_seconds: u64 = 5,
    }
}

impl RegistrySettings {
    /// The base URLs, as written.
    pub fn urls(&self) -> Vec<&str> {
        let urls = self.url.as_deref().unwrap_or_default().split(',');
        urls.map(str::trim).filter(|url| !url.is_empty()).collect()
    }
}

impl fmt::Debug for RegistrySettings {
    /// Without the users and passwords that addresses may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls().into_iter().map(without_userinfo).collect();
        f.debug_struct("RegistrySettings")
            .field("url", &urls.join(","))
            .finish_non_exhaustive()
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
        "registry.url: {url:?} is not a URL ({detail}); accepted: http://host:port or https://host:port, several separated by commas"
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
            url: Some(" http://a:1 ,http://b:2,, ".into()),
            ..Default::default()
        };
        assert_eq!(settings.urls(), ["http://a:1", "http://b:2"]);
        assert!(RegistrySettings::default().urls().is_empty());
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = RegistrySettings {
            url: Some("https://me:s3cret@registry/a@b,http://plain:1".into()),
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
