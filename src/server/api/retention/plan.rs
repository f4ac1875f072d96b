//! What would be purged if retention ran now.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::saga_fields::Status;
use super::super::text::Instant;
use super::retention;
use crate::operations::retention::PlanLine;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// What would be purged, and how far what was decided is done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RetentionPlan)]
pub(super) struct PlanBody {
    /// By type and status.
    rules: Vec<LineBody>,
    /// Whether there was more than a plan looks at.
    truncated: bool,
    /// Decisions that are read and not applied yet.
    pending_decisions: u64,
    /// When the last search for due sagas ended well on this replica; null when it decides nothing, or
    /// has not come to the end of one.
    #[schema(required)]
    last_sweep: Option<Instant>,
    /// Why the last search did not come to its end, or why nothing is removed any more; null when all is well.
    #[schema(required)]
    problem: Option<String>,
}

/// What one rule would remove.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RetentionPlanRule)]
struct LineBody {
    saga_type: String,
    status: Status,
    /// The rule, in words.
    rule: String,
    /// Sagas whose last event is at or before this are due.
    cutoff: Instant,
    /// Sagas that would be purged.
    sagas: u64,
    /// Their deliveries.
    events: u64,
    /// Due, and kept by a hold.
    held: u64,
    /// Due, and kept because something arrived lately.
    recently_active: u64,
    /// The same as `recentlyActive`, under its older name.
    restless: u64,
    /// The oldest last event of those that would be purged.
    #[schema(required)]
    oldest: Option<Instant>,
    /// Some of them, oldest first.
    examples: Vec<String>,
}

impl From<PlanLine> for LineBody {
    fn from(line: PlanLine) -> Self {
        Self {
            saga_type: line.saga_type,
            status: line.status.into(),
            rule: line.rule,
            cutoff: Instant(line.cutoff),
            sagas: line.sagas,
            events: line.events,
            held: line.held,
            recently_active: line.recently_active,
            restless: line.recently_active,
            oldest: line.oldest.map(Instant),
            examples: line.examples,
        }
    }
}

/// What would be purged if retention ran now
#[utoipa::path(
    get,
    path = "/api/v1/retention",
    operation_id = "getRetentionPlan",
    tag = "retention",
    description = "A dry run: nothing is changed.",
    responses(
        (status = 200, body = PlanBody, description = "What is due, by rule."),
        (status = 503, body = ErrorBody, description = "This tracker purges nothing."),
    )
)]
pub(super) async fn handle(State(context): State<Context>) -> Result<Json<PlanBody>, ApiError> {
    let asked = context.clone();
    let (plan, pending_decisions, status) = context
        .full_read(move |stop| {
            let retention = retention(&asked)?;
            let plan = retention.plan(stop)?;
            Ok::<_, ApiError>((plan, retention.pending(), retention.status().snapshot()))
        })
        .await??;
    Ok(Json(PlanBody {
        rules: plan.lines.into_iter().map(LineBody::from).collect(),
        truncated: plan.truncated,
        pending_decisions,
        last_sweep: status.last_sweep.map(Instant),
        problem: status.trouble().map(str::to_owned),
    }))
}
