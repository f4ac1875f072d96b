//! Who asks. Passed into every call that changes something.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

/// The other end of a connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Who makes a request. Nobody has to prove who they are yet, so all that is known is the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Where the request came from; none inside the process.
    pub address: Option<SocketAddr>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "anonymous at {}", address.ip()),
            None => f.write_str("anonymous"),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            address: parts.extensions.get::<Peer>().map(|peer| peer.0),
        })
    }
}
