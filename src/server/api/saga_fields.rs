//! What several nouns take and give of a saga: the id in a path, the status in an answer.

use super::error::{ApiError, ErrorKind};
use crate::domain::{SagaId, SagaStatus};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

/// The saga id of a path. Any text: the routes are matched before percent-decoding, so an encoded
/// slash does not end it, and the sagas named `statistics` and `stuck` are reached as
/// `%73tatistics` and `%73tuck`.
pub(super) struct SagaIdPath(pub(super) SagaId);

impl<S: Sync + Send> FromRequestParts<S> for SagaIdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(SagaId::from(id))),
            Err(_) => {
                let message = "sagaId: found bytes that are not UTF-8, accepted: percent-encoded UTF-8";
                Err(ApiError::new(ErrorKind::BadRequest, message))
            }
        }
    }
}

/// A status as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SagaStatus)]
pub(super) enum Status {
    Started,
    InProgress,
    Completed,
    Failed,
    Compensated,
}

impl From<SagaStatus> for Status {
    fn from(status: SagaStatus) -> Self {
        match status {
            SagaStatus::Started => Self::Started,
            SagaStatus::InProgress => Self::InProgress,
            SagaStatus::Completed => Self::Completed,
            SagaStatus::Failed => Self::Failed,
            SagaStatus::Compensated => Self::Compensated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_travels_under_its_name() {
        for status in SagaStatus::ALL {
            assert_eq!(
                serde_json::to_value(Status::from(status)).unwrap(),
                status.as_str()
            );
        }
    }
}
