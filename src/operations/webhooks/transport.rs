//! Somebody who is told notices: what the ways to do that have in common.

use super::notice::Notice;
use crate::domain::text::hex;
use crate::settings::{Secret, mask_address};

/// A way to tell a webhook.
pub(super) trait Transport {
    /// Tells a notice once, and waits until it is taken.
    fn send(&mut self, notice: &Notice) -> Result<(), SendError>;
}

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// Nobody was there to take it.
    #[error("{0}")]
    Away(String),
    /// The receiver did not take it, and may the next time.
    #[error("{0}")]
    Failed(String),
    /// The receiver says that it will never take this one.
    #[error("{0}")]
    Refused(String),
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Webhook {
    /// Its name in keys of the store: a hash, because addresses may hold passwords.
    pub(super) key: String,
    /// Its address as people may see it.
    pub(super) shown: String,
}

impl Webhook {
    pub(super) fn of(url: &str) -> Self {
        let hash = blake3::hash(url.as_bytes());
        Self {
            key: hex(&hash.as_bytes()[..16]),
            shown: shown(url),
        }
    }
}

/// Only where it leads to: many receivers have a secret in the path or in the query.
pub(super) fn shown(url: &str) -> String {
    let masked = mask_address(url);
    let Some((scheme, rest)) = masked.split_once("://") else {
        return Secret::MASK.to_owned();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}")
}
