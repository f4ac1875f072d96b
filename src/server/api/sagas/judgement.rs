//! What the definition of its type says of one saga.

use super::super::text::Instant;
use super::SagaBody;
use crate::domain::{Compensation, Judgement, Owed, Stuck, Violation};
use serde::Serialize;
use utoipa::ToSchema;

impl SagaBody {
    /// The same, and what its definition says of it.
    pub(super) fn judged(self, judgement: Judgement) -> Self {
        let violations = judgement.conformance.into_iter().map(ViolationBody::from);
        Self {
            conformance: Some(violations.collect()),
            compensation: Some(judgement.compensation.map(CompensationBody::from)),
            stuck: Some(judgement.stuck.map(StuckBody::from)),
            ..self
        }
    }
}

/// A rule that a saga does not keep.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Violation)]
pub(super) struct ViolationBody {
    /// The rule: NEVER_COMPENSATED, COMPENSATION_FAILED, COMPENSATED_TWICE, OUT_OF_ORDER,
    /// SUCCESS_AFTER_COMPENSATION, ACTIVITY_AFTER_END, UNKNOWN_STEP, MISSING_STEP or INVALID_METADATA.
    #[schema(example = "NEVER_COMPENSATED")]
    rule: &'static str,
    /// What happened.
    message: String,
    /// Since when.
    at: Instant,
    /// The step that broke it, by its id among the steps. Absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    step_id: Option<u32>,
    /// The event that broke it. Absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<String>,
}

impl From<Violation> for ViolationBody {
    fn from(violation: Violation) -> Self {
        Self {
            rule: violation.rule.as_str(),
            message: violation.message,
            at: Instant(violation.at),
            step_id: violation.number,
            event_id: violation.event_id.map(|id| id.as_str().to_owned()),
        }
    }
}

/// How far what a saga did before it failed is undone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Compensation)]
pub(super) struct CompensationBody {
    /// NOT_NEEDED: it has not failed. NOTHING_TO_COMPENSATE: it failed before anything was done that can be
    /// undone. OWED: it failed, and something is not undone. COMPENSATED: all is undone.
    /// PARTLY_COMPENSATED: its status says so, and something is not undone.
    #[schema(example = "OWED")]
    state: &'static str,
    /// What is not undone.
    owed: Vec<OwedBody>,
}

/// A step that was done before the saga failed, and is not undone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Owed)]
struct OwedBody {
    /// The step, or the pattern that its definition names.
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    /// The steps that would undo it.
    by: Vec<String>,
}

impl From<Compensation> for CompensationBody {
    fn from(compensation: Compensation) -> Self {
        let body = |Owed { step, by }| OwedBody { step, by };
        Self {
            state: compensation.state.as_str(),
            owed: compensation.owed.into_iter().map(body).collect(),
        }
    }
}

/// A saga is stuck.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Stuck)]
pub(super) struct StuckBody {
    /// The instant at which its time was over.
    since: Instant,
    /// PAST_DEADLINE: it has not ended in time. COMPENSATION_OVERDUE: it failed and is not compensated in time.
    #[schema(example = "PAST_DEADLINE")]
    rule: &'static str,
    /// The steps that would have to come now.
    awaited: Vec<String>,
}

impl From<Stuck> for StuckBody {
    fn from(stuck: Stuck) -> Self {
        Self {
            since: Instant(stuck.since),
            rule: stuck.rule.as_str(),
            awaited: stuck.awaited,
        }
    }
}
