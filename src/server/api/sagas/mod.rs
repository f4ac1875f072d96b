//! Questions about sagas, one file each, and what their answers share.

mod columns;
mod conformance;
mod details;
mod diff;
pub(super) mod filter;
mod history;
mod judgement;
pub(super) mod moment;
mod offsets;
pub(super) mod part;
mod past;
mod saga;
pub(super) mod search;
pub(super) mod statistics;
pub(super) mod steps;
mod stuck;
mod timeline;
mod told_step;

use super::params::Params;
use super::route::Route;
use super::saga_fields::Status;
use super::text::Instant;
use crate::domain::Anomaly;
use crate::pipeline::query::SagaView;
use judgement::{CompensationBody, StuckBody, ViolationBody};
use moment::AskedMomentBody;
use serde::Serialize;
use serde_json::value::RawValue;
use told_step::ToldStepBody;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(search::handle)).alias("/sagas"),
        Route::of(routes!(statistics::handle)).alias("/sagas/statistics"),
        Route::of(routes!(stuck::handle)),
        Route::of(routes!(conformance::handle)),
        Route::of(routes!(saga::handle)).alias("/sagas/{sagaId}"),
        Route::of(routes!(steps::handle)).alias("/sagas/{sagaId}/steps"),
        Route::of(routes!(timeline::handle)),
        Route::of(routes!(offsets::handle)).alias("/sagas/{sagaId}/offsets"),
        Route::of(routes!(history::handle)).alias("/sagas/{sagaId}/history"),
        Route::of(routes!(diff::handle)).alias("/sagas/{sagaId}/diff"),
    ]
}

/// The state of a saga.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Saga)]
pub(super) struct SagaBody {
    saga_id: String,
    /// The first event's type. Open: new types appear without notice.
    #[schema(example = "ORDER_CREATION")]
    saga_type: String,
    order_id: String,
    current_status: Status,
    /// The same as currentStatus, for existing clients.
    status: Status,
    /// Since when it has that status: the time of the event that brought it there.
    status_since: Instant,
    /// The last event's step.
    #[schema(example = "ORDER_CONFIRMED")]
    last_step: String,
    /// The last trace id that an event named.
    #[schema(required)]
    last_trace_id: Option<String>,
    /// The first eight different trace ids that events named.
    trace_ids: Vec<String>,
    /// The step of the last event that reported it failed; null when none did.
    #[schema(required)]
    failed_step: Option<String>,
    /// The last failureReason that an event's metadata gave, its first 200 characters; null when none did.
    #[schema(required)]
    failure_reason: Option<String>,
    /// The first event's time.
    started_at: Instant,
    /// The last event's time.
    updated_at: Instant,
    /// Events in the timeline, duplicates left out.
    step_count: u32,
    /// How often an event came again.
    duplicates: u32,
    /// Events that came with different bodies.
    conflicts: u32,
    /// True when it was purged and comes from the archive. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    archived: Option<bool>,
    /// How many things are odd about the timeline.
    anomaly_count: u32,
    /// The first of them, conflicts included.
    anomalies: Vec<AnomalyBody>,
    /// The rules of its definition that it does not keep. Absent where sagas are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conformance: Option<Vec<ViolationBody>>,
    /// How far what it did before it failed is undone; null when its type has no definition. Absent where sagas
    /// are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CompensationBody>)]
    compensation: Option<Option<CompensationBody>>,
    /// Whether it is stuck, then it is told; null when it is not. Absent where sagas are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<StuckBody>)]
    stuck: Option<Option<StuckBody>>,
    #[serde(flatten)]
    moment: AskedMomentBody,
    /// Its first thousand steps, or as many of them as fit into four mebibytes. Absent unless include=steps was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<ToldStepBody<'static>>>)]
    steps: Option<Box<RawValue>>,
    /// Whether there are more steps than these. Absent unless include=steps was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    steps_truncated: Option<bool>,
}

/// One thing that is odd about a timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Anomaly)]
pub(super) struct AnomalyBody {
    /// The rule that was broken.
    #[schema(example = "FAILED_AFTER_COMPLETED")]
    kind: &'static str,
    /// The event that broke it.
    event_id: String,
    /// That event's time.
    at: Instant,
}

impl From<&Anomaly> for AnomalyBody {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            kind: anomaly.kind.as_str(),
            event_id: anomaly.event_id.as_str().to_owned(),
            at: Instant(anomaly.at),
        }
    }
}

impl From<SagaView> for SagaBody {
    fn from(saga: SagaView) -> Self {
        let state = saga.state;
        let odd = state.anomalies.kept.iter().chain(state.conflicts.anomalies());
        Self {
            anomalies: odd.map(AnomalyBody::from).collect(),
            anomaly_count: state.anomalies.total.saturating_add(state.conflicts.total),
            saga_id: saga.saga_id.as_str().to_owned(),
            saga_type: state.saga_type.as_str().to_owned(),
            order_id: state.order_id.as_str().to_owned(),
            current_status: state.status.into(),
            status: state.status.into(),
            last_step: state.last_step.as_str().to_owned(),
            status_since: Instant(state.since),
            last_trace_id: state.last_trace_id.map(String::from),
            trace_ids: state.trace_ids.0.into_iter().map(String::from).collect(),
            failed_step: state.failed_step.map(|said| said.text.into()),
            failure_reason: state.failure_reason.map(|said| said.text.into()),
            started_at: Instant(state.started_at),
            updated_at: Instant(state.updated_at),
            step_count: state.step_count,
            duplicates: state.duplicates,
            conflicts: state.conflicts.total,
            archived: None,
            conformance: None,
            compensation: None,
            stuck: None,
            moment: AskedMomentBody::default(),
            steps: None,
            steps_truncated: None,
        }
    }
}

impl SagaBody {
    /// A saga that only the archive still has.
    fn of_archive(saga: SagaView) -> Self {
        Self {
            archived: Some(true),
            ..saga.into()
        }
    }
}

/// Whether the archive is to be asked too.
pub(in crate::server::api) fn archive_wanted(params: &mut Params<'_>) -> bool {
    let wanted = params.take(&["archive"], "true or false", |text| text.parse().ok());
    wanted.unwrap_or(false)
}
