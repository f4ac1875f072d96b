//! An operator's decision, which enters through the topic as an ordinary event.

use super::{EventRef, SagaStatus};

/// The step of an operator's status change.
pub const OPERATOR_STATUS_CHANGE: &str = "OPERATOR_STATUS_CHANGE";

/// What an operator's event asks for beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorChange {
    /// The status that the operator saw. The change is refused when the saga has another.
    pub expected: Option<SagaStatus>,
}

impl OperatorChange {
    /// The operator's change in `event`, if it is one. Metadata key: `expectedStatus`.
    pub fn of(event: &EventRef<'_>) -> Option<Self> {
        if event.step != OPERATOR_STATUS_CHANGE {
            return None;
        }
        let expected = event
            .metadata
            .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
            .and_then(|metadata| metadata.get("expectedStatus")?.as_str()?.parse().ok());
        Some(Self { expected })
    }

    /// Whether the saga is still as the operator saw it.
    pub fn holds(&self, current: Option<SagaStatus>) -> bool {
        self.expected.is_none() || self.expected == current
    }
}
