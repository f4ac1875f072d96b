//! An event as history tells it: with when it arrived, and with what is worth knowing about it.

use super::moment::Known;
use crate::domain::text::first;
use crate::domain::{
    AnomalyKind, EventRef, Millis, OPERATOR_STATUS_CHANGE, SagaState, SagaStatus, TimelineKey,
};
use serde_json::Value;

/// Of what an operator's event says so many characters are told.
const MAX_TOLD_CHARS: usize = 1_000;

/// An event of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// Its place in the timeline.
    pub place: TimelineKey,
    /// When it arrived.
    pub arrived_at: Millis,
    /// Its id; empty when the producer gave none.
    pub event_id: Box<str>,
    /// What happened.
    pub step: Box<str>,
    /// What the producer said about the saga.
    pub status: SagaStatus,
    /// Who reported it.
    pub producer_service: Option<Box<str>>,
    /// The trace that it names.
    pub trace_id: Option<Box<str>>,
    /// Whether it is a delivery that did not stand.
    pub duplicate: bool,
    /// How many milliseconds after the first of the events behind it in the timeline it arrived, when it did.
    pub late_millis: Option<u64>,
    /// What is odd about it.
    pub anomalies: Vec<AnomalyKind>,
    /// What an operator did, when it is an operator's.
    pub operator: Option<OperatorNote>,
}

/// What an operator's event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorNote {
    /// Who, as they call themselves.
    pub operator: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The status that it was decided on, if that mattered.
    pub expected_status: Option<String>,
    /// Whether the saga had another status when it was applied: then it changed nothing.
    pub refused: bool,
}

impl OperatorNote {
    /// What an event says, when it is an operator's.
    pub fn of(event: &EventRef<'_>, refused: bool) -> Option<Self> {
        if event.step != OPERATOR_STATUS_CHANGE {
            return None;
        }
        let metadata: Value = event
            .metadata
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let text = |name: &str| {
            let told = metadata.get(name).and_then(Value::as_str);
            told.map(|text| first(text, MAX_TOLD_CHARS).to_owned())
        };
        Some(Self {
            operator: text("operator"),
            reason: text("reason"),
            expected_status: text("expectedStatus"),
            refused,
        })
    }
}

impl PastEvent {
    /// An event of which nothing is told but what it says itself.
    pub(super) fn plain(event: &EventRef<'_>) -> Self {
        Self {
            place: event.place,
            arrived_at: event.arrived_at,
            event_id: event.event_id.into(),
            step: event.step.into(),
            status: event.status,
            producer_service: event.producer_service.map(Into::into),
            trace_id: event.trace_id.map(Into::into),
            duplicate: false,
            late_millis: None,
            anomalies: Vec::new(),
            operator: None,
        }
    }

    /// A delivery that did not stand.
    pub(super) fn duplicate(event: &EventRef<'_>) -> Self {
        Self {
            duplicate: true,
            ..Self::plain(event)
        }
    }

    /// An event that stood, given the state after it, whose anomalies are those that came with it, and the first
    /// arrival among the events behind it.
    pub(super) fn standing(known: &Known<'_>, state: &SagaState, first_behind: Option<Millis>) -> Self {
        let event = &known.event;
        let mut anomalies: Vec<AnomalyKind> = state.anomalies.kept.iter().map(|odd| odd.kind).collect();
        let refused = anomalies.contains(&AnomalyKind::OperatorChangeRefused);
        anomalies.extend(known.conflicting.then_some(AnomalyKind::EventIdConflict));
        let late = first_behind.map(|first| event.arrived_at.since(first));
        Self {
            late_millis: late.filter(|millis| *millis > 0),
            anomalies,
            operator: OperatorNote::of(event, refused),
            ..Self::plain(event)
        }
    }

    /// Whether an operator made an event.
    pub(super) fn is_operators(event: &EventRef<'_>) -> bool {
        event.step == OPERATOR_STATUS_CHANGE
    }

    /// Whether there is more to tell than that it happened.
    pub(super) fn is_remarkable(&self) -> bool {
        self.duplicate || self.late_millis.is_some() || self.operator.is_some() || !self.anomalies.is_empty()
    }
}
