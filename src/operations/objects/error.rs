//! What a store's refusal means, and which option to look at.

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as StdError;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// Nobody said where objects are kept.
    #[error(
        "objects.url is not set; accepted: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///path"
    )]
    NotConfigured,
    /// An option that no store can be opened with.
    #[error("{option}: {message}")]
    Setting {
        /// The option at fault.
        option: &'static str,
        /// What was found and what is accepted.
        message: String,
    },
    /// The store does not let us in, or not do this.
    #[error("{place} refuses us: {detail}; check {option}")]
    Refused {
        /// Where.
        place: String,
        /// The option to look at.
        option: &'static str,
        /// What the store said.
        detail: String,
    },
    /// There is no such bucket, container or folder.
    #[error("{place} does not exist: {detail}; create it, or check objects.url")]
    NoBucket {
        /// Where.
        place: String,
        /// What the store said.
        detail: String,
    },
    /// The store does not answer.
    #[error("{place} cannot be reached: {detail}; check {option} and the network")]
    Unreachable {
        /// Where.
        place: String,
        /// The option to look at.
        option: &'static str,
        /// What went wrong.
        detail: String,
    },
    /// There is no such object.
    #[error("{place} has no object {name}")]
    Missing {
        /// Where.
        place: String,
        /// The object.
        name: String,
    },
    /// The store failed; trying again may help.
    #[error("{place} failed: {detail}")]
    Failed {
        /// Where.
        place: String,
        /// What the store said.
        detail: String,
    },
}

/// What stores call it, and the option to look at.
const CODES: &[(&str, &str)] = &[
    ("InvalidAccessKeyId", "objects.access_key"),
    ("SignatureDoesNotMatch", "objects.secret_key"),
    ("ExpiredToken", "objects.session_token"),
    ("InvalidToken", "objects.session_token"),
    ("AuthorizationHeaderMalformed", "objects.region"),
    ("PermanentRedirect", "objects.region"),
    ("incorrectly configured region", "objects.region"),
    ("RequestTimeTooSkewed", "this machine's clock"),
];

/// The options to look at, by provider.
struct Suspects {
    /// When who we are, or what we may do, is not enough.
    credentials: &'static str,
    /// When the machine was asked for a role, and has none.
    no_role: &'static str,
    /// When nobody answers.
    address: &'static str,
}

const SUSPECTS: Suspects = Suspects {
    credentials: "objects.access_key, objects.secret_key, and what they are allowed to do",
    no_role: "objects.access_key and objects.secret_key: none are set, and the machine has no role",
    address: "objects.endpoint",
};

const GOOGLE: Suspects = Suspects {
    credentials: "objects.google_credentials_file, and what its account is allowed to do",
    no_role: "objects.google_credentials_file: it is not set, and the machine has no role",
    ..SUSPECTS
};

const AZURE: Suspects = Suspects {
    no_role: "objects.secret_key: it is not set, and the machine has no role",
    address: "objects.access_key, whose account is part of the address, objects.endpoint",
    ..SUSPECTS
};

fn suspects(place: &str) -> &'static Suspects {
    match place.split_once("://") {
        Some(("gs", _)) => &GOOGLE,
        Some(("az", _)) => &AZURE,
        _ => &SUSPECTS,
    }
}

impl ObjectsError {
    /// Whether trying again, with nothing changed, may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. })
    }

    /// What an error of the store in `place` means.
    pub(super) fn of(place: &str, error: &Error) -> Self {
        let suspects = suspects(place);
        let place = place.to_owned();
        let detail = told(error);
        if let Some((_, option)) = CODES.iter().find(|(code, _)| detail.contains(code)) {
            return Self::Refused {
                place,
                option,
                detail,
            };
        }
        if names_a_bucket(&detail) {
            return Self::NoBucket { place, detail };
        }
        if detail.contains("scheme is not allowed") {
            return Self::Setting {
                option: "objects.allow_http",
                message: format!("{place} has an address without TLS; true accepts that"),
            };
        }
        match error {
            Error::NotFound { path, .. } => Self::Missing {
                place,
                name: path.clone(),
            },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::Refused {
                place,
                option: suspects.credentials,
                detail,
            },
            _ if is_refusal(&detail) => Self::Refused {
                place,
                option: suspects.credentials,
                detail,
            },
            // What is asked for a role on a machine that has none.
            _ if detail.contains("169.254.") || detail.contains("metadata.google.internal") => {
                Self::Refused {
                    place,
                    option: suspects.no_role,
                    detail,
                }
            }
            _ if is_connection(error) => Self::Unreachable {
                place,
                option: suspects.address,
                detail,
            },
            _ => Self::Failed { place, detail },
        }
    }
}

/// What is answered to a list arrives without its kind, on Azure and Google; the status is in the words.
fn is_refusal(detail: &str) -> bool {
    ["status code: 401", "status code: 403"]
        .iter()
        .any(|words| detail.contains(words))
}

fn names_a_bucket(detail: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]
        .iter()
        .any(|words| detail.contains(words))
}

fn is_connection(error: &Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return matches!(
                http.kind(),
                HttpErrorKind::Connect
                    | HttpErrorKind::Timeout
                    | HttpErrorKind::Interrupted
                    | HttpErrorKind::Request
            );
        }
        cause = error.source();
    }
    false
}

/// The chain of causes as one line; each says again what the one before it said, so the parts that
/// are new are taken.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let deeper = error.to_string();
        if !text.contains(&deeper) {
            text = format!("{text}: {deeper}");
        }
        cause = error.source();
    }
    // Stores answer in XML over several lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
