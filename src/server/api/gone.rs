//! Whether whoever asked still waits. A call that changes something is worked on to its end all the same
//! ([`super::middleware`]); what has not begun to change anything may ask.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use std::convert::Infallible;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Cancelled when the client goes away before it is answered.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientGone(pub(super) CancellationToken);

impl ClientGone {
    /// Tells the request's handler for as long as the guard lives.
    pub(super) fn watch(request: &mut Request) -> DropGuard {
        let gone = Self::default();
        let guard = gone.0.clone().drop_guard();
        request.extensions_mut().insert(gone);
        guard
    }

    /// What tells of the client of a watched request.
    pub(super) fn of(request: &Request) -> CancellationToken {
        let gone = request.extensions().get::<Self>().cloned();
        gone.unwrap_or_default().0
    }
}

impl<S: Sync> FromRequestParts<S> for ClientGone {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

tokio::task_local! {
    static GONE: CancellationToken;
}

/// Work that can ask by [`gone`] whether its client went away.
pub(super) async fn told<T>(client: CancellationToken, work: impl Future<Output = T>) -> T {
    GONE.scope(client, work).await
}

/// Returns when the client of the work around it has gone away; never when nobody told of one.
pub(super) async fn gone() {
    match GONE.try_with(Clone::clone) {
        Ok(client) => client.cancelled().await,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[tokio::test]
    async fn a_handler_is_told_when_nobody_waits_any_more() {
        let mut request = Request::new(Body::empty());
        let present = ClientGone::watch(&mut request);
        let (mut parts, _) = request.into_parts();
        let Ok(ClientGone(gone)) = ClientGone::from_request_parts(&mut parts, &()).await;
        assert!(!gone.is_cancelled());
        drop(present);
        assert!(gone.is_cancelled());
    }
}
