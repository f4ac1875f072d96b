//! One saga.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::retention::from_archive;
use super::super::saga_fields::SagaIdPath;
use super::{SagaBody, wants_archive};
use crate::pipeline::query::SagaView;
use axum::Json;
use axum::extract::{RawQuery, State};

/// The state of a saga
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}",
    operation_id = "getSaga",
    tag = "sagas",
    description = "The saga with the id `statistics` is reached as `/api/v1/sagas/%73tatistics`.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        ("archive" = Option<bool>, Query, description = "Whether to look into the archive when it was purged."),
    ),
    responses(
        (status = 200, body = SagaBody, description = "What is known of the saga."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "The archive holds more of it than an answer holds in memory; its steps can be asked for."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(in crate::server::api) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Json<SagaBody>, ApiError> {
    let missing = match (context.saga(&id), wants_archive(query.as_deref())?) {
        (Err(missing), true) => missing,
        (found, _) => {
            let (saga, judgement) = found?;
            return Ok(Json(SagaBody::from(saga).judged(judgement)));
        }
    };
    if !context
        .purged(id.clone())
        .await?
        .is_some_and(|view| view.purged.is_gone())
    {
        return Err(missing);
    }
    let state = from_archive(&context, &id).await?;
    let parts = context.parts();
    let judgement = parts.query.definitions().judge(&state, parts.clock.now());
    let saga = SagaBody::of_archive(SagaView { saga_id: id, state });
    Ok(Json(saga.judged(judgement)))
}
