//! An operator sets a saga's status.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody, ErrorKind};
use super::super::params::shown;
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::Instant;
use crate::domain::SagaStatus;
use crate::domain::text::required_reason;
use crate::operations::decisions::{OpsError, StatusChangeOrder, StatusChanged};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const STATUSES: &str = "STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED";

/// What the saga's status should be, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = StatusChange)]
pub(super) struct StatusChangeBody {
    /// The new status.
    #[schema(value_type = Status)]
    status: String,
    /// Why, for the timeline and the audit log.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"\S",
        example = "paid by hand, ticket 4711"
    )]
    reason: String,
    /// The status that the decision was made on. When the saga has another by the time the change is
    /// applied, it is refused.
    #[serde(default)]
    #[schema(value_type = Option<Status>)]
    expected_status: Option<String>,
}

impl StatusChangeBody {
    /// What is wanted, or all that is wrong with it.
    fn read(&self) -> Result<(SagaStatus, Option<SagaStatus>), ApiError> {
        let mut faults = Vec::new();
        let mut status = |parameter: &str, text: &str| {
            let read: Option<SagaStatus> = text.parse().ok();
            if read.is_none() {
                faults.push(fault(parameter, text, STATUSES));
            }
            read
        };
        let new = status("status", &self.status);
        let expected = self
            .expected_status
            .as_deref()
            .map(|text| status("expectedStatus", text));
        if let Err(accepted) = required_reason(&self.reason) {
            faults.push(fault("reason", &self.reason, accepted));
        }
        match new {
            Some(new) if faults.is_empty() => Ok((new, expected.flatten())),
            _ => Err(ApiError::faults(faults)),
        }
    }
}

fn fault(parameter: &str, found: &str, accepted: &str) -> Detail {
    Detail {
        parameter: parameter.to_owned(),
        found: shown(found),
        accepted: accepted.to_owned(),
    }
}

/// What the change came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatusChanged)]
pub(super) struct StatusChangedBody {
    saga_id: String,
    /// The status that the change met.
    previous_status: Status,
    /// The status after it.
    current_status: Status,
    /// The change's place in event time.
    updated_at: Instant,
    /// The event that stands in the timeline.
    event_id: String,
}

impl StatusChangedBody {
    fn of(saga_id: String, changed: StatusChanged) -> Self {
        Self {
            saga_id,
            previous_status: changed.previous.into(),
            current_status: changed.current.into(),
            updated_at: Instant(changed.updated_at),
            event_id: changed.event_id,
        }
    }
}

impl From<OpsError> for ApiError {
    fn from(error: OpsError) -> Self {
        let words = error.to_string();
        match error {
            OpsError::NotFound(_) => Self::new(ErrorKind::NotFound, words),
            OpsError::Conflict(_) => Self::new(ErrorKind::Conflict, words),
            OpsError::Unreachable(_) => Self::new(ErrorKind::ServiceUnavailable, words).nothing_changed(),
            OpsError::Unsettled(_) => Self::new(ErrorKind::ServiceUnavailable, words),
            OpsError::Failed(_) | OpsError::Store(_) => Self::new(ErrorKind::InternalError, words),
        }
    }
}

/// Sets a saga's status
#[utoipa::path(
    patch,
    path = "/internal/v1/sagas/{sagaId}/status",
    operation_id = "setStatus",
    tag = "internal",
    description = "Publishes an event with the step OPERATOR_STATUS_CHANGE to the tracker topic, so that every replica \
                   has it, and answers when it is applied. The header X-Operator says who is at work.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        ("X-Operator" = Option<String>, Header, description = "Who is at work, for timeline and audit log."),
    ),
    request_body = StatusChangeBody,
    responses(
        (status = 200, body = StatusChangedBody, description = "It is applied."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen."),
        (status = 409, body = ErrorBody, description = "The saga has that status already, or not the expected one."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "Kafka or the registry cannot be reached; the message says \
                                                         whether anything was published."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    SagaIdPath(saga_id): SagaIdPath,
    JsonBody(body): JsonBody<StatusChangeBody>,
) -> Result<Json<StatusChangedBody>, ApiError> {
    audit_entry.act("set-status", saga_id.as_str(), &body.reason);
    let (status, expected) = body.read()?;
    let id = saga_id.as_str().to_owned();
    let change = StatusChangeOrder {
        saga_id,
        status,
        reason: body.reason,
        expected,
        operator: caller.who().to_owned(),
        origin: caller.origin(),
    };
    let asked = context.clone();
    let changed = context
        .blocking(move || asked.parts().statuses.change(&change))
        .await??;
    audit_entry.set_result(format!(
        "{} to {}, event {}",
        changed.previous, changed.current, changed.event_id
    ));
    Ok(Json(StatusChangedBody::of(id, changed)))
}
