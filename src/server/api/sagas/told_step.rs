//! A step with what it meant for the saga, where it lies in the topic, and what its deliveries tell.

use super::super::saga_fields::Status;
use super::super::text::Instant;
use super::steps::StepBody;
use crate::domain::AnomalyKind;
use crate::pipeline::query::{StepDeliveries, TimelineStep};
use serde::Serialize;
use utoipa::ToSchema;

/// An event of a timeline, and what it meant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineStep)]
pub(super) struct ToldStepBody<'a> {
    #[serde(flatten)]
    step: StepBody<'a>,
    /// What its status means for the saga: COMPLETED of a step that does not complete it is IN_PROGRESS.
    effective_status: Status,
    /// Arrival time.
    arrived_at: Instant,
    /// The partition of the tracker topic that it lies in.
    partition: u32,
    /// Its offset there.
    offset: u64,
    /// The rules that it broke. Absent when it broke none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["FAILED_AFTER_COMPLETED"]))]
    anomalies: Vec<&'static str>,
    /// How many deliveries of it there are. Absent unless include=deliveries was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    deliveries: Option<u32>,
    /// How many milliseconds after the first of the events behind it in the timeline it arrived. Absent when it
    /// came before all of them, and unless include=deliveries was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    late_millis: Option<u64>,
}

impl<'a> ToldStepBody<'a> {
    pub(super) fn of(step: &TimelineStep<'a>) -> Self {
        let event = step.event;
        let odd = step.saga.anomalies.kept.iter();
        Self {
            step: StepBody::of(step),
            effective_status: step.effective.into(),
            arrived_at: Instant(event.arrived_at),
            partition: event.place.position.partition,
            offset: event.place.position.offset,
            anomalies: odd.map(|anomaly| anomaly.kind.as_str()).collect(),
            deliveries: None,
            late_millis: None,
        }
    }

    /// The same, and what its deliveries tell.
    pub(super) fn delivered(step: &TimelineStep<'a>, deliveries: &StepDeliveries) -> Self {
        let mut told = Self::of(step);
        let conflict = deliveries
            .conflicting
            .then_some(AnomalyKind::EventIdConflict.as_str());
        told.anomalies.extend(conflict);
        Self {
            deliveries: Some(deliveries.count),
            late_millis: deliveries.late_millis,
            ..told
        }
    }
}
