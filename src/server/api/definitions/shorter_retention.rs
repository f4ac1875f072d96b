//! Which sagas definitions would have kept for less long, as answers tell it.

use super::super::saga_fields::Status;
use crate::domain::ShorterRetention;
use serde::Serialize;
use utoipa::ToSchema;

/// Sagas that are kept for less long by definitions: they are purged sooner, on every replica, once these are in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShorterRetention)]
pub(super) struct ShorterRetentionBody {
    /// Sagas of this type
    saga_type: String,
    /// in this status.
    status: Status,
    /// Days after the last event that they are kept under the definitions in force. Where these name none, by the
    /// settings of the replica that answers.
    days: u64,
    /// What that becomes.
    becomes: u64,
}

impl From<ShorterRetention> for ShorterRetentionBody {
    fn from(shorter: ShorterRetention) -> Self {
        Self {
            saga_type: shorter.saga_type,
            status: shorter.status.into(),
            days: shorter.days,
            becomes: shorter.becomes,
        }
    }
}

/// All of them.
pub(super) fn bodies(shorter: Vec<ShorterRetention>) -> Vec<ShorterRetentionBody> {
    shorter.into_iter().map(ShorterRetentionBody::from).collect()
}
