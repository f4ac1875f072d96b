//! Cancelling a redrive.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::redrives::{NumberPath, RedriveBody};
use super::selection::fault;
use crate::domain::text::optional_reason;
use crate::operations::dead_letters::redrive::CancelError;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

/// Why a redrive is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = RedriveCancel)]
pub(super) struct CancelBody {
    /// Why, for the audit log.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown(_) => Self::new(ErrorKind::NotFound, error.to_string()),
            CancelError::Ended(_) => Self::new(ErrorKind::Conflict, error.to_string()),
            CancelError::Store(error) => error.into(),
        }
    }
}

/// Cancels a redrive
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/redrives/{number}/cancel",
    operation_id = "cancelRedrive",
    tag = "dead letters",
    description = "No dead letter of it is published from now on, and those whose turn has not come stay as they are. What was \
                   published before stands. Cancelling it again changes nothing. While Kafka is away it may go on running \
                   after the answer, until it is known of every dead letter whether it was published.",
    params(
        ("number" = u64, Path, minimum = 1, description = "Its number."),
        ("X-Operator" = Option<String>, Header, description = "Who is at work, for the audit log."),
    ),
    request_body = CancelBody,
    responses(
        (status = 200, body = RedriveBody, description = "It is cancelled; how far it had come."),
        (status = 400, body = ErrorBody, description = "The number is not one, or something is wrong with the body."),
        (status = 404, body = ErrorBody, description = "This replica has no redrive of that number."),
        (status = 409, body = ErrorBody, description = "It had ended already."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "This tracker publishes nothing."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    NumberPath(number): NumberPath,
    JsonBody(body): JsonBody<CancelBody>,
) -> Result<Json<RedriveBody>, ApiError> {
    let reason = body.reason.as_deref().unwrap_or_default();
    audit_entry.act("cancel-redrive", &format!("redrive {number}"), reason);
    if let Err(accepted) = optional_reason(reason) {
        return Err(ApiError::faults(vec![fault("reason", reason, accepted)]));
    }
    let redrives = context.parts().redrives.clone();
    let by = caller.who().to_owned();
    let status = context
        .blocking(move || redrives.cancel(number, &by, body.reason))
        .await??;
    audit_entry.set_result(format!(
        "{} published, {} left",
        status.sent,
        status.left + status.waiting
    ));
    Ok(Json(status.into()))
}
