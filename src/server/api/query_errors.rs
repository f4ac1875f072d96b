//! What is answered when the store has no answer: what is not there, what is too much to ask, what cannot be read.

use super::error::{ApiError, Detail, ErrorKind};
use super::params;
use crate::domain::SagaId;
use crate::pipeline::query::{PurgedView, QueryError};
use crate::store::StoreError;
use std::time::Duration;

/// Why there is nothing to show of a saga.
pub(super) fn missing(id: &SagaId, purged: Option<PurgedView>) -> ApiError {
    let Some(PurgedView {
        purged, late_count, ..
    }) = purged.filter(|view| view.purged.is_gone())
    else {
        return unknown_saga(id);
    };
    let shown = params::shown(id.as_str());
    let way = if purged.row_groups.is_some() {
        "; archive=true reads it from the archive"
    } else {
        ""
    };
    let late = match late_count {
        0 => String::new(),
        number => format!("; {number} deliveries came after that"),
    };
    ApiError::new(
        ErrorKind::NotFound,
        format!(
            "saga {shown} was purged at {} by the rule: {}; it had {} deliveries{late}{way}",
            purged.purged_at, purged.rule, purged.events
        ),
    )
}

fn unknown_saga(id: &SagaId) -> ApiError {
    let shown = params::shown(id.as_str());
    ApiError::new(
        ErrorKind::NotFound,
        format!("no event of saga {shown} has been seen"),
    )
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadCursor => Self::faults(vec![Detail {
                parameter: "cursor".to_owned(),
                found: "text that is not a cursor of this search".to_owned(),
                accepted: "nextCursor of an answer to the same filters and sort; without it, the first page"
                    .to_owned(),
            }]),
            error @ (QueryError::TooManyToSort { .. }
            | QueryError::TooManyToExamine { .. }
            | QueryError::TooMuchToExamine { .. }
            | QueryError::TooManyFailed { .. }
            | QueryError::TooMuchFlow(_)
            | QueryError::TooManyChanges { .. }
            | QueryError::TooManyUnderWay { .. }
            | QueryError::TooMuchToFold { .. }) => Self::new(ErrorKind::BadRequest, error.to_string()),
            QueryError::Store(error) => error.into(),
            QueryError::NotBegun { .. } => Self::new(ErrorKind::NotFound, error.to_string()),
            QueryError::TooManyRepeated { .. } | QueryError::TooLong(_) | QueryError::SwitchedOff { .. } => {
                Self::new(ErrorKind::Conflict, error.to_string())
            }
            QueryError::Unreadable => Self::new(ErrorKind::InternalError, error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store did not answer");
        let message = error.to_string();
        if matches!(error, StoreError::Disk(_)) {
            return Self::new(ErrorKind::ServiceUnavailable, message).retry_after(Duration::from_secs(10));
        }
        Self::new(ErrorKind::InternalError, message)
    }
}
