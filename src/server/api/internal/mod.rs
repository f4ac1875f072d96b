//! What operators and tools of the tracker itself ask; not part of the contract with other services.

mod config;
mod digest;
mod jobs;
mod progress;
mod rebuild;
mod replay_events;
mod snapshots;
mod status;
mod topic_replay;

use super::error::{ApiError, ErrorKind};
use super::route::Route;
use crate::operations::background::StartError;
use crate::operations::rebuild::StartRebuildError;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(topic_replay::status, topic_replay::start)),
        Route::of(routes!(replay_events::handle)).unbounded(),
        // Bounds itself: it must be able to say what became of what it published.
        Route::of(routes!(status::handle)).unbounded(),
        Route::of(routes!(progress::handle)).quiet(),
        Route::of(routes!(rebuild::status, rebuild::start)),
        Route::of(routes!(snapshots::list, snapshots::start)),
        Route::of(routes!(snapshots::prune)).unbounded(),
        Route::of(routes!(snapshots::status)).quiet(),
        Route::of(routes!(digest::handle)).unbounded(),
        Route::of(routes!(jobs::handle)).quiet(),
        Route::of(routes!(config::handle)),
    ]
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        let kind = match error {
            StartError::Busy { .. } => ErrorKind::Conflict,
            StartError::Thread { .. } => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StartRebuildError> for ApiError {
    fn from(error: StartRebuildError) -> Self {
        match error {
            StartRebuildError::Start(error) => error.into(),
            StartRebuildError::NoDiskSpace(no_space) => {
                Self::new(ErrorKind::ServiceUnavailable, no_space.to_string())
            }
            StartRebuildError::Store(error) => error.into(),
        }
    }
}
