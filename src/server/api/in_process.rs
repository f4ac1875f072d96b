//! The API as the page asks it: the same routes, inside this process, in the name of whoever asks the page.
//!
//! What is asked in here goes through all that a call from outside does, but is neither counted nor logged as one:
//! the request that caused it is. The permits of the calls are their own; the page takes none beside them.

use super::caller::{Inside, OPERATOR, Peer};
use super::context::Context;
use super::error::{ApiError, ErrorKind};
use super::places::{self, NoPlace};
use super::request_id;
use super::routes;
use super::text::Instant;
use crate::domain::Millis;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use tower::ServiceExt;

/// What of a request is handed on to the calls that it causes: by which name we were asked, who asks, under which id.
const HANDED_ON: [HeaderName; 3] = [header::HOST, OPERATOR, request_id::HEADER];

/// Bytes of an answer that is read in here, at most: what is streamed outside is held whole inside.
const MAX_ANSWER_BYTES: usize = 8 << 20;

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
    /// Whether there was more of it than is read in here; then the body is an error that says so.
    pub is_too_large: bool,
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
        match whole(body).await {
            Ok(body) => InsideAnswer {
                status: parts.status,
                retry_after: parts.headers.get(header::RETRY_AFTER).cloned(),
                body,
                is_too_large: false,
            },
            Err(NotRead::TooLarge) => self.too_large(target),
            // What breaks off in here was told in the log.
            Err(NotRead::BrokeOff) => InsideAnswer::nothing(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Runs what takes a while on a thread of its own, when there is one for whoever asks.
    ///
    /// # Errors
    /// When there is none.
    pub async fn draw<T: Send + 'static>(
        &self,
        asker: &Asker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let peer = asker.peer.map(|peer| places::Peer::of(peer.0));
        self.context.drawing().run_for(peer, |_| work()).await
    }

    fn too_large(&self, target: &str) -> InsideAnswer {
        let message = format!(
            "the answer of this call has more than {} MiB, which the page does not hold; ask the call itself, which \
             sends it as it is read, or for less",
            MAX_ANSWER_BYTES >> 20
        );
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let error = ApiError::new(ErrorKind::Conflict, message).into_body(path, Instant(self.now()));
        InsideAnswer {
            status: StatusCode::CONFLICT,
            retry_after: None,
            body: serde_json::to_vec(&error).unwrap_or_default().into(),
            is_too_large: true,
        }
    }
}

/// Why an answer is not there.
#[derive(Debug, PartialEq, Eq)]
enum NotRead {
    TooLarge,
    BrokeOff,
}

/// All of a body, if it is not too large: no more of it is made then.
async fn whole(mut body: Body) -> Result<Bytes, NotRead> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        let Ok(data) = frame.map_err(|_| NotRead::BrokeOff)?.into_data() else {
            continue;
        };
        if read.len() + data.len() > MAX_ANSWER_BYTES {
            return Err(NotRead::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.into())
}

impl InsideAnswer {
    fn nothing(status: StatusCode) -> Self {
        Self {
            status,
            retry_after: None,
            body: Bytes::new(),
            is_too_large: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_held_up_to_a_bound() {
        let fits = vec![b'a'; MAX_ANSWER_BYTES];
        assert_eq!(whole(Body::from(fits.clone())).await, Ok(Bytes::from(fits)));
        let more = vec![b'a'; MAX_ANSWER_BYTES + 1];
        assert_eq!(whole(Body::from(more)).await, Err(NotRead::TooLarge));
    }
}
