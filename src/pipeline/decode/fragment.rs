//! What can be told of a record that is no event: the fields up to where decoding failed.

use super::Defect;
use crate::domain::text::is_longer;
use saga_tracker_sdk::contract::limits::{MAX_ID_CHARS, MAX_SAGA_TYPE_CHARS, MAX_STEP_CHARS};

/// The fields of the contract that were read before decoding failed. Not held against any limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// `eventId`.
    pub event_id: Option<String>,
    /// `eventTimestamp`, milliseconds since 1970.
    pub event_timestamp: Option<i64>,
    /// `sagaId`.
    pub saga_id: Option<String>,
    /// `sagaType`.
    pub saga_type: Option<String>,
    /// `step`.
    pub step: Option<String>,
    /// `status`, any symbol of the writer.
    pub status: Option<String>,
    /// `orderId`.
    pub order_id: Option<String>,
    /// `metadata`; `None` when it is null, too.
    pub metadata: Option<String>,
    /// `recordedAt`, milliseconds since 1970.
    pub recorded_at: Option<i64>,
}

impl Fragment {
    /// The id of the event, if a key can be made of it.
    pub fn event_key(&self) -> Option<&str> {
        within(self.event_id.as_deref(), MAX_ID_CHARS)
    }

    /// The saga's id, if it is one.
    pub fn saga_key(&self) -> Option<&str> {
        within(self.saga_id.as_deref(), MAX_ID_CHARS)
    }

    /// The saga's type, if it is one.
    pub fn type_label(&self) -> Option<&str> {
        within(self.saga_type.as_deref(), MAX_SAGA_TYPE_CHARS)
    }

    /// The step, if it is one.
    pub fn step_label(&self) -> Option<&str> {
        within(self.step.as_deref(), MAX_STEP_CHARS)
    }

    /// The status as it was written, if it is not too long for one.
    pub fn status_label(&self) -> Option<&str> {
        within(self.status.as_deref(), MAX_STEP_CHARS)
    }
}

/// The text, unless it is empty or longer than its field allows.
fn within(text: Option<&str>, limit: usize) -> Option<&str> {
    text.filter(|text| !text.is_empty() && !is_longer(text, limit))
}

/// Why a record is a dead letter, and what could be read of it all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What is wrong with it.
    pub defect: Defect,
    /// What could be read.
    pub fragment: Box<Fragment>,
}

impl From<Defect> for Rejected {
    /// Nothing could be read.
    fn from(defect: Defect) -> Self {
        Self {
            defect,
            fragment: Box::default(),
        }
    }
}
