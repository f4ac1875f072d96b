//! Every state that a saga went through, sent as they are read, or page by page.

use super::super::caller::Caller;
use super::super::chunked;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::json_list::JsonList;
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::Instant;
use super::moment::{self, BasisBody};
use super::part::{PartQuery, place_text};
use super::past::PastEventBody;
use crate::domain::SagaId;
use crate::pipeline::query::{Basis, Moment, PastState, Timeline};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// Every state that a saga went through.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = History)]
pub(super) struct HistoryBody<'a> {
    saga_id: &'a str,
    /// The event time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    as_of: Option<Instant>,
    /// The arrival time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    known_at: Option<Instant>,
    #[serde(flatten)]
    basis: BasisBody,
    /// The states, in the order of the timeline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required)]
    states: Vec<StateBody>,
    /// Leads to the states behind these, as `after`. Absent when there are none, and when all were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A state that a saga went through.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PastState)]
struct StateBody {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    number: u32,
    status: Status,
    /// Since when: the time of the event that caused it.
    from: Instant,
    /// Until when: the time of the event that ended it; null when the saga is in it.
    #[schema(required)]
    until: Option<Instant>,
    /// How long it lasted; null when the saga is in it.
    #[schema(required)]
    duration_millis: Option<u64>,
    /// The event that caused it.
    cause: PastEventBody,
    /// Events of the timeline while it lasted, the cause among them.
    events: u32,
    /// How many events while it lasted are worth a look: late, a duplicate, an operator's, odd.
    remarkable_count: u32,
    /// The first hundred of those, in the order of the timeline. The cause is not among them.
    remarkable: Vec<PastEventBody>,
}

impl From<PastState> for StateBody {
    fn from(state: PastState) -> Self {
        Self {
            number: state.number,
            status: state.status.into(),
            from: Instant(state.from),
            until: state.until.map(Instant),
            duration_millis: state.duration_millis(),
            cause: state.cause.into(),
            events: state.events,
            remarkable_count: state.remarkable.total,
            remarkable: state.remarkable.kept.into_iter().map(Into::into).collect(),
        }
    }
}

impl<'a> HistoryBody<'a> {
    /// What stands before the states.
    fn head(saga: &'a SagaId, moment: Moment, basis: &Basis) -> Self {
        let [as_of, known_at] = moment::instants(moment);
        Self {
            saga_id: saga.as_str(),
            as_of,
            known_at,
            basis: basis.into(),
            states: Vec::new(),
            next: None,
        }
    }
}

/// Every state that a saga went through
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}/history",
    operation_id = "getHistory",
    tag = "sagas",
    description = "With the event that caused each state, how long it lasted, and what else is worth a look: late \
                   arrivals, duplicates, operators' changes, anomalies.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        PartQuery,
    ),
    responses(
        (status = 200, body = HistoryBody<'static>, description = "Its states: all of them, or a page when size or after is given."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, it had not begun at that moment, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "It has more than a million events, or too many of them came again."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = PartQuery::parse(query.as_deref())?;
    let (what, moment) = (format!("the history of saga {id}"), query.moment());
    let write = move |parts| async move {
        let saga = id.clone();
        let question = move |timeline: &mut Timeline<'_>| {
            let head = HistoryBody::head(&saga, moment, timeline.basis());
            let mut list = JsonList::begin(parts, &head, "states", query.page());
            let mut last = None;
            let begun = timeline.history(moment, query.after, &mut |state| {
                let place = state.cause.place;
                let flow = list.add(&StateBody::from(state));
                if flow.is_continue() {
                    last = Some(place);
                }
                flow
            })?;
            if !begun {
                return Err(timeline.not_begun(moment));
            }
            list.end(last.map(place_text));
            Ok(())
        };
        moment::ask(&context, (&id, query.archive), caller.peer(), question).await
    };
    chunked::sent(what, write).await
}

#[cfg(not(test))]
const _: () = assert!(crate::pipeline::query::MAX_REMARKABLE == 100, "as documented");
