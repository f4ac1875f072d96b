//! What every request passes through, whatever its route: a request id, limits, a time limit, the
//! standard body for every error, latency, one line in the access log.

use super::audit_entry::Call;
use super::body_room;
use super::caller::Inside;
use super::context::Context;
use super::error::{ApiError, ErrorKind};
use super::gone::{self, ClientGone};
use super::origin;
use super::params::well_encoded;
use super::places::NoPlace;
use super::request_id;
use super::route::{Kind, LogLevel, Terms, Time};
use super::settings::ServerSettings;
use super::slow_body;
use super::text::Instant;
use crate::server::metrics::Answered;
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::any::Any;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// What no route matches counts and logs under this name.
pub(super) const UNMATCHED: &str = "unmatched";

/// What the middleware knows of a route.
#[derive(Clone)]
pub(super) struct RouteContext {
    context: Context,
    template: &'static str,
    terms: Terms,
}

/// Marks an answer whose body stays as it is, also where its status is one of errors.
#[derive(Clone, Copy, Debug)]
pub struct OwnBody;

impl RouteContext {
    pub(super) fn new(context: Context, template: &'static str, terms: Terms) -> Self {
        Self {
            context,
            template,
            terms,
        }
    }
}

/// Every answer has these: it is what it says it is, nobody keeps it unless it says otherwise, nobody is told where it came from,
/// and no page of another site shows it.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// What a browser may do with an answer: with data, nothing.
const OF_DATA: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
/// With a page of ours: run its own files, send its forms here and ask this tracker.
const OF_A_VIEW: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// With Swagger's page: run its own files and ask this tracker. It sets styles and shows images from inside its
/// script.
const OF_A_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// What is found under an address that names the file's content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Puts the middleware around the handlers of a route.
pub(super) fn around(handlers: MethodRouter<Context>, route: RouteContext) -> MethodRouter<Context> {
    handlers
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(route, pass))
}

async fn pass(State(route): State<RouteContext>, mut request: Request, next: Next) -> Response {
    let context = &route.context;
    let started = std::time::Instant::now();
    let id = context.request_ids().of(request.headers());
    let method = known_method(request.method());
    let uri = request.uri().clone();
    let is_inside = request.extensions().get::<Inside>().is_some();
    request.headers_mut().insert(request_id::HEADER, id.clone());

    let answer = match check(&request, &route) {
        Ok(()) => answer(&route, request, next).await,
        Err(error) => error.into_response(),
    };
    let mut response = standardize(answer, &uri, context);
    protect(&mut response, route.terms.kind);
    response.headers_mut().insert(request_id::HEADER, id.clone());
    if is_inside {
        return response;
    }

    let took = started.elapsed();
    let status = response.status().as_u16();
    context.metrics().answered(
        &Answered {
            endpoint: route.template,
            method,
            status,
        },
        took,
    );
    log(&route, method, status, took, &id);
    response
}

fn protect(response: &mut Response, kind: Kind) {
    let found = response.status().is_success();
    let headers = response.headers_mut();
    // An answer that may be kept, as long as it is asked for again, says so itself.
    let kept = headers
        .get(header::CACHE_CONTROL)
        .filter(|said| *said == "no-cache")
        .cloned();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    if let Some(kept) = kept {
        headers.insert(header::CACHE_CONTROL, kept);
    }
    if kind == Kind::Asset && found {
        headers.insert(header::CACHE_CONTROL, FOR_EVER);
    }
    let policy = match kind {
        Kind::Page => OF_A_PAGE,
        Kind::View => OF_A_VIEW,
        Kind::Data | Kind::Probe | Kind::Asset => OF_DATA,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

async fn answer(route: &RouteContext, mut request: Request, next: Next) -> Response {
    let _present = ClientGone::watch(&mut request);
    let timeout = route.context.settings().body_timeout();
    let request = request.map(|body| slow_body::bounded(body, timeout));
    // Kept until the answer is there.
    let (request, held) = body_room::counted_in(route.context.body_room(), request);
    let limit = (route.terms.time == Time::Bounded).then(|| route.context.settings().request_timeout());
    let (call, request) = Call::of(request, route.template);
    let Some(call) = call.filter(|_| route.template != UNMATCHED) else {
        return within(limit, next.run(request)).await;
    };
    // On a task of its own: a client that goes away takes neither the work with it nor its record.
    // What waits for a thread still is told when the client goes.
    let (context, client) = (route.context.clone(), ClientGone::of(&request));
    let work = tokio::spawn(async move {
        let _held = held;
        let response = gone::told(client, within(limit, next.run(request))).await;
        let error = response.extensions().get::<ApiError>();
        call.record(response.status(), error, &context).await;
        response
    });
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a call that changes something ended early");
        ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
    })
}

/// Refuses what there is no place for, what a page of another site may have caused, and what is too
/// large or malformed, before anyone works on it.
fn check(request: &Request, route: &RouteContext) -> Result<(), ApiError> {
    if route.terms.kind != Kind::Probe && request.extensions().get::<NoPlace>().is_some() {
        let message = "too many connections are open; close some, or raise server.max_connections or \
                       server.max_connections_per_peer";
        return Err(ApiError::new(ErrorKind::ServiceUnavailable, message).retry_after(Duration::from_secs(1)));
    }
    let settings = route.context.settings();
    let asked = origin::Asked {
        method: request.method(),
        uri_host: request.uri().authority().map(|authority| authority.as_str()),
        headers: request.headers(),
        has_body: !request.body().is_end_stream(),
        is_probe: route.terms.kind == Kind::Probe,
        is_view: route.terms.kind == Kind::View,
    };
    origin::check(asked, settings)?;
    check_size(request, settings)?;
    if !well_encoded(request.uri().path()) {
        let message =
            "the path holds a % without two hexadecimal digits behind it; a % itself is sent as %25";
        return Err(ApiError::new(ErrorKind::BadRequest, message));
    }
    Ok(())
}

fn check_size(request: &Request, settings: &ServerSettings) -> Result<(), ApiError> {
    let uri = request
        .uri()
        .path_and_query()
        .map_or("", |target| target.as_str());
    if uri.len() > settings.uri_limit_bytes {
        let limit = settings.uri_limit_bytes;
        let message = format!(
            "path and query have {} bytes; accepted are up to {limit}",
            uri.len()
        );
        return Err(ApiError::new(ErrorKind::UriTooLong, message));
    }
    let headers = uri.len() + header_bytes(request.headers());
    if headers > settings.header_limit_bytes {
        let limit = settings.header_limit_bytes;
        let message = format!("the headers have {headers} bytes; accepted are up to {limit}");
        return Err(ApiError::new(ErrorKind::HeadersTooLarge, message));
    }
    let body = request.body().size_hint().lower();
    if body > settings.body_limit_bytes {
        let limit = settings.body_limit_bytes;
        let message = format!("the body has {body} bytes; accepted are up to {limit}");
        return Err(ApiError::new(ErrorKind::PayloadTooLarge, message));
    }
    Ok(())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    // ": " and the line's end.
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

async fn within(limit: Option<Duration>, answer: impl Future<Output = Response>) -> Response {
    let Some(limit) = limit else {
        return answer.await;
    };
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let message = format!(
            "no answer within {} ms; ask for less, or later",
            limit.as_millis()
        );
        ApiError::new(ErrorKind::ServiceUnavailable, message)
            .retry_after(Duration::from_secs(1))
            .into_response()
    })
}

/// Gives every error the standard body, whoever made it.
fn standardize(response: Response, uri: &Uri, context: &Context) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error())
        || response.extensions().get::<OwnBody>().is_some()
    {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let error = parts
        .extensions
        .remove::<ApiError>()
        .unwrap_or_else(|| ApiError::of_status(status));
    let mut standard =
        Json(error.into_body(uri.path().to_owned(), Instant(context.clock().now()))).into_response();
    *standard.status_mut() = status;
    for name in [header::ALLOW, header::RETRY_AFTER] {
        keep(&parts.headers, standard.headers_mut(), &name);
    }
    standard
}

fn keep(from: &HeaderMap, to: &mut HeaderMap, name: &HeaderName) {
    if let Some(value) = from.get(name) {
        to.insert(name, value.clone());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over so")]
fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = said, "a handler panicked");
    ApiError::new(
        ErrorKind::InternalError,
        "the tracker failed to answer; its log says why",
    )
    .into_response()
}

/// A method as a label: clients may send any word.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn log(context: &RouteContext, method: &str, status: u16, took: Duration, id: &HeaderValue) {
    let ms = took.as_micros() as f64 / 1000.0;
    let id = id.to_str().unwrap_or("-");
    let route = context.template;
    match context.terms.log_level {
        LogLevel::Normal => {
            tracing::info!(target: "saga_tracker::access", method, route, status, ms, request_id = id);
        }
        LogLevel::Quiet => {
            tracing::debug!(target: "saga_tracker::access", method, route, status, ms, request_id = id);
        }
    }
}
