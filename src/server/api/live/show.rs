//! The live stream.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody, ErrorKind};
use super::super::params::{Params, parse_number, shown};
use super::super::sagas::filter;
use super::frame::{self, FrameBody};
use super::stream;
use crate::domain::SagaType;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The header by which a client that comes back says what it had last.
const LAST_EVENT_ID: &str = "last-event-id";

/// The parameters of the live stream.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct LiveQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
}

/// How things stand, second by second
#[utoipa::path(
    get,
    path = "/api/v1/live",
    operation_id = "watchLive",
    tag = "sagas",
    description = "Server-sent events for as long as the client stays: a `frame` a second, the same for all who watch, \
                   and `end` when the tracker shuts down. A client that reads too slowly misses frames; one that comes \
                   back with Last-Event-ID is first sent what it missed of the last minute, as far as it is kept. At \
                   most server.max_live_connections at the same time: when all are taken, the address that has the most \
                   makes room for others. Beside all sagas at most 16 saga types are watched, 8 of them from one address: when all are taken, the \
                   address that watches the most makes room for others.",
    params(
        LiveQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The id of the last event that the client had."),
    ),
    responses(
        (status = 200, body = FrameBody, content_type = "text/event-stream", description = "The data of each `frame`."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
        (status = 404, body = ErrorBody, description = "There are no sagas of that type, and no definition names it."),
        (status = 503, body = ErrorBody, description = "Too many watch already."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut params = Params::of(query.as_deref());
    let saga_type = filter::saga_type(&mut params).map(SagaType::from);
    params.finish()?;
    let last = headers.get(LAST_EVENT_ID).map(last_event).transpose()?;
    let viewers = context.viewers();
    let seat = viewers.seat(caller.peer())?;
    if let Some(saga_type) = &saga_type
        && !context.knows_type(saga_type)?
    {
        let shown = shown(saga_type.as_str());
        let message =
            format!("sagaType: found {shown}, of which there are no sagas; accepted: a type that is in use");
        return Err(ApiError::new(ErrorKind::NotFound, message));
    }
    let watching = viewers.watch(seat, saga_type)?;
    if let Some(making) = viewers.make() {
        tokio::spawn(frame::make(context.clone(), making));
    }
    let body = stream::body(watching, last, viewers.ended());
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // Proxies that gather answers must not gather this one.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

fn last_event(value: &HeaderValue) -> Result<u64, ApiError> {
    let text = String::from_utf8_lossy(value.as_bytes());
    parse_number(&text, 0, u64::MAX).ok_or_else(|| {
        ApiError::faults(vec![Detail {
            parameter: "Last-Event-ID".to_owned(),
            found: shown(&text),
            accepted: "the id of an event of this stream, a whole number".to_owned(),
        }])
    })
}
