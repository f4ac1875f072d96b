//! From settings to a store.

use super::{Objects, ObjectsError, ObjectsSettings};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;
use std::sync::Arc;
use std::time::Duration;

const ACCEPTED: &str =
    "accepted: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///path";

/// Makes the handle. Asks nobody yet; see [`Objects::check`].
///
/// # Errors
/// [`ObjectsError`], naming the option at fault.
pub fn open(settings: &ObjectsSettings) -> Result<Objects, ObjectsError> {
    let url = address(settings)?;
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "s3" => s3(settings, bucket(&url)?)?,
        "gs" => google(settings, bucket(&url)?)?,
        "az" => azure(settings, bucket(&url)?)?,
        "file" => return folder(&url),
        other => return Err(unknown_scheme(other)),
    };
    let place = settings.url.as_deref().unwrap_or_default();
    let place = place.trim_end_matches('/').to_owned();
    let prefix = Path::from_url_path(url.path()).map_err(|error| at("objects.url", error.to_string()))?;
    if prefix.is_root() {
        return Ok(Objects::new(store, place));
    }
    Ok(Objects::new(Arc::new(PrefixStore::new(store, prefix)), place))
}

/// Looks at the address only, so that a wrong one shows before anything is opened.
///
/// # Errors
/// [`ObjectsError`], naming the option at fault.
pub fn check(settings: &ObjectsSettings) -> Result<(), ObjectsError> {
    let url = address(settings)?;
    match url.scheme() {
        "s3" | "gs" | "az" => bucket(&url).map(|_| ()),
        "file" => Ok(()),
        other => Err(unknown_scheme(other)),
    }
}

fn address(settings: &ObjectsSettings) -> Result<Url, ObjectsError> {
    let text = settings.url.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(ObjectsError::NotConfigured);
    }
    Url::parse(text).map_err(|error| {
        at(
            "objects.url",
            format!("found something that is not an address ({error}); {ACCEPTED}"),
        )
    })
}

fn unknown_scheme(scheme: &str) -> ObjectsError {
    at("objects.url", format!("found the scheme {scheme:?}; {ACCEPTED}"))
}

fn at(option: &'static str, message: impl Into<String>) -> ObjectsError {
    ObjectsError::Setting {
        option,
        message: message.into(),
    }
}

fn bucket(url: &Url) -> Result<&str, ObjectsError> {
    match url.host_str() {
        Some(bucket) if url.username().is_empty() && url.password().is_none() => Ok(bucket),
        // Keys do not belong into an address, which is logged.
        Some(_) => Err(at(
            "objects.url",
            "found a user in it; set objects.access_key and objects.secret_key_file",
        )),
        None => Err(at("objects.url", format!("found no bucket in {url}; {ACCEPTED}"))),
    }
}

fn s3(settings: &ObjectsSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(settings.virtual_hosted)
        .with_client_options(client(settings)?)
        .with_retry(retry(settings));
    if settings.allow_http {
        builder = builder.with_allow_http(true);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &settings.access_key {
        builder = builder.with_access_key_id(key);
    }
    if let Some(key) = &settings.secret_key {
        builder = builder.with_secret_access_key(key.expose());
    }
    if let Some(token) = &settings.session_token {
        builder = builder.with_token(token.expose());
    }
    Ok(Arc::new(builder.build().map_err(|error| refused(&error))?))
}

fn google(settings: &ObjectsSettings, bucket: &str) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client(settings)?)
        .with_retry(retry(settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    if let Some(path) = &settings.google_credentials_file {
        builder = builder.with_service_account_path(path.to_string_lossy());
    }
    let built = builder.build();
    // All that can be wrong by now: the bucket and the options of the client have been looked at.
    Ok(Arc::new(built.map_err(|error| {
        at("objects.google_credentials_file", error.to_string())
    })?))
}

fn azure(settings: &ObjectsSettings, container: &str) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client(settings)?)
        .with_retry(retry(settings));
    if settings.allow_http {
        builder = builder.with_allow_http(true);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(account) = &settings.access_key {
        builder = builder.with_account(account);
    }
    if let Some(key) = &settings.secret_key {
        builder = builder.with_access_key(key.expose());
    }
    let built = builder.build();
    Ok(Arc::new(built.map_err(|error| {
        let told = error.to_string();
        let option = match () {
            () if told.contains("Account must be specified") => "objects.access_key",
            () if told.contains("Invalid Access Key") => "objects.secret_key",
            () if told.contains("parse source url") => "objects.endpoint",
            () => "objects",
        };
        at(option, told)
    })?))
}

/// A folder must be there: creating it would fill the disk below a mount point that is not mounted.
fn folder(url: &Url) -> Result<Objects, ObjectsError> {
    let path = url
        .to_file_path()
        .map_err(|()| at("objects.url", format!("found {url}; accepted: file:///path")))?;
    if !path.is_dir() {
        return Err(ObjectsError::NoBucket {
            place: url.to_string(),
            detail: format!("{} is not a directory", path.display()),
        });
    }
    let store = LocalFileSystem::new_with_prefix(&path)
        .map_err(|error| refused(&error))?
        .with_fsync(true);
    let place = url.as_str().trim_end_matches('/');
    Ok(Objects::in_folder(Arc::new(store), place, path))
}

fn client(settings: &ObjectsSettings) -> Result<ClientOptions, ObjectsError> {
    let mut options = ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_connect_timeout(Duration::from_secs(settings.connect_timeout_seconds))
        .with_timeout(Duration::from_secs(settings.timeout_seconds));
    if let Some(path) = &settings.ca_file {
        let fault = |why: String| {
            at(
                "objects.ca_file",
                format!("{}: {why}; accepted: a PEM file", path.display()),
            )
        };
        let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fault(error.to_string()))?;
        for certificate in certificates {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

fn retry(settings: &ObjectsSettings) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: settings.retries,
        // Signatures hold for a quarter of an hour.
        retry_timeout: Duration::from_secs(180),
    }
}

fn refused(error: &object_store::Error) -> ObjectsError {
    at("objects", error.to_string())
}
