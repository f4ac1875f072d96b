//! Building the projections anew while the present ones serve.

use super::super::audit_entry::AuditEntry;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use crate::operations::rebuild::{RebuildPhase, RebuildStatus};
use crate::store::Generation;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// What the rebuild does, or how the last one ended.
#[derive(Serialize, ToSchema)]
#[schema(as = RebuildStatus)]
pub(super) struct RebuildBody {
    running: bool,
    /// What it does now, or how it ended.
    phase: &'static str,
    /// Events folded so far.
    done: u64,
    /// Events to fold, estimated.
    total: u64,
    /// The generation of projections that serves.
    generation: &'static str,
    /// Why the last one failed.
    #[schema(required)]
    error: Option<String>,
    /// Why one that is due has not begun: the disk has no room for it.
    #[schema(required)]
    waiting: Option<String>,
}

impl From<RebuildStatus> for RebuildBody {
    fn from(status: RebuildStatus) -> Self {
        let phase = match status.phase {
            RebuildPhase::Idle => "idle",
            RebuildPhase::Folding => "folding",
            RebuildPhase::Counting => "counting",
            RebuildPhase::Done => "done",
            RebuildPhase::Failed(_) => "failed",
        };
        Self {
            running: matches!(status.phase, RebuildPhase::Folding | RebuildPhase::Counting),
            phase,
            done: status.done,
            total: status.total,
            generation: match status.generation {
                Some(Generation::A) => "a",
                Some(Generation::B) => "b",
                None => "unknown",
            },
            error: match status.phase {
                RebuildPhase::Failed(why) => Some(why),
                _ => None,
            },
            waiting: status.waiting.map(|no_room| no_room.to_string()),
        }
    }
}

/// Starts a rebuild
#[utoipa::path(
    post,
    path = "/internal/v1/rebuild",
    operation_id = "startRebuild",
    tag = "internal",
    responses(
        (status = 202, body = RebuildBody, description = "It runs; the same path tells how far it is."),
        (status = 409, body = ErrorBody, description = "One runs already."),
        (status = 503, body = ErrorBody, description = "The disk has no room for another set of projections."),
    )
)]
pub(super) async fn start(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
) -> Result<(StatusCode, Json<RebuildBody>), ApiError> {
    audit_entry.act("rebuild", "projections", "");
    tracing::info!(by = %caller, "rebuild asked for");
    let (rebuilds, act) = (
        context.parts().rebuilds.clone(),
        caller.act("rebuild", "projections", ""),
    );
    let status = context.blocking(move || rebuilds.start(act)).await??;
    Ok((StatusCode::ACCEPTED, Json(status.into())))
}

/// What the rebuild does, or how the last one ended
#[utoipa::path(
    get,
    path = "/internal/v1/rebuild",
    operation_id = "getRebuild",
    tag = "internal",
    responses((status = 200, body = RebuildBody, description = "The running or the last one."))
)]
pub(super) async fn status(State(context): State<Context>) -> Json<RebuildBody> {
    Json(context.parts().rebuilds.status().into())
}
