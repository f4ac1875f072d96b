//! The events behind a place in the topic; when there are none yet, it is waited for them.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_number, parse_text};
use super::super::saga_fields::Status;
use super::super::sagas::filter;
use super::super::text::Instant;
use super::{cut, reader};
use crate::domain::{SagaId, SagaStatus, SagaType};
use crate::pipeline::query::{EventsAfter, EventsRequest, FollowedEvent};
use axum::Json;
use axum::extract::{RawQuery, State};
use saga_tracker_sdk::contract::limits::MAX_ID_CHARS;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 100;
const MAX_SIZE: u64 = 1_000;
const MAX_WAIT_SECONDS: u64 = 30;
const MAX_NAME_CHARS: usize = 255;

/// Which events.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct EventsQuery {
    /// `next` of an earlier answer: answers with what lies behind it. Without it, no events are answered, but where
    /// the topic ends now. `0@0`: from the first one.
    #[param(value_type = Option<String>, min_length = 3)]
    after: Option<String>,
    /// Events of one answer, at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    size: Option<u64>,
    /// Seconds that are waited for an event when there is none.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 30, default = 0)]
    wait: Option<u64>,
    /// Events of sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    /// Events of this saga.
    #[param(value_type = Option<String>, min_length = 1)]
    saga_id: Option<String>,
    /// Events of this step.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "STOCK_RESERVED")]
    step: Option<String>,
    /// Events with this status.
    #[param(value_type = Option<Status>)]
    status: Option<SagaStatus>,
    /// Events that this service reported. Also understood as `service`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-service")]
    producer_service: Option<String>,
}

/// Events behind a place in the topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FollowedEvents)]
pub(super) struct EventsBody {
    /// The events, by when they arrived.
    events: Vec<FollowedEventBody>,
    /// Leads to what lies behind these, as `after`.
    #[schema(example = "0@412,1@398")]
    next: String,
    /// Whether there is more behind already.
    more: bool,
}

/// An event as it came.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FollowedEvent)]
struct FollowedEventBody {
    saga_id: String,
    #[schema(example = "ORDER_CREATION")]
    saga_type: String,
    order_id: String,
    event_id: String,
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    /// What the producer said about the saga.
    status: Status,
    /// What that means for the saga, by its type and definition.
    effective_status: Status,
    #[schema(required)]
    producer_service: Option<String>,
    #[schema(required)]
    trace_id: Option<String>,
    /// Event time.
    recorded_at: Instant,
    /// Arrival time.
    arrived_at: Instant,
    /// The partition of the tracker topic that it lies in.
    partition: u32,
    /// Its offset there.
    offset: u64,
    /// True when it is a delivery that did not stand. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duplicate: Option<bool>,
    /// True when it is an operator's change of status that was refused when it was applied. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<bool>,
}

impl From<&FollowedEvent> for FollowedEventBody {
    fn from(followed: &FollowedEvent) -> Self {
        let event = &followed.event;
        Self {
            saga_id: event.saga_id.as_str().to_owned(),
            saga_type: event.saga_type.as_str().to_owned(),
            order_id: event.order_id.as_str().to_owned(),
            event_id: event.event_id.as_str().to_owned(),
            step: event.step.as_str().to_owned(),
            status: event.status.into(),
            effective_status: followed.effective.into(),
            producer_service: event.producer_service.as_deref().map(str::to_owned),
            trace_id: event.trace_id.as_deref().map(str::to_owned),
            recorded_at: Instant(event.recorded_at),
            arrived_at: Instant(event.arrived_at),
            partition: event.position.partition,
            offset: event.position.offset,
            duplicate: followed.duplicate.then_some(true),
            refused: followed.refused.then_some(true),
        }
    }
}

impl From<EventsAfter> for EventsBody {
    fn from(found: EventsAfter) -> Self {
        Self {
            events: found
                .events
                .iter()
                .map(|event| FollowedEventBody::from(&**event))
                .collect(),
            next: cut::text(&found.next),
            more: found.more,
        }
    }
}

fn parse(query: Option<&str>) -> Result<(EventsRequest, Duration), ApiError> {
    let mut params = Params::of(query);
    let after = params.take(&["after"], "next of an earlier answer, or 0@0", cut::parse);
    let size = params.size(MAX_SIZE);
    let seconds = format!("a whole number from 0 to {MAX_WAIT_SECONDS}");
    let wait = params.take(&["wait"], &seconds, |text| {
        parse_number(text, 0, MAX_WAIT_SECONDS)
    });
    let saga_type = filter::saga_type(&mut params).map(SagaType::from);
    let mut name = |names: &[&str], most: usize| {
        let accepted = format!("1 to {most} characters");
        params.take(names, &accepted, |text| parse_text(text, most).map(str::to_owned))
    };
    let saga = name(&["sagaId"], MAX_ID_CHARS).map(SagaId::from);
    let step = name(&["step"], MAX_NAME_CHARS);
    let service = name(&["producerService", "service"], MAX_NAME_CHARS);
    let status = filter::status(&mut params);
    params.finish()?;
    let request = EventsRequest {
        after,
        saga,
        saga_type,
        step,
        status,
        service,
        limit: usize::try_from(size.unwrap_or(DEFAULT_SIZE)).unwrap_or(usize::MAX),
    };
    Ok((request, Duration::from_secs(wait.unwrap_or(0))))
}

/// Events as they come
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "followEvents",
    tag = "sagas",
    description = "The events behind a place in the topic that answers show already, from the log: each delivery, in the \
                   order of its partition. Begin without `after`, which tells where the topic ends, and ask on with \
                   `next`. With `wait` an answer comes as soon as there is an event; such calls count among \
                   server.max_live_connections. An answer may be empty and have `more`: so much is looked through for \
                   one answer.",
    params(EventsQuery),
    responses(
        (status = 200, body = EventsBody, description = "What was found, and where to go on."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
        (status = 503, body = ErrorBody, description = "Too many wait already."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<EventsBody>, ApiError> {
    let (request, wait) = parse(query.as_deref())?;
    let (peer, viewers) = (caller.peer(), context.viewers());
    let waits = !wait.is_zero() && request.after.is_some();
    let seat = waits.then(|| viewers.seat(peer)).transpose()?;
    let found = context.events_after(peer, request.clone()).await?;
    let Some(seat) = seat.filter(|_| !found.is_news()) else {
        return Ok(Json(found.into()));
    };
    let request = EventsRequest {
        after: Some(found.next.clone()),
        ..request
    };
    let waiters = context.waiters();
    let comes = waiters.wait(request.clone());
    if let Some(reader) = waiters.read() {
        tokio::spawn(reader::read(context.clone(), reader));
    }
    let (ended, lost) = (viewers.ended(), seat.lost());
    let found = tokio::select! {
        biased;
        () = ended.cancelled() => found,
        () = lost.cancelled() => found,
        comes = comes => match comes {
            Ok(found) => found,
            Err(_) => context.events_after(peer, request).await?,
        },
        () = tokio::time::sleep(wait) => found,
    };
    Ok(Json(found.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_or_refused_by_name() {
        let query = "after=0@7&size=5&wait=30&type=T&sagaId=s&step=A&status=FAILED&service=x";
        let (request, wait) = parse(Some(query)).unwrap();
        assert_eq!(wait, Duration::from_secs(30));
        let cut = [(0, 7)].into_iter().collect();
        assert_eq!((request.after, request.limit), (Some(cut), 5));
        assert_eq!(
            (
                request.saga_type,
                request.saga,
                request.step,
                request.status,
                request.service
            ),
            (
                Some("T".into()),
                Some("s".into()),
                Some("A".to_owned()),
                Some(SagaStatus::Failed),
                Some("x".to_owned())
            )
        );
        for (query, parameter) in [
            ("after=x", "after"),
            ("size=1001", "size"),
            ("wait=31", "wait"),
            ("status=DONE", "status"),
            ("step=", "step"),
            ("producerService=a&service=b", "producerService"),
        ] {
            let refused = parse(Some(query)).unwrap_err().to_string();
            assert!(refused.starts_with(parameter), "{refused}");
        }
    }
}
