//! What is purged, held, archived and restored; one file per noun.

mod archive;
mod holds;
mod plan;
mod purged;

use super::context::Context;
use super::error::{ApiError, ErrorKind};
use super::route::Route;
use crate::domain::text::required_reason;
use crate::domain::{SagaId, SagaState};
use crate::operations::retention::{Retention, RetentionError};
use crate::pipeline::query::{QueryError, Timeline};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(plan::handle)).unbounded(),
        Route::of(routes!(purged::handle)),
        Route::of(routes!(holds::list, holds::add)).unbounded(),
        Route::of(routes!(holds::lift)).unbounded(),
        Route::of(routes!(archive::list)),
        Route::of(routes!(archive::restore)).unbounded(),
    ]
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Reason)]
pub(super) struct ReasonBody {
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S", example = "case 2026-17")]
    reason: String,
}

/// The reason, or what is wrong with it.
fn checked(reason: &str) -> Result<&str, ApiError> {
    required_reason(reason).map_err(|accepted| invalid(format!("reason: accepted: {accepted}")))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, message)
}

impl From<RetentionError> for ApiError {
    fn from(error: RetentionError) -> Self {
        let words = error.to_string();
        let kind = match error {
            RetentionError::Ops(error) => return error.into(),
            RetentionError::Query(error) => return error.into(),
            RetentionError::BadHold(_) => ErrorKind::BadRequest,
            RetentionError::NeverPurged(_) | RetentionError::NotArchived(_) | RetentionError::NoHold(_) => {
                ErrorKind::NotFound
            }
            RetentionError::AlreadyLifted(_)
            | RetentionError::NotGone(_)
            | RetentionError::Restoring(_)
            | RetentionError::TooLarge { .. } => ErrorKind::Conflict,
            RetentionError::NoObjects
            | RetentionError::DecisionsUnread
            | RetentionError::Behind(_)
            | RetentionError::NotAtTheEnd(_)
            | RetentionError::NotAppliedYet { .. } => ErrorKind::ServiceUnavailable,
            RetentionError::Archive(error) if error.is_of_objects() => ErrorKind::ServiceUnavailable,
            RetentionError::Store(_)
            | RetentionError::Archive(_)
            | RetentionError::Format(_)
            | RetentionError::EmptyArchive(_)
            | RetentionError::NotRestored { .. } => ErrorKind::InternalError,
        };
        Self::new(kind, words)
    }
}

/// Asks retention, on a thread that may wait for Kafka or the object store.
async fn ask<T: Send + 'static>(
    context: &Context,
    question: impl FnOnce(&Retention) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let asked = context.clone();
    context.blocking(move || question(retention(&asked)?)).await?
}

fn retention(context: &Context) -> Result<&Retention, ApiError> {
    let none = || {
        let message = "this tracker purges nothing and has no archive";
        ApiError::new(ErrorKind::ServiceUnavailable, message)
    };
    context.parts().retention.as_ref().ok_or_else(none)
}

/// The final state of a removed saga, from the archive.
pub(super) async fn from_archive(context: &Context, saga: &SagaId) -> Result<SagaState, ApiError> {
    let (asked, saga) = (context.clone(), saga.clone());
    context
        .elsewhere(move |_| Ok(retention(&asked)?.archived(&saga)?))
        .await?
}

/// Asks about the timeline of a removed saga, from the archive.
pub(super) async fn archived_timeline<T: Send + 'static>(
    context: &Context,
    saga: &SagaId,
    ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, ApiError> {
    let (asked, saga) = (context.clone(), saga.clone());
    context
        .elsewhere(move |_| Ok(retention(&asked)?.archived_timeline(&saga, ask)?))
        .await?
}
