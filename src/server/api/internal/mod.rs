//! What operators and tools of the tracker itself ask; not part of the contract with other services.

pub(super) mod digest;
pub(super) mod progress;
pub(super) mod rebuild;
pub(super) mod replay_events;
pub(super) mod snapshots;
pub(super) mod status;
pub(super) mod topic_replay;

use super::admin::AdminError;
use super::error::{ApiError, ErrorKind};

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let kind = match error {
            AdminError::Busy(_) | AdminError::Conflict(_) => ErrorKind::Conflict,
            AdminError::NotFound(_) => ErrorKind::NotFound,
            AdminError::Invalid(_) => ErrorKind::BadRequest,
            AdminError::Unavailable(_) | AdminError::NotBegun(_) => ErrorKind::ServiceUnavailable,
            AdminError::Failed(_) => ErrorKind::InternalError,
        };
        let told = Self::new(kind, error.to_string());
        if matches!(error, AdminError::NotBegun(_)) {
            return told.nothing_changed();
        }
        told
    }
}
