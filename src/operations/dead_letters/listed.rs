//! A letter without its bytes.

use crate::domain::{Millis, Position};
use crate::store::dead_letters::{DeadLetterState, ValueHash};
use crate::store::records::DeadLetterSummaryRecord;

/// What is known of a letter without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub position: Position,
    /// The topic that it was consumed from.
    pub topic: String,
    /// Why it is one, as one of the fixed reasons.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Arrival time.
    pub arrived_at: Millis,
    /// Length of its value.
    pub bytes: u64,
    /// Stands for its value.
    pub value: ValueHash,
    /// The event's id, as far as it could be decoded.
    pub event_id: Option<String>,
    /// The saga, likewise.
    pub saga_id: Option<String>,
    /// The saga's type, likewise.
    pub saga_type: Option<String>,
    /// The step, likewise.
    pub step: Option<String>,
    /// The status as it was written, likewise.
    pub status: Option<String>,
    /// What happened to it.
    pub state: DeadLetterState,
}

impl Listed {
    pub(super) fn of(
        position: Position,
        record: &DeadLetterSummaryRecord<'_>,
        state: DeadLetterState,
    ) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            position,
            topic: record.topic.to_owned(),
            reason: record.reason.to_owned(),
            detail: record.detail.to_owned(),
            arrived_at: Millis(record.arrived_at),
            bytes: record.bytes,
            value: ValueHash(record.value),
            event_id: owned(record.event_id),
            saga_id: owned(record.saga_id),
            saga_type: owned(record.saga_type),
            step: owned(record.step),
            status: owned(record.status),
            state,
        }
    }
}
