//! How far one redrive is, and what its dead letters came to.

use super::super::super::context::Context;
use super::super::super::error::{ApiError, ErrorBody};
use super::super::selection;
use super::{NumberPath, RedriveBody, unknown};
use crate::store::StoreError;
use axum::Json;
use axum::extract::State;

/// How far a redrive is
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/redrives/{number}",
    operation_id = "getRedrive",
    tag = "dead letters",
    params(("number" = u64, Path, minimum = 1, description = "Its number.")),
    responses(
        (status = 200, body = RedriveBody, description = "How far it is."),
        (status = 400, body = ErrorBody, description = "No number."),
        (status = 404, body = ErrorBody, description = "This replica has no redrive of that number."),
    )
)]
pub(in super::super) async fn handle(
    State(context): State<Context>,
    NumberPath(number): NumberPath,
) -> Result<Json<RedriveBody>, ApiError> {
    let redrives = context.parts().redrives.clone();
    let found = context
        .in_turn(move |stop| {
            let Some((status, outcomes)) = redrives.counted(number, stop.clone())? else {
                return Ok(None);
            };
            let letters = redrives.dead_letter_query().until(stop);
            let named = selection::named(&status.chosen_by);
            let open = named.map(|named| letters.open_of(&named)).transpose()?;
            let open = open.map(|open| open.len() as u64);
            Ok::<_, StoreError>(Some(RedriveBody::asked_for(status, outcomes, open)))
        })
        .await??;
    found.map(Json).ok_or_else(|| unknown(number))
}
