//! Is the audit log as it was written?

use super::super::context::Context;
use super::super::error::ApiError;
use crate::operations::audit::Verified;
use crate::store::stoppable;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// What a look at the whole log found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditVerification)]
pub(super) struct VerificationBody {
    /// Entries that are there.
    entries: u64,
    /// Hash of the last one, hexadecimal: note it elsewhere, and a later look shows whether the log
    /// still leads there.
    head: String,
    /// How much is wrong.
    faulty: u64,
    /// The first of it, in words.
    faults: Vec<String>,
}

impl From<Verified> for VerificationBody {
    fn from(found: Verified) -> Self {
        Self {
            entries: found.entries,
            head: found.head,
            faulty: found.faulty,
            faults: found.faults,
        }
    }
}

/// Walks the chain of the audit log
#[utoipa::path(
    get,
    path = "/api/v1/audit/verification",
    operation_id = "verifyAudit",
    tag = "audit",
    description = "Reads the whole log: every entry carries the hash of the one before it, so that a changed, removed \
                   or inserted one shows.",
    responses((status = 200, body = VerificationBody, description = "What was found."))
)]
pub(super) async fn handle(State(context): State<Context>) -> Result<Json<VerificationBody>, ApiError> {
    let store = context.audit().store().clone();
    let found = context
        .full_read(move |stop| crate::operations::audit::verify(&stoppable::until(store, stop)))
        .await??;
    Ok(Json(found.into()))
}
