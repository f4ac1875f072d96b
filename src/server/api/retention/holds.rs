//! Legal holds: what may not be removed.

use super::super::audit_entry::AuditEntry;
use super::super::body::{JsonBody, object_or_null};
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_text};
use super::super::saga_fields::Status;
use super::super::text::{ACCEPTED, Edge, Instant, parse_edge};
use super::{ReasonBody, ask, checked, invalid};
use crate::domain::{Millis, SagaId, SagaStatus};
use crate::operations::retention::body::HoldBody;
use crate::operations::retention::{Hold, HoldQuery, Lifted, Scope};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// No id of a saga is longer.
const MAX_ID_CHARS: usize = 255;

/// What to keep: exactly one of sagaId, orderId, query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewHold)]
pub(super) struct NewHoldBody {
    /// One saga.
    #[serde(default)]
    #[schema(nullable = false)]
    saga_id: Option<String>,
    /// The sagas of an order.
    #[serde(default)]
    #[schema(nullable = false)]
    order_id: Option<String>,
    /// The sagas that match all that is given; at least one part is.
    #[serde(default, deserialize_with = "object_or_null")]
    #[schema(nullable = false)]
    query: Option<NewQueryBody>,
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S", example = "case 2026-17")]
    reason: String,
}

/// Which sagas.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewHoldQuery)]
struct NewQueryBody {
    /// Of this type.
    #[serde(default)]
    #[schema(nullable = false)]
    saga_type: Option<String>,
    /// In this status.
    #[serde(default)]
    #[schema(value_type = Option<Status>, nullable = false)]
    status: Option<String>,
    /// Started at or after: an instant or a date.
    #[serde(default)]
    #[schema(nullable = false)]
    from_date: Option<String>,
    /// Started at or before: an instant or a date.
    #[serde(default)]
    #[schema(nullable = false)]
    to_date: Option<String>,
}

impl NewQueryBody {
    fn read(self) -> Result<HoldQuery, ApiError> {
        let edge = |name: &str, text: Option<String>, edge: Edge| match text {
            None => Ok(None),
            Some(text) => match parse_edge(&text, edge) {
                Some(at) => Ok(Some(at.0)),
                None => Err(invalid(format!("{name}: accepted: {ACCEPTED}"))),
            },
        };
        Ok(HoldQuery {
            saga_type: self.saga_type,
            status: self.status,
            from_millis: edge("fromDate", self.from_date, Edge::First)?,
            to_millis: edge("toDate", self.to_date, Edge::Last)?,
        })
    }
}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Hold)]
pub(super) struct OneHoldBody {
    /// Its name.
    id: u64,
    #[schema(required)]
    saga_id: Option<String>,
    #[schema(required)]
    order_id: Option<String>,
    #[schema(required)]
    query: Option<QueryBody>,
    /// Who set it.
    by: String,
    /// Why.
    reason: String,
    /// When.
    at: Instant,
    /// Whether it is in force.
    active: bool,
    #[schema(required)]
    lifted: Option<LiftedBody>,
}

/// Which sagas a hold keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HoldQuery)]
struct QueryBody {
    #[schema(required)]
    saga_type: Option<String>,
    #[schema(required)]
    status: Option<Status>,
    #[schema(required)]
    from_date: Option<Instant>,
    #[schema(required)]
    to_date: Option<Instant>,
}

/// The end of a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HoldLifted)]
struct LiftedBody {
    /// Who lifted it.
    by: String,
    /// Why.
    reason: String,
    /// When.
    at: Instant,
}

impl From<Lifted> for LiftedBody {
    fn from(lifted: Lifted) -> Self {
        Self {
            by: lifted.by,
            reason: lifted.reason,
            at: Instant(lifted.at),
        }
    }
}

impl From<Hold> for OneHoldBody {
    fn from(hold: Hold) -> Self {
        let (mut saga_id, mut order_id, mut query) = (None, None, None);
        match hold.scope {
            Scope::Saga(saga) => saga_id = Some(saga.as_str().to_owned()),
            Scope::Order(order) => order_id = Some(order.as_str().to_owned()),
            Scope::Query(wanted) => {
                query = Some(QueryBody {
                    status: wanted
                        .status
                        .and_then(|status| status.parse::<SagaStatus>().ok())
                        .map(Status::from),
                    saga_type: wanted.saga_type,
                    from_date: wanted.from_millis.map(|at| Instant(Millis(at))),
                    to_date: wanted.to_millis.map(|at| Instant(Millis(at))),
                });
            }
        }
        Self {
            id: hold.id,
            saga_id,
            order_id,
            query,
            by: hold.by,
            reason: hold.reason,
            at: Instant(hold.at),
            active: hold.lifted.is_none(),
            lifted: hold.lifted.map(LiftedBody::from),
        }
    }
}

/// Which holds.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameter is read by itself"
)]
pub(super) struct HoldsQuery {
    /// Those in force that keep this saga as it stands; of one that was removed, those that name it.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    saga_id: Option<String>,
}

/// Holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Holds)]
pub(super) struct HoldsBody {
    content: Vec<OneHoldBody>,
}

/// All holds, lifted ones included, or those of a saga
#[utoipa::path(
    get,
    path = "/api/v1/holds",
    operation_id = "getHolds",
    tag = "retention",
    params(HoldsQuery),
    responses(
        (status = 200, body = HoldsBody, description = "Oldest first."),
        (status = 400, body = ErrorBody, description = "The parameter is not as it must be."),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<HoldsBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let saga = params.take(&["sagaId"], "1 to 255 characters", |text| {
        parse_text(text, MAX_ID_CHARS).map(SagaId::from)
    });
    params.finish()?;
    let holds = ask(&context, move |retention| match saga {
        Some(saga) => Ok(retention.holds_of(&saga)?),
        None => Ok(retention.holds()?),
    })
    .await?;
    Ok(Json(HoldsBody {
        content: holds.into_iter().map(OneHoldBody::from).collect(),
    }))
}

/// Keeps sagas from being removed
#[utoipa::path(
    post,
    path = "/api/v1/holds",
    operation_id = "addHold",
    tag = "retention",
    description = "A decision on the ops topic: in force on every replica, against every purge decided after it.",
    request_body = NewHoldBody,
    responses(
        (status = 201, body = OneHoldBody, description = "It is in force."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "Kafka cannot be reached."),
    )
)]
pub(super) async fn add(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<NewHoldBody>,
) -> Result<(StatusCode, Json<OneHoldBody>), ApiError> {
    let target = match (&body.saga_id, &body.order_id) {
        (Some(saga), _) => format!("saga {saga}"),
        (_, Some(order)) => format!("order {order}"),
        _ => "query".to_owned(),
    };
    audit_entry.act("hold", &target, &body.reason);
    let hold = ask(&context, move |retention| {
        let by = caller.act("hold", &target, checked(&body.reason)?);
        let what = HoldBody {
            saga: body.saga_id,
            order: body.order_id,
            query: body.query.map(NewQueryBody::read).transpose()?,
        };
        Ok(retention.hold(&what, &by)?)
    })
    .await?;
    audit_entry.set_result(format!("hold {}", hold.id));
    Ok((StatusCode::CREATED, Json(hold.into())))
}

/// Lifts a hold
#[utoipa::path(
    post,
    path = "/api/v1/holds/{holdId}/lift",
    operation_id = "liftHold",
    tag = "retention",
    params(("holdId" = u64, Path, description = "Its name.")),
    request_body = ReasonBody,
    responses(
        (status = 200, body = OneHoldBody, description = "It is lifted."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the name or the body."),
        (status = 404, body = ErrorBody, description = "There is no such hold."),
        (status = 409, body = ErrorBody, description = "It was lifted already."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "Kafka cannot be reached."),
    )
)]
pub(super) async fn lift(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<Json<OneHoldBody>, ApiError> {
    let target = format!("hold {id}");
    audit_entry.act("lift", &target, &body.reason);
    let hold = ask(&context, move |retention| {
        let by = caller.act("lift", &target, checked(&body.reason)?);
        let id = id
            .parse()
            .map_err(|_| invalid("holdId: accepted: a whole number"))?;
        Ok(retention.lift(id, &by)?)
    })
    .await?;
    Ok(Json(hold.into()))
}
