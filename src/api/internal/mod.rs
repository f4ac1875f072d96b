//! What operators and tools of the tracker itself ask; not part of the contract with other services.

pub(super) mod digest;
pub(super) mod progress;
pub(super) mod rebuild;

use super::admin::AdminError;
use super::error::{ApiError, ErrorKind};

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let kind = match error {
            AdminError::Busy(_) => ErrorKind::Conflict,
            AdminError::Unavailable(_) => ErrorKind::ServiceUnavailable,
            AdminError::Failed(_) => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string())
    }
}
