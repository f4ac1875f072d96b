//! What is known of a removed saga.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::super::params::shown;
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::Instant;
use crate::domain::{Event, Position};
use crate::pipeline::query::PurgedView;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The record of a removal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PurgedSaga)]
pub(super) struct PurgedBody {
    saga_id: String,
    saga_type: String,
    order_id: String,
    /// Its last status.
    status: Status,
    started_at: Instant,
    updated_at: Instant,
    /// Events in its timeline.
    step_count: u32,
    /// Deliveries that were removed, duplicates included.
    events: u32,
    /// The hash over them, hexadecimal.
    hash: String,
    /// The lowest position among them.
    first: PositionBody,
    /// The highest.
    last: PositionBody,
    /// When its purge was decided.
    purged_at: Instant,
    /// By which rule.
    rule: String,
    /// The decision: an offset of the ops topic.
    decision: u64,
    /// Whether the archive holds it.
    archived: bool,
    /// When it was restored; null when it was not.
    #[schema(required)]
    restored_at: Option<Instant>,
    /// Deliveries that came after it was removed, counted. They make no new saga.
    late_count: u64,
    /// The first hundred of them.
    late: Vec<LateBody>,
}

/// A place in the tracker topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Position)]
struct PositionBody {
    partition: u32,
    offset: u64,
}

impl From<Position> for PositionBody {
    fn from(position: Position) -> Self {
        Self {
            partition: position.partition,
            offset: position.offset,
        }
    }
}

/// A delivery of a saga that was gone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LateEvent)]
struct LateBody {
    partition: u32,
    offset: u64,
    event_id: String,
    step: String,
    status: Status,
    recorded_at: Instant,
    arrived_at: Instant,
}

impl From<Event> for LateBody {
    fn from(event: Event) -> Self {
        Self {
            partition: event.position.partition,
            offset: event.position.offset,
            event_id: event.event_id.as_str().to_owned(),
            step: event.step.as_str().to_owned(),
            status: event.status.into(),
            recorded_at: Instant(event.recorded_at),
            arrived_at: Instant(event.arrived_at),
        }
    }
}

impl From<PurgedView> for PurgedBody {
    fn from(view: PurgedView) -> Self {
        let purged = view.purged;
        Self {
            saga_id: view.saga_id.as_str().to_owned(),
            saga_type: purged.saga_type.as_str().to_owned(),
            order_id: purged.order_id.as_str().to_owned(),
            status: purged.status.into(),
            started_at: Instant(purged.started_at),
            updated_at: Instant(purged.updated_at),
            step_count: purged.steps,
            events: purged.events,
            hash: crate::domain::text::hex(&purged.hash),
            first: purged.first.into(),
            last: purged.last.into(),
            purged_at: Instant(purged.purged_at),
            rule: purged.rule.into(),
            decision: purged.decision,
            archived: purged.row_groups.is_some(),
            restored_at: purged.restored.map(|(_, at)| Instant(at)),
            late_count: view.late_count,
            late: view.late.into_iter().map(LateBody::from).collect(),
        }
    }
}

/// What is known of a removed saga
#[utoipa::path(
    get,
    path = "/api/v1/purged/{sagaId}",
    operation_id = "getPurged",
    tag = "retention",
    params(("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded.")),
    responses(
        (status = 200, body = PurgedBody, description = "The record of its purge, and what came late."),
        (status = 404, body = ErrorBody, description = "It was never purged."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
) -> Result<Json<PurgedBody>, ApiError> {
    let asked = id.clone();
    let found = context.purged(asked).await?;
    let never = || {
        let message = format!("saga {} was never purged", shown(id.as_str()));
        ApiError::new(ErrorKind::NotFound, message)
    };
    Ok(Json(found.ok_or_else(never)?.into()))
}
