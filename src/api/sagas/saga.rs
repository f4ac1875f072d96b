//! One saga.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::{SagaBody, SagaIdPath};
use axum::Json;
use axum::extract::State;

/// The state of a saga
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}",
    operation_id = "getSaga",
    tag = "sagas",
    description = "The saga with the id `statistics` is reached as `/api/v1/sagas/%73tatistics`.",
    params(("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded.")),
    responses(
        (status = 200, body = SagaBody, description = "What is known of the saga."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen."),
    )
)]
pub(in crate::api) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
) -> Result<Json<SagaBody>, ApiError> {
    Ok(Json(context.saga(&id)?.into()))
}
