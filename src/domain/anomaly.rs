//! What is odd about a saga, said in a form that rules can be written on.

use super::bounded::BoundedLog;
use super::{EventId, Millis, Position};

/// At most so many anomalies of each saga are kept in full; all of them are counted.
pub const MAX_KEPT_ANOMALIES: usize = 64;

/// The rule that an event broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AnomalyKind {
    /// STARTED on a completed saga.
    StartedAfterCompleted = 0,
    /// IN_PROGRESS on a completed saga.
    ProgressAfterCompleted = 1,
    /// FAILED on a completed saga.
    FailedAfterCompleted = 2,
    /// STARTED on a failed saga.
    StartedAfterFailed = 3,
    /// COMPLETED on a failed saga.
    CompletedAfterFailed = 4,
    /// STARTED on a compensated saga.
    StartedAfterCompensated = 5,
    /// COMPLETED on a compensated saga.
    CompletedAfterCompensated = 6,
    /// FAILED on a compensated saga.
    FailedAfterCompensated = 7,
    /// The event names another order than the saga's first event.
    OrderIdChanged = 8,
    /// The event names another type than the saga's first event.
    SagaTypeChanged = 9,
    /// Different bodies of one event were delivered: the one at the lowest position stands.
    EventIdConflict = 10,
    /// An operator's change that was decided on another status than the saga had.
    OperatorChangeRefused = 11,
    /// The metadata does not fit the schema that the definition has for the step.
    InvalidMetadata = 12,
}

impl AnomalyKind {
    const ALL: [AnomalyKind; 13] = [
        Self::StartedAfterCompleted,
        Self::ProgressAfterCompleted,
        Self::FailedAfterCompleted,
        Self::StartedAfterFailed,
        Self::CompletedAfterFailed,
        Self::StartedAfterCompensated,
        Self::CompletedAfterCompensated,
        Self::FailedAfterCompensated,
        Self::OrderIdChanged,
        Self::SagaTypeChanged,
        Self::EventIdConflict,
        Self::OperatorChangeRefused,
        Self::InvalidMetadata,
    ];

    /// The name in answers, e.g. `FAILED_AFTER_COMPLETED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartedAfterCompleted => "STARTED_AFTER_COMPLETED",
            Self::ProgressAfterCompleted => "PROGRESS_AFTER_COMPLETED",
            Self::FailedAfterCompleted => "FAILED_AFTER_COMPLETED",
            Self::StartedAfterFailed => "STARTED_AFTER_FAILED",
            Self::CompletedAfterFailed => "COMPLETED_AFTER_FAILED",
            Self::StartedAfterCompensated => "STARTED_AFTER_COMPENSATED",
            Self::CompletedAfterCompensated => "COMPLETED_AFTER_COMPENSATED",
            Self::FailedAfterCompensated => "FAILED_AFTER_COMPENSATED",
            Self::OrderIdChanged => "ORDER_ID_CHANGED",
            Self::SagaTypeChanged => "SAGA_TYPE_CHANGED",
            Self::EventIdConflict => "EVENT_ID_CONFLICT",
            Self::OperatorChangeRefused => "OPERATOR_CHANGE_REFUSED",
            Self::InvalidMetadata => "INVALID_METADATA",
        }
    }

    /// The number that records carry. Never reused.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The kind with that [`tag`](Self::tag).
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

/// One odd thing about a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The rule that was broken.
    pub kind: AnomalyKind,
    /// The event that broke it.
    pub event_id: EventId,
    /// That event's time.
    pub at: Millis,
}

/// The first [`MAX_KEPT_ANOMALIES`] of a timeline, in its order, and how many there are in all.
pub type AnomalyLog = BoundedLog<Anomaly, MAX_KEPT_ANOMALIES>;

/// An event of which different bodies were delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Where the delivery lies that stands.
    pub position: Position,
    /// What is told of it.
    pub anomaly: Anomaly,
}

/// Those [`MAX_KEPT_ANOMALIES`] events in conflict that stand at the lowest positions, and how many
/// there are in all. Events only come into conflict and only move to lower positions, so neither
/// needs the other events to be kept exact.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ConflictLog {
    /// Those at the lowest positions, in their order.
    pub kept: Vec<Conflict>,
    /// All of them, counted.
    pub total: u32,
}

impl ConflictLog {
    /// Notes an event that was in no conflict before.
    pub fn add(&mut self, position: Position, event_id: EventId, at: Millis) {
        self.total = self.total.saturating_add(1);
        self.place(position, event_id, at);
    }

    /// Notes that an event in conflict stands at a lower position now.
    pub fn moved(&mut self, from: Position, position: Position, event_id: EventId, at: Millis) {
        self.kept.retain(|conflict| conflict.position != from);
        self.place(position, event_id, at);
    }

    /// What is told of them.
    pub fn anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.kept.iter().map(|conflict| &conflict.anomaly)
    }

    fn place(&mut self, position: Position, event_id: EventId, at: Millis) {
        let place = self.kept.partition_point(|other| other.position < position);
        if place < MAX_KEPT_ANOMALIES {
            let kind = AnomalyKind::EventIdConflict;
            let anomaly = Anomaly { kind, event_id, at };
            self.kept.insert(place, Conflict { position, anomaly });
            self.kept.truncate(MAX_KEPT_ANOMALIES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_positions_in_the_list() {
        for (tag, kind) in (0u8..).zip(AnomalyKind::ALL) {
            assert_eq!(kind.tag(), tag);
            assert_eq!(AnomalyKind::from_tag(tag), Some(kind));
        }
        assert_eq!(AnomalyKind::from_tag(13), None);
    }
}
