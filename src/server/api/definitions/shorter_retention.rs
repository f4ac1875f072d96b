//! Which sagas definitions would have kept for fewer days, as answers tell it.

use super::super::saga_fields::Status;
use crate::domain::ShorterRetention;
use serde::Serialize;
use utoipa::ToSchema;

/// Sagas that are kept for fewer days by definitions: they are purged sooner, on every replica, once these are in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShorterRetention)]
pub(super) struct ShorterRetentionBody {
    /// The saga type.
    saga_type: String,
    /// The status.
    status: Status,
    /// Days after its last event that such a saga is kept under the definitions in force; where these name none, by
    /// the settings of the replica that answers.
    current_days: u64,
    /// The same under the other definitions.
    new_days: u64,
}

impl From<ShorterRetention> for ShorterRetentionBody {
    fn from(shorter: ShorterRetention) -> Self {
        Self {
            saga_type: shorter.saga_type,
            status: shorter.status.into(),
            current_days: shorter.current_days,
            new_days: shorter.new_days,
        }
    }
}

/// All of them.
pub(super) fn bodies(shorter: Vec<ShorterRetention>) -> Vec<ShorterRetentionBody> {
    shorter.into_iter().map(ShorterRetentionBody::from).collect()
}
