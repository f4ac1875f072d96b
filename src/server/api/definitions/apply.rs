//! Brings a definitions file into force, everywhere.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::shorter_retention::{ShorterRetentionBody, bodies};
use super::versions::VersionBody;
use crate::domain::text::required_reason;
use crate::operations::definitions::{AppliedVersion, NewVersion};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A definitions file that is to come into force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewDefinitions)]
pub(in crate::server::api) struct NewDefinitionsBody {
    /// The text of the file, TOML, up to 256 KiB.
    #[schema(max_length = 262144)]
    definitions: String,
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S", example = "ticket 4711")]
    reason: String,
    /// The version that must be in force for it: refused when another was applied meanwhile. 0 while none was.
    #[serde(default)]
    #[schema(nullable = false)]
    expected_version: Option<u64>,
    /// Whether it may keep sagas for fewer days than what is in force: refused without, because they are purged sooner.
    #[serde(default)]
    #[schema(default = false)]
    allow_shorter_retention: bool,
}

/// The version that came into force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AppliedDefinitions)]
pub(in crate::server::api) struct AppliedBody {
    #[serde(flatten)]
    version: VersionBody,
    /// The sagas that are kept for fewer days by it.
    shorter_retention: Vec<ShorterRetentionBody>,
}

/// Brings definitions into force
#[utoipa::path(
    post,
    path = "/api/v1/definitions",
    operation_id = "applyDefinitions",
    tag = "definitions",
    description = "A decision on the ops topic: every replica that reads it has the next version in force. Where \
                   rules of the fold differ, each makes its projections anew and answers under the rules from before \
                   until they are ready; `rebuildDue` of the definitions in force tells when. Definitions that keep \
                   sagas for fewer days are refused unless `allowShorterRetention` says that this is meant.",
    request_body = NewDefinitionsBody,
    responses(
        (status = 200, body = AppliedBody, description = "The version that is in force now."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body or the file; `details` name each fault."),
        (status = 409, body = ErrorBody, description = "Another version was applied meanwhile, or sagas would be kept for fewer days and allowShorterRetention is not true; the message names them."),
        (status = 415, body = ErrorBody, description = "The body is no JSON."),
        (status = 503, body = ErrorBody, description = "Kafka cannot be reached, or the decision is not read back yet."),
    )
)]
pub(in crate::server::api) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<NewDefinitionsBody>,
) -> Result<Json<AppliedBody>, ApiError> {
    const ACTION: &str = "apply-definitions";
    audit_entry.act(ACTION, "definitions", &body.reason);
    let reason = required_reason(&body.reason)
        .map_err(|accepted| ApiError::new(ErrorKind::BadRequest, format!("reason: accepted: {accepted}")))?;
    let by = caller.act(ACTION, "definitions", reason);
    let new = NewVersion {
        text: body.definitions,
        expected: body.expected_version,
        allow_shorter_retention: body.allow_shorter_retention,
    };
    let definitions = context.parts().definitions.clone();
    let applied = context.blocking(move || definitions.apply(new, &by)).await??;
    audit_entry.set_result(result(&applied));
    Ok(Json(AppliedBody {
        version: VersionBody::from(&applied.version),
        shorter_retention: bodies(applied.shorter_retention),
    }))
}

/// What the audit log keeps of it.
fn result(applied: &AppliedVersion) -> String {
    let shorter = match applied.shorter_retention.len() {
        0 => String::new(),
        number => format!(", shorter retention of {number} types and statuses"),
    };
    format!(
        "version {}, hash {}{shorter}",
        applied.version.number, applied.version.hash
    )
}
