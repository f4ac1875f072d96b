//! Asks a schema registry over HTTP, and tells its answers from its failures.

use super::settings::{RegistrySettings, RegistrySettingsError, without_userinfo};
use crate::pipeline::decode::cut;
use crate::settings::Secret;
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};
use serde::Deserialize;
use std::error::Error;
use std::io::Read;
use std::time::Duration;

/// No answer is longer.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// What a registry answered, when it answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<T> {
    Found(T),
    /// The registry itself says that there is no such thing.
    NotFound,
}

/// A schema as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct RegisteredSchema {
    pub(super) schema: String,
    /// Absent for Avro.
    #[serde(rename = "schemaType")]
    pub(super) schema_type: Option<String>,
    #[serde(default)]
    pub(super) references: Vec<SchemaReference>,
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct SubjectVersion {
    pub(super) id: u32,
    pub(super) schema: String,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

/// A schema that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct SchemaReference {
    pub(super) subject: String,
    pub(super) version: i64,
}

#[derive(Deserialize)]
struct RegistryError {
    error_code: i64,
    message: Option<String>,
}

#[derive(Clone)]
enum Credentials {
    None,
    Bearer(Secret),
    Basic(String, Option<Secret>),
}

struct Endpoint {
    base: Url,
    credentials: Credentials,
    /// As messages may show it.
    shown: String,
}

/// One or several registries that hold the same schemas.
pub(super) struct RegistryHttp {
    client: Client,
    endpoints: Vec<Endpoint>,
}

impl RegistryHttp {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, RegistrySettingsError> {
        let mut builder = Client::builder()
            .user_agent(concat!("saga-tracker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(settings.connect_timeout_seconds.max(1)))
            .timeout(Duration::from_secs(settings.timeout_seconds.max(1)))
            // It would take us, and what we are told to send, wherever the answer says.
            .redirect(Policy::none());
        if let Some(path) = &settings.ca_file {
            let unusable = |detail: String| RegistrySettingsError::CaFile {
                path: path.display().to_string(),
                detail,
            };
            let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| unusable(whole(&e)))?;
            if certificates.is_empty() {
                return Err(unusable("it holds no certificate".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder
            .build()
            .map_err(|e| RegistrySettingsError::Client { detail: whole(&e) })?;
        let endpoints = settings
            .urls()
            .into_iter()
            .map(|url| Endpoint::new(url, settings))
            .collect::<Result<_, _>>()?;
        Ok(Self { client, endpoints })
    }

    /// The schema of an id.
    pub(super) fn schema(&self, id: u32) -> Result<Answer<RegisteredSchema>, String> {
        self.ask(&["schemas", "ids", &id.to_string()])
    }

    /// The schema of a subject's version.
    pub(super) fn version(&self, reference: &SchemaReference) -> Result<Answer<RegisteredSchema>, String> {
        self.ask(&[
            "subjects",
            &reference.subject,
            "versions",
            &reference.version.to_string(),
        ])
    }

    /// The latest version of a subject.
    pub(super) fn latest(&self, subject: &str) -> Result<Answer<SubjectVersion>, String> {
        self.ask(&["subjects", subject, "versions", "latest"])
    }

    /// Registers a schema under a subject, and says its id.
    pub(super) fn register(&self, subject: &str, schema: &str) -> Result<u32, String> {
        let body = serde_json::json!({ "schema": schema });
        let mut failures = Vec::new();
        for endpoint in &self.endpoints {
            let request = self
                .client
                .post(endpoint.url(&["subjects", subject, "versions"]))
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .body(body.to_string());
            match Self::send::<Registered>(endpoint, request) {
                Ok(Answer::Found(registered)) => return Ok(registered.id),
                Ok(Answer::NotFound) => failures.push(format!("{} takes no schemas", endpoint.shown)),
                Err(detail) => failures.push(detail),
            }
        }
        Err(failures.join("; "))
    }

    /// Per registry: how many subjects it has, or why it does not say.
    pub(super) fn subjects(&self) -> Vec<(String, Result<usize, String>)> {
        let count = |endpoint: &Endpoint| match self.ask_one::<Vec<String>>(endpoint, &["subjects"]) {
            Ok(Answer::Found(subjects)) => Ok(subjects.len()),
            Ok(Answer::NotFound) => Err(format!("{} has no list of subjects", endpoint.shown)),
            Err(detail) => Err(detail),
        };
        self.endpoints
            .iter()
            .map(|endpoint| (endpoint.shown.clone(), count(endpoint)))
            .collect()
    }

    /// Asks one registry after the other. That there is no such thing is believed only when all of them
    /// say so: one may lag behind, and the one that is away may be the one that knows.
    fn ask<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> Result<Answer<T>, String> {
        let mut failures = Vec::new();
        for endpoint in &self.endpoints {
            match self.ask_one(endpoint, path) {
                Ok(Answer::Found(found)) => return Ok(Answer::Found(found)),
                Ok(Answer::NotFound) => {}
                Err(detail) => failures.push(detail),
            }
        }
        if failures.is_empty() {
            Ok(Answer::NotFound)
        } else {
            Err(failures.join("; "))
        }
    }

    fn ask_one<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: &Endpoint,
        path: &[&str],
    ) -> Result<Answer<T>, String> {
        Self::send(endpoint, self.client.get(endpoint.url(path)))
    }

    fn send<T: for<'de> Deserialize<'de>>(
        endpoint: &Endpoint,
        request: RequestBuilder,
    ) -> Result<Answer<T>, String> {
        let request = request.header(
            "Accept",
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        let request = match &endpoint.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
            Credentials::Basic(user, password) => {
                request.basic_auth(user, password.as_ref().map(Secret::expose))
            }
        };
        let said = |mut detail: String| {
            cut(&mut detail);
            format!("the schema registry {} {detail}", endpoint.shown)
        };
        let response = request
            .send()
            .map_err(|e| said(format!("does not answer: {}", whole(&e.without_url()))))?;
        let status = response.status();
        let body = read(response).map_err(|e| said(format!("broke off its answer: {e}")))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map(Answer::Found).map_err(|e| {
                said(format!(
                    "answered {status} with something other than a schema ({e}); is this its URL?"
                ))
            });
        }
        let error: Option<RegistryError> = serde_json::from_slice(&body).ok();
        // 40401, 40402, 40403: no such subject, version, schema. Any other 404 comes from something
        // in between, or from a wrong URL, and must not turn a topic into dead letters.
        if status == StatusCode::NOT_FOUND
            && error
                .as_ref()
                .is_some_and(|e| (40_401..=40_403).contains(&e.error_code))
        {
            return Ok(Answer::NotFound);
        }
        let message = error
            .and_then(|e| e.message)
            .map(|m| format!(" ({m})"))
            .unwrap_or_default();
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; check registry.username, password and token"
            }
            StatusCode::NOT_FOUND => " without a registry's error code; is this its URL?",
            status if status.is_redirection() => {
                "; redirects are not followed: set registry.url to where it leads"
            }
            _ => "",
        };
        Err(said(format!("answered {status}{message}{advice}")))
    }
}

impl Endpoint {
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn new(text: &str, settings: &RegistrySettings) -> Result<Self, RegistrySettingsError> {
        let shown = without_userinfo(text);
        let refused = |detail: String| RegistrySettingsError::Url {
            url: shown.clone(),
            detail,
        };
        let mut base = Url::parse(text).map_err(|e| refused(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refused(format!("its scheme is {}", base.scheme())));
        }
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let credentials = match (base.username(), &settings.token, &settings.username) {
            ("", Some(token), _) => Credentials::Bearer(token.clone()),
            ("", None, Some(user)) => Credentials::Basic(user.clone(), settings.password.clone()),
            ("", None, None) => Credentials::None,
            (user, _, _) => {
                let password = base.password().map(|password| Secret::from(decoded(password)));
                Credentials::Basic(decoded(user), password)
            }
        };
        // Neither fails for a URL with a host, which http and https always have.
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        debug_assert!(cleared.is_ok());
        Ok(Self {
            base,
            credentials,
            shown,
        })
    }
}

fn read(response: Response) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    response.take(MAX_ANSWER_BYTES).read_to_end(&mut body)?;
    Ok(body)
}

/// An error with everything that caused it.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
