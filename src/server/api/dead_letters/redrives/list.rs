//! The redrives asked for last.

use super::super::super::context::Context;
use super::super::super::error::ApiError;
use super::RedriveBody;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

const LATEST: usize = 50;

/// The redrives asked for last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redrives)]
pub(in super::super) struct RedrivesBody {
    /// Newest first.
    redrives: Vec<RedriveBody>,
}

/// The redrives asked for last
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/redrives",
    operation_id = "listRedrives",
    tag = "dead letters",
    description = "Those asked of this replica.",
    responses((status = 200, body = RedrivesBody, description = "The last 50, newest first."))
)]
pub(in super::super) async fn handle(State(context): State<Context>) -> Result<Json<RedrivesBody>, ApiError> {
    let redrives = context.parts().redrives.clone();
    let latest = context
        .in_turn(move |stop| redrives.latest(LATEST, stop))
        .await??;
    let redrives = latest.into_iter().map(RedriveBody::listed).collect();
    Ok(Json(RedrivesBody { redrives }))
}
