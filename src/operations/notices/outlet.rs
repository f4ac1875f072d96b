//! Somebody who is told notices: what the ways to do that have in common.

use super::notice::Notice;
use crate::domain::text::hex;
use crate::settings::mask_address;

/// A way to tell a webhook.
pub(super) trait Outlet {
    /// Tells a notice once, and waits until it is taken.
    fn send(&mut self, notice: &Notice) -> Result<(), SendError>;
}

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// It may be taken the next time.
    #[error("{0}")]
    Failed(String),
    /// The receiver says that it will never take this one.
    #[error("{0}")]
    Refused(String),
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its name in keys of the store: a hash, because addresses may hold passwords.
    pub(super) key: String,
    /// Its address as people may see it.
    pub(super) shown: String,
}

impl Target {
    pub(super) fn of(url: &str) -> Self {
        let hash = blake3::hash(url.as_bytes());
        // Many receivers have a secret in the path or in the query.
        let shown = mask_address(url);
        let (scheme, rest) = shown.split_once("://").unwrap_or(("", &shown));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Self {
            key: hex(&hash.as_bytes()[..16]),
            shown: format!("{scheme}://{host}"),
        }
    }
}
