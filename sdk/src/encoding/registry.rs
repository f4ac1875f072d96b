//! Schema ids from a Confluent-compatible schema registry.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;

use super::{SchemaIdError, SchemaIdFuture, SchemaIds};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// How to reach the registry.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// Base address; several, separated by commas, are tried in turn.
    pub url: String,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication.
    pub password: Option<String>,
    /// Whether to register a schema that the registry does not have yet, or only look it up.
    pub register: bool,
    /// How often to ask before giving up. A later event asks again.
    pub attempts: u32,
    /// Pause before the second attempt, doubled before each further one.
    pub backoff_ms: u64,
    /// Longest wait for one answer.
    pub timeout_ms: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            register: true,
            attempts: 5,
            backoff_ms: 200,
            timeout_ms: 5_000,
        }
    }
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySettings")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("register", &self.register)
            .field("attempts", &self.attempts)
            .field("backoff_ms", &self.backoff_ms)
            .field("timeout_ms", &self.timeout_ms)
            .finish()
    }
}

/// Why the registry's settings do not make a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySetupError {
    /// The address is not a URL.
    #[error("schema registry address {0:?} is not an http or https URL")]
    Url(String),
    /// The HTTP client did not start.
    #[error("the schema registry's HTTP client did not start: {0}")]
    Client(#[source] reqwest::Error),
}

/// A schema registry, asked over HTTP.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    urls: Vec<Url>,
    settings: RegistrySettings,
}

#[derive(Deserialize)]
struct Answer {
    id: u32,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

enum Failure {
    Passing(String),
    Final { status: u16, message: String },
}

impl Registry {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is not one or the HTTP client cannot start.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistrySetupError> {
        let urls = settings
            .url
            .split(',')
            .map(|text| parse_base(text.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let client = Client::builder()
            .timeout(Duration::from_millis(settings.timeout_ms))
            .build()
            .map_err(RegistrySetupError::Client)?;
        Ok(Self {
            client,
            urls,
            settings,
        })
    }

    async fn ask(&self, subject: &str, schema: &str) -> Result<u32, SchemaIdError> {
        let attempts = self.settings.attempts.max(1);
        let mut pause = Duration::from_millis(self.settings.backoff_ms);
        let mut last = String::new();
        for (attempt, base) in (1..=attempts).zip(self.urls.iter().cycle()) {
            match self.attempt(base, subject, schema).await {
                Ok(id) => return Ok(id),
                Err(Failure::Final { status, message }) => {
                    let (url, subject) = (base.to_string(), subject.to_owned());
                    return Err(SchemaIdError::Refused {
                        url,
                        subject,
                        status,
                        message,
                    });
                }
                Err(Failure::Passing(reason)) => {
                    tracing::warn!(url = %base, subject, attempt, attempts, reason, "schema registry gave no id");
                    last = reason;
                }
            }
            if attempt < attempts {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(Duration::from_secs(10));
            }
        }
        Err(SchemaIdError::Unreachable {
            url: self.settings.url.clone(),
            attempts,
            reason: last,
        })
    }

    async fn attempt(&self, base: &Url, subject: &str, schema: &str) -> Result<u32, Failure> {
        let passing = |error: reqwest::Error| Failure::Passing(with_causes(&error));
        let response = self
            .request(base, subject, schema)
            .send()
            .await
            .map_err(passing)?;
        let status = response.status();
        let body = response.bytes().await.map_err(passing)?;
        if status.is_success() {
            return serde_json::from_slice::<Answer>(&body)
                .map(|answer| answer.id)
                .map_err(|error| Failure::Passing(format!("the answer is not a schema id: {error}")));
        }
        let message = serde_json::from_slice::<Refusal>(&body).map_or_else(
            |_| String::from_utf8_lossy(&body).into_owned(),
            |refusal| refusal.message,
        );
        if status.is_server_error() || status.as_u16() == 429 {
            Err(Failure::Passing(format!("{status} {message}")))
        } else {
            Err(Failure::Final {
                status: status.as_u16(),
                message,
            })
        }
    }

    fn request(&self, base: &Url, subject: &str, schema: &str) -> RequestBuilder {
        let mut url = base.clone();
        // Parsed as http or https, so it has path segments; without them the base itself is asked.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("subjects").push(subject);
            if self.settings.register {
                path.push("versions");
            }
        }
        let request = self
            .client
            .post(url)
            .json(&serde_json::json!({ "schema": schema }))
            .header("content-type", CONTENT_TYPE)
            .header("accept", CONTENT_TYPE);
        match &self.settings.username {
            Some(username) => request.basic_auth(username, self.settings.password.as_ref()),
            None => request,
        }
    }
}

impl SchemaIds for Registry {
    fn id_for<'a>(&'a self, subject: &'a str, schema: &'a str) -> SchemaIdFuture<'a> {
        Box::pin(self.ask(subject, schema))
    }
}

fn parse_base(text: &str) -> Result<Url, RegistrySetupError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| RegistrySetupError::Url(text.to_owned()))
}

// reqwest's own message stops at "error sending request": the reason is among its sources.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
