//! Who asks. Passed into every call that changes something.

use super::places;
use crate::domain::text::first;
use crate::operations::audit::Act;
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

/// The header in which a client says who is at work.
pub const OPERATOR: HeaderName = HeaderName::from_static("x-operator");

const MAX_NAME_CHARS: usize = 200;

/// The other end of a connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Marks a request that was made inside this process, for one that came from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside;

/// Who makes a request. Nobody has to prove who they are yet: the address is what the server saw, the
/// name what the client says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Caller {
    /// Where the request came from; none inside the process.
    pub address: Option<SocketAddr>,
    /// Who the client says is at work, in the header `X-Operator`.
    pub name: Option<String>,
}

impl Caller {
    /// The name, or that there is none.
    pub fn who(&self) -> &str {
        self.name.as_deref().unwrap_or("anonymous")
    }

    /// The address, or that there is none.
    pub fn origin(&self) -> String {
        self.address
            .map_or_else(|| "this process".to_owned(), |address| address.ip().to_string())
    }

    /// What this caller does, for the audit log.
    pub fn act(&self, action: &str, target: &str, why: &str) -> Act {
        Act {
            who: self.who().to_owned(),
            origin: self.origin(),
            action: action.to_owned(),
            target: target.to_owned(),
            why: why.to_owned(),
        }
    }

    /// Who counts as one with it.
    pub(super) fn peer(&self) -> Option<places::Peer> {
        self.address.map(places::Peer::of)
    }

    pub(super) fn of(parts: &Parts) -> Self {
        let name = parts
            .headers
            .get(OPERATOR)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
            .map(|name| first(name.trim(), MAX_NAME_CHARS).to_owned())
            .filter(|name| !name.is_empty());
        Self {
            address: parts.extensions.get::<Peer>().map(|peer| peer.0),
            name,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} at {}", self.who(), address.ip()),
            None => f.write_str(self.who()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
