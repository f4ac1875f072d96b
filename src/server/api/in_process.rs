//! The API as the page asks it: the same routes, inside this process, in the name of whoever asks the page.
//!
//! What is asked in here goes through all that a call from outside does, but is neither counted nor logged as one:
//! the request that caused it is. The permits of the calls are their own; the page takes none beside them.

use super::caller::{Inside, OPERATOR, Peer};
use super::context::Context;
use super::places::NoPlace;
use super::request_id;
use super::routes;
use crate::domain::Millis;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use std::convert::Infallible;
use tower::ServiceExt;

/// What of a request is handed on to the calls that it causes: by which name we were asked, who asks, under which id.
const HANDED_ON: [HeaderName; 3] = [header::HOST, OPERATOR, request_id::HEADER];

/// Who asks the page, for the calls that are made in their name.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    headers: HeaderMap,
    peer: Option<Peer>,
    no_place: Option<NoPlace>,
}

impl Asker {
    /// The id of the request.
    pub fn request_id(&self) -> &str {
        let id = self.headers.get(request_id::HEADER);
        id.and_then(|id| id.to_str().ok()).unwrap_or("-")
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let handed_on = HANDED_ON.into_iter().filter_map(|name| {
            let value = parts.headers.get(&name)?.clone();
            Some((name, value))
        });
        Ok(Self {
            headers: handed_on.collect(),
            peer: parts.extensions.get::<Peer>().copied(),
            no_place: parts.extensions.get::<NoPlace>().copied(),
        })
    }
}

/// What a call answered.
#[derive(Clone, Debug)]
pub struct InsideAnswer {
    /// Its status.
    pub status: StatusCode,
    /// When to ask again, if the answer says so.
    pub retry_after: Option<HeaderValue>,
    /// Its body.
    pub body: Bytes,
}

/// The API, to be asked in here. Cheap to clone.
#[derive(Clone)]
pub struct InProcess {
    router: Router,
    context: Context,
}

impl InProcess {
    /// Over the routes that are served under this context.
    pub fn new(context: &Context) -> Self {
        Self {
            router: routes::bare(context),
            context: context.clone(),
        }
    }

    /// What the tracker takes for now.
    pub fn now(&self) -> Millis {
        self.context.clock().now()
    }

    /// GET of a path with its query, both percent-encoded.
    pub async fn get(&self, asker: &Asker, target: &str) -> InsideAnswer {
        let Ok(mut request) = Request::get(target).body(Body::empty()) else {
            return InsideAnswer::nothing(StatusCode::URI_TOO_LONG);
        };
        *request.headers_mut() = asker.headers.clone();
        request.extensions_mut().insert(Inside);
        if let Some(peer) = asker.peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(no_place) = asker.no_place {
            request.extensions_mut().insert(no_place);
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        // What breaks off in here was told in the log.
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            return InsideAnswer::nothing(StatusCode::INTERNAL_SERVER_ERROR);
        };
        InsideAnswer {
            status: parts.status,
            retry_after: parts.headers.get(header::RETRY_AFTER).cloned(),
            body,
        }
    }
}

impl InsideAnswer {
    fn nothing(status: StatusCode) -> Self {
        Self {
            status,
            retry_after: None,
            body: Bytes::new(),
        }
    }
}
