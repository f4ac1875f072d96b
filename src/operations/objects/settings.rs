//! Where objects are kept, and how patiently.

use crate::settings::{Secret, settings};
use std::path::PathBuf;

settings! {
    /// Where objects are kept, and how patiently. What is not set here is taken from the environment that the
    /// provider's own tools use (`AWS_…`, `GOOGLE_…`, `AZURE_…`), then from the machine's role.
    #[derive(Debug)]
    pub struct ObjectsSettings of [objects] {
        /// Where snapshots and the archive are kept: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix
        /// or file:///path of a folder that exists. A prefix belongs to one tracker.
        #[option(Text, flag = "objects-url")]
        pub url: Option<String> = None,
        /// Address of the object store when it is not the provider's own, e.g. http://minio:9000; of Azurite,
        /// http://azurite:10000/ACCOUNT.
        #[option(Text)]
        pub endpoint: Option<String> = None,
        /// S3 region.
        #[option(Text)]
        pub region: Option<String> = None,
        /// S3 access key id, or Azure storage account, which may stand alone where the machine has a role. Without
        /// keys, those of the environment (AWS_..., GOOGLE_..., AZURE_...) are used, then the machine's role.
        #[option(Text)]
        pub access_key: Option<String> = None,
        /// S3 secret access key, or Azure account key.
        #[option(Secret)]
        pub secret_key: Option<Secret> = None,
        /// File that holds the secret key.
        #[option(Path)]
        pub secret_key_file: Option<PathBuf> = None,
        /// S3 session token of temporary keys.
        #[option(Secret)]
        pub session_token: Option<Secret> = None,
        /// File that holds the session token.
        #[option(Path)]
        pub session_token_file: Option<PathBuf> = None,
        /// Google service account, as its JSON file.
        #[option(Path)]
        pub google_credentials_file: Option<PathBuf> = None,
        /// PEM file with certificate authorities to trust beside the system's.
        #[option(Path)]
        pub ca_file: Option<PathBuf> = None,
        /// Whether an object store without TLS is accepted.
        #[option(Switch)]
        pub allow_http: bool = false,
        /// Whether S3 requests name the bucket in the host instead of the path.
        #[option(Switch)]
        pub virtual_hosted: bool = false,
        /// How long to wait for a connection to the object store, seconds.
        #[option(SECONDS)]
        pub connect_timeout_seconds: u64 = 5,
        /// How long one request to the object store, of at most 8 MiB, may take, seconds.
        #[option(SECONDS)]
        pub timeout_seconds: u64 = 60,
        /// How often a request is sent again after a 5xx or a broken connection, waiting longer each time.
        #[option(Integer(0, 100))]
        pub retries: usize = 6,
    }
}
