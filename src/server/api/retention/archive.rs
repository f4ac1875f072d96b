//! The archive: its objects, and restoring a saga.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_number};
use super::super::saga_fields::SagaIdPath;
use super::super::text::Instant;
use super::{ReasonBody, ask, checked};
use crate::operations::retention::archived::ArchiveObject;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 20;

/// An archive object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ArchiveObject)]
struct ObjectBody {
    /// The decision that removed its sagas.
    decision: u64,
    /// Its name, within objects.url.
    name: String,
    /// Bytes.
    size: u64,
    /// Hash of its bytes (BLAKE3), hexadecimal.
    hash: String,
    saga_type: String,
    /// The day of its sagas' last events, UTC.
    day: String,
    sagas: u32,
    events: u32,
    /// When it was decided that they go.
    at: Instant,
}

impl From<ArchiveObject> for ObjectBody {
    fn from(object: ArchiveObject) -> Self {
        Self {
            decision: object.decision,
            name: object.name,
            size: object.size,
            hash: crate::domain::text::hex(&object.hash),
            saga_type: object.saga_type,
            day: object.day,
            sagas: object.sagas,
            events: object.events,
            at: Instant(object.at),
        }
    }
}

/// Archive objects.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ArchiveObjects)]
pub(super) struct ObjectsBody {
    content: Vec<ObjectBody>,
    /// Leads to later ones; null when there are none.
    #[schema(required)]
    next_cursor: Option<u64>,
}

/// The parameters of the list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(dead_code, reason = "only described; the values are read by Params")]
pub(super) struct ArchiveQuery {
    /// Objects in the answer, at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: Option<u64>,
    /// nextCursor of an earlier answer.
    #[param(value_type = Option<u64>)]
    cursor: Option<u64>,
}

/// The objects of the archive
#[utoipa::path(
    get,
    path = "/api/v1/archive",
    operation_id = "getArchive",
    tag = "retention",
    params(ArchiveQuery),
    responses(
        (status = 200, body = ObjectsBody, description = "Oldest first."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<ObjectsBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let size = params.size(100);
    let from = params.cursor(|text| parse_number(text, 0, i64::MAX as u64));
    params.finish()?;
    let size = entries(size, DEFAULT_SIZE);
    let objects = ask(&context, move |retention| {
        Ok(retention.objects(from.unwrap_or(0), size.saturating_add(1))?)
    })
    .await?;
    let next_cursor = objects.get(size).map(|object| object.decision);
    Ok(Json(ObjectsBody {
        content: objects.into_iter().take(size).map(ObjectBody::from).collect(),
        next_cursor,
    }))
}

/// A saga that is back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RestoredSaga)]
pub(super) struct RestoredBody {
    saga_id: String,
    /// The decision: an offset of the ops topic.
    decision: u64,
    restored_at: Instant,
    /// Deliveries that came back.
    events: u32,
}

/// Restores a purged saga from the archive
#[utoipa::path(
    post,
    path = "/api/v1/archive/{sagaId}/restore",
    operation_id = "restoreSaga",
    tag = "retention",
    description = "A decision on the ops topic that carries the deliveries: on every replica they go back to \
                   their places, after their hash is checked. Retention counts anew from the restore.",
    params(("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded.")),
    request_body = ReasonBody,
    responses(
        (status = 200, body = RestoredBody, description = "It is back."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 404, body = ErrorBody, description = "It was never purged, or not archived."),
        (status = 409, body = ErrorBody, description = "The saga is not purged."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "Kafka or the object store cannot be reached."),
    )
)]
pub(super) async fn restore(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    SagaIdPath(id): SagaIdPath,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<Json<RestoredBody>, ApiError> {
    audit_entry.act("restore-saga", id.as_str(), &body.reason);
    let saga_id = id.as_str().to_owned();
    let restored = ask(&context, move |retention| {
        let by = caller.act("restore-saga", id.as_str(), checked(&body.reason)?);
        Ok(retention.restore(&id, &by)?)
    })
    .await?;
    audit_entry.set_result(format!("decision {}", restored.decision));
    Ok(Json(RestoredBody {
        saga_id,
        decision: restored.decision,
        restored_at: Instant(restored.at),
        events: restored.events,
    }))
}
