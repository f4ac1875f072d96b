//! Replaying events by their ids.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody, ErrorKind};
use super::super::gone::ClientGone;
use crate::operations::dead_letters::{ReplayError, ReplayOrder, ReplayResult, ReplayStatus};
use axum::Json;
use axum::extract::State;
use saga_tracker_sdk::contract::limits::MAX_ID_CHARS;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

const MAX_EVENTS: usize = 1_000;

/// Which events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReplayRequest)]
pub(super) struct ReplayBody {
    #[schema(min_items = 1, max_items = 1000)]
    event_ids: Vec<String>,
    /// The sagas that they belong to. With them events that are no dead letters are found at once; without,
    /// all of the log is read for them.
    #[serde(default)]
    #[schema(max_items = 1000)]
    saga_ids: Vec<String>,
    /// Only tell what it would do.
    #[serde(default)]
    dry_run: bool,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayAnswer)]
pub(super) struct ReplayedBody {
    requested: usize,
    successful: usize,
    /// All that were not successful, those not found included.
    failed: usize,
    results: Vec<ReplayedEvent>,
}

/// What became of one event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReplayedEvent {
    event_id: String,
    status: ReplayedStatus,
    /// What was found and done.
    message: String,
}

/// What can become of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReplayedStatus {
    /// It stands in its saga's timeline, now or already; or it would.
    Success,
    /// It does not; the message says why.
    Failed,
    /// Neither a dead letter nor an event of the log has that id.
    NotFound,
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        let words = error.to_string();
        match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::Busy => {
                Self::new(ErrorKind::TooManyRequests, words).retry_after(Duration::from_secs(5))
            }
            ReplayError::TooMuch { .. } => Self::new(ErrorKind::Conflict, words),
            ReplayError::Gone => Self::new(ErrorKind::ServiceUnavailable, words),
            ReplayError::NotAsked(error) => error.into(),
        }
    }
}

impl From<ReplayResult> for ReplayedEvent {
    fn from(result: ReplayResult) -> Self {
        Self {
            event_id: result.event_id,
            status: match result.status {
                ReplayStatus::Success => ReplayedStatus::Success,
                ReplayStatus::Failed => ReplayedStatus::Failed,
                ReplayStatus::NotFound => ReplayedStatus::NotFound,
            },
            message: result.message,
        }
    }
}

/// Replays events by their ids
#[utoipa::path(
    post,
    path = "/internal/v1/sagas/replay",
    operation_id = "replayEvents",
    tag = "internal",
    description = "A dead letter with that event is redriven, and the answer waits up to 25 seconds until it is consumed. \
                   An event that is in the log has nothing to be replayed: state is the fold of the log. Looking for an \
                   id in the log reads the sagas that are named or, where it is not too long, all of it, for one call \
                   at a time.",
    params(("X-Operator" = Option<String>, Header, description = "Who is at work, for the audit log.")),
    request_body = ReplayBody,
    responses(
        (status = 200, body = ReplayedBody, description = "One by one."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 409, body = ErrorBody, description = "The log is too long to look through; sagaIds have to be named."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 429, body = ErrorBody, description = "Another call looks through the log now, or 100 redrives and dry runs have not ended yet."),
        (status = 503, body = ErrorBody, description = "This tracker publishes nothing."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    ClientGone(gone): ClientGone,
    JsonBody(body): JsonBody<ReplayBody>,
) -> Result<Json<ReplayedBody>, ApiError> {
    audit_entry.act("replay-events", &body.event_ids.join(" "), "");
    let mut faults = Vec::new();
    if body.event_ids.is_empty() || body.event_ids.len() > MAX_EVENTS {
        faults.push(Detail {
            parameter: "eventIds".to_owned(),
            found: format!("{} ids", body.event_ids.len()),
            accepted: format!("1 to {MAX_EVENTS} ids"),
        });
    }
    let wrong = |id: &&String| id.is_empty() || id.chars().nth(MAX_ID_CHARS).is_some();
    if let Some(id) = body.event_ids.iter().find(wrong) {
        faults.push(Detail {
            parameter: "eventIds".to_owned(),
            found: super::super::params::shown(id),
            accepted: format!("ids of 1 to {MAX_ID_CHARS} characters"),
        });
    }
    if body.saga_ids.len() > MAX_EVENTS {
        faults.push(Detail {
            parameter: "sagaIds".to_owned(),
            found: format!("{} ids", body.saga_ids.len()),
            accepted: format!("up to {MAX_EVENTS} ids"),
        });
    }
    if !faults.is_empty() {
        return Err(ApiError::faults(faults));
    }
    let order = ReplayOrder {
        event_ids: body.event_ids,
        saga_ids: body.saga_ids,
        dry_run: body.dry_run,
        by: caller.who().to_owned(),
        origin: caller.origin(),
    };
    let redrives = context.parts().redrives.clone();
    // Not in the turn of searches: it may read long, and wait for what it published.
    let results = context
        .blocking(move || redrives.replay_events(&order, &gone))
        .await??;
    let requested = results.len();
    let successful = results
        .iter()
        .filter(|result| result.status == ReplayStatus::Success)
        .count();
    audit_entry.set_result(format!("{successful} of {requested} successful"));
    Ok(Json(ReplayedBody {
        requested,
        successful,
        failed: requested - successful,
        results: results.into_iter().map(ReplayedEvent::from).collect(),
    }))
}
