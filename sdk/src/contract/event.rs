//! One saga step as it travels: the nine fields of the published schema.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SagaStatus, SagaType};

/// One step of one saga, as the service that took it reports it.
///
/// On the wire both timestamps are whole milliseconds; what is finer is cut off when the event is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaEvent {
    /// Unique per event, normally a UUID. Sending an event again keeps it: the tracker applies it once.
    pub event_id: String,
    /// When the producer built the event.
    pub event_timestamp: Timestamp,
    /// Order id or the saga's own UUID. Also the record's key, so that one partition holds the saga.
    pub saga_id: String,
    /// Kind of saga.
    pub saga_type: SagaType,
    /// Step of the saga; see [`steps`](super::steps) for the ones in use.
    pub step: String,
    /// What the step did to the saga.
    pub status: SagaStatus,
    /// Order that the saga is about.
    pub order_id: String,
    /// JSON object as text; see [`Metadata`](super::Metadata).
    pub metadata: Option<String>,
    /// When the step happened: what the tracker sorts by.
    pub recorded_at: Timestamp,
}
