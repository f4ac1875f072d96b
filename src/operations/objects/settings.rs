//! Where objects are kept, and how patiently.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where objects are kept, and how patiently. What is not set here is taken from the environment
/// that the provider's own tools use (`AWS_…`, `GOOGLE_…`, `AZURE_…`), then from the machine's role.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectsSettings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///path`.
    pub url: String,
    /// Another address than the provider's; for Azure with the account in it, where it is in the path.
    pub endpoint: Option<String>,
    /// S3 region.
    pub region: Option<String>,
    /// S3 access key id, or Azure account.
    pub access_key: Option<String>,
    /// S3 secret access key, or Azure account key.
    pub secret_key: Option<String>,
    /// S3 session token.
    pub session_token: Option<String>,
    /// Google service account, JSON.
    pub google_credentials_file: Option<PathBuf>,
    /// PEM file with authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether an address without TLS will do.
    pub allow_http: bool,
    /// Whether the bucket is part of the host name.
    pub virtual_hosted: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time for one request, of at most a few MiB.
    pub timeout: Duration,
    /// So many times a request is sent again after a 5xx or a broken connection.
    pub retries: usize,
    /// Longest wait between two of them; the first is a tenth of a second, then it doubles.
    pub max_backoff: Duration,
}

impl Default for ObjectsSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            google_credentials_file: None,
            ca_file: None,
            allow_http: false,
            virtual_hosted: false,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            retries: 6,
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ObjectsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectsSettings")
            .field("url", &self.url)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
