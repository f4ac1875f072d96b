//! Making snapshots, and what became of them.

use super::super::audit_entry::AuditEntry;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::super::params::{Params, parse_number};
use crate::operations::snapshot::{Known, Last, Running, SnapshotError, SnapshotId, Summary, Trigger};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_LIMIT: u64 = 20;
const MAX_LIMIT: u64 = 1_000;

/// A snapshot that was begun.
#[derive(Serialize, ToSchema)]
#[schema(as = SnapshotStarted)]
pub(super) struct StartedBody {
    /// Its name.
    id: String,
}

/// What snapshots are doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SnapshotStatus)]
pub(super) struct StatusBody {
    /// The one under way.
    #[schema(required)]
    running: Option<RunningBody>,
    /// The last that was made.
    #[schema(required)]
    last: Option<LastBody>,
    /// The last try, if it failed.
    #[schema(required)]
    failure: Option<FailureBody>,
}

/// A snapshot under way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SnapshotRunning)]
struct RunningBody {
    id: String,
    /// What has it made: schedule or request.
    trigger: &'static str,
    /// copying, sending, finishing or pruning.
    phase: &'static str,
    /// Files dealt with.
    files_done: u64,
    /// Files in all.
    files: u64,
    /// Bytes of files dealt with.
    bytes_done: u64,
    /// Bytes of all files.
    bytes: u64,
    /// Bytes sent: files that are there already are not sent again.
    sent_bytes: u64,
}

/// A snapshot that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SnapshotLast)]
struct LastBody {
    id: String,
    /// What had it made: schedule or request; null of one that was made before the process began.
    #[schema(required)]
    trigger: Option<&'static str>,
    /// When it was complete.
    at: String,
    took_ms: u64,
    /// Bytes of all its files.
    bytes: u64,
    /// Bytes sent for it.
    sent_bytes: u64,
}

/// A try that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = SnapshotFailure)]
struct FailureBody {
    at: String,
    /// What had it tried: schedule or request.
    trigger: &'static str,
    message: String,
}

/// The snapshots in the object store, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Snapshots)]
pub(super) struct ListBody {
    snapshots: Vec<SummaryBody>,
}

/// A snapshot in the object store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Snapshot)]
struct SummaryBody {
    id: String,
    /// When its copy of the store was made.
    created_at: String,
    files: usize,
    bytes: u64,
    sent_bytes: u64,
    took_ms: u64,
    sagas: u64,
    /// Offsets that it accounts for.
    offsets: u64,
}

impl From<&Running> for RunningBody {
    fn from(running: &Running) -> Self {
        let progress = &running.progress;
        let ((files_done, files), (bytes_done, bytes)) = (progress.files(), progress.bytes());
        Self {
            id: running.id.to_string(),
            trigger: running.trigger.as_str(),
            phase: progress.phase().as_str(),
            files_done,
            files,
            bytes_done,
            bytes,
            sent_bytes: progress.sent(),
        }
    }
}

impl From<Last> for LastBody {
    fn from(last: Last) -> Self {
        Self {
            id: last.id.to_string(),
            trigger: last.trigger.map(Trigger::as_str),
            at: last.at.to_string(),
            took_ms: last.took_ms,
            bytes: last.bytes,
            sent_bytes: last.sent_bytes,
        }
    }
}

impl From<Known> for StatusBody {
    fn from(known: Known) -> Self {
        Self {
            running: known.running.as_ref().map(RunningBody::from),
            last: known.last.map(LastBody::from),
            failure: known.failure.map(|failure| FailureBody {
                at: failure.at.to_string(),
                trigger: failure.trigger.as_str(),
                message: failure.why,
            }),
        }
    }
}

impl From<Summary> for SummaryBody {
    fn from(summary: Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            created_at: summary.created_at,
            files: summary.files,
            bytes: summary.bytes,
            sent_bytes: summary.sent_bytes,
            took_ms: summary.took_ms,
            sagas: summary.sagas,
            offsets: summary.offsets,
        }
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        let words = error.to_string();
        let (kind, message) = match error {
            SnapshotError::Busy => (
                ErrorKind::Conflict,
                format!("{words}; GET /internal/v1/snapshots/status follows it"),
            ),
            error if error.is_not_configured() => (ErrorKind::Conflict, words),
            SnapshotError::Objects(_) => (ErrorKind::ServiceUnavailable, words),
            _ => (ErrorKind::InternalError, words),
        };
        Self::new(kind, message)
    }
}

/// Starts a snapshot
#[utoipa::path(
    post,
    path = "/internal/v1/snapshots",
    operation_id = "startSnapshot",
    tag = "internal",
    responses(
        (status = 202, body = StartedBody, description = "It is being made; /internal/v1/snapshots/status tells how far it is."),
        (status = 409, body = ErrorBody, description = "One is being made already, or objects.url is not set."),
        (status = 503, body = ErrorBody, description = "There is nowhere to put it."),
    )
)]
pub(super) async fn start(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
) -> Result<(StatusCode, Json<StartedBody>), ApiError> {
    audit_entry.act("create-snapshot", "snapshots", "");
    tracing::info!(by = %caller, "snapshot asked for");
    let (snapshots, act) = (
        context.parts().snapshots.clone(),
        caller.act("create-snapshot", "snapshots", ""),
    );
    let id = context.blocking(move || snapshots.start(act)).await??;
    Ok((StatusCode::ACCEPTED, Json(StartedBody { id: id.to_string() })))
}

/// How many to list.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most so many.
    #[param(required = false, minimum = 1, maximum = 1000, default = 20)]
    limit: u64,
}

impl ListQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let limit = params.take(&["limit"], "a whole number from 1 to 1000", |text| {
            parse_number(text, 1, MAX_LIMIT)
        });
        params.finish()?;
        Ok(Self {
            limit: limit.unwrap_or(DEFAULT_LIMIT),
        })
    }
}

/// The snapshots in the object store, newest first
#[utoipa::path(
    get,
    path = "/internal/v1/snapshots",
    operation_id = "listSnapshots",
    tag = "internal",
    params(ListQuery),
    responses(
        (status = 200, body = ListBody, description = "The newest ones."),
        (status = 400, body = ErrorBody, description = "The limit is not a whole number from 1 to 1000."),
        (status = 409, body = ErrorBody, description = "objects.url is not set."),
        (status = 503, body = ErrorBody, description = "The object store cannot be asked."),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<ListBody>, ApiError> {
    let limit = ListQuery::parse(query.as_deref())?.limit;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let snapshots = context.parts().snapshots.clone();
    let found = context.elsewhere(move |_| snapshots.list(limit)).await??;
    Ok(Json(ListBody {
        snapshots: found.into_iter().map(SummaryBody::from).collect(),
    }))
}

/// Whether to do it.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct PruneQuery {
    /// Only say what would be deleted.
    #[param(required = false, default = false)]
    dry_run: bool,
}

impl PruneQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let dry_run = params.take(&["dryRun"], "true or false", |text| text.parse().ok());
        params.finish()?;
        Ok(Self {
            dry_run: dry_run.unwrap_or(false),
        })
    }
}

/// What pruning did, or would do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SnapshotsPruned)]
pub(super) struct PrunedBody {
    dry_run: bool,
    /// Snapshots that stay.
    kept: Vec<String>,
    /// Snapshots that were let go of.
    retired: Vec<String>,
    deleted_files: usize,
    deleted_bytes: u64,
    /// Files that no kept snapshot needs, which stay until the grace is over.
    waiting_files: usize,
    waiting_bytes: u64,
}

/// Lets go of snapshots that the settings do not keep
#[utoipa::path(
    post,
    path = "/internal/v1/snapshots/prune",
    operation_id = "pruneSnapshots",
    tag = "internal",
    params(PruneQuery),
    responses(
        (status = 200, body = PrunedBody, description = "What was done, or would be."),
        (status = 400, body = ErrorBody, description = "The parameter is not valid."),
        (status = 409, body = ErrorBody, description = "objects.url is not set."),
        (status = 503, body = ErrorBody, description = "The object store cannot be asked."),
    )
)]
pub(super) async fn prune(
    State(context): State<Context>,
    audit_entry: AuditEntry,
    RawQuery(query): RawQuery,
) -> Result<Json<PrunedBody>, ApiError> {
    audit_entry.act("prune-snapshots", "snapshots", "");
    let dry_run = PruneQuery::parse(query.as_deref())?.dry_run;
    let snapshots = context.parts().snapshots.clone();
    let pruned = context.blocking(move || snapshots.prune(dry_run)).await??;
    audit_entry.set_result(if dry_run {
        "dry run".to_owned()
    } else {
        pruned.to_string()
    });
    let names = |ids: Vec<SnapshotId>| ids.into_iter().map(String::from).collect();
    Ok(Json(PrunedBody {
        dry_run,
        kept: names(pruned.kept),
        retired: names(pruned.retired),
        deleted_files: pruned.deleted_files,
        deleted_bytes: pruned.deleted_bytes,
        waiting_files: pruned.waiting_files,
        waiting_bytes: pruned.waiting_bytes,
    }))
}

/// What snapshots are doing
#[utoipa::path(
    get,
    path = "/internal/v1/snapshots/status",
    operation_id = "getSnapshotStatus",
    tag = "internal",
    responses((status = 200, body = StatusBody, description = "The one under way, the last, and why the last try failed."))
)]
pub(super) async fn status(State(context): State<Context>) -> Json<StatusBody> {
    Json(context.parts().snapshots.status().known().into())
}
