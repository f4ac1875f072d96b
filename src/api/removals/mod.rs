//! What is removed, kept from it, archived and brought back; one file per noun.

pub(super) mod archive;
pub(super) mod holds;
pub(super) mod plan;
pub(super) mod purged;

use super::admin::AdminError;
use super::caller::Caller;
use super::context::{Context, StepsWriter};
use super::error::ApiError;
use crate::domain::{Millis, PurgedSaga, SagaId, SagaState};
use crate::query::TimelineStep;
use crate::retention::archived::ArchiveObject;
use crate::retention::body::HoldBody;
use crate::retention::{Hold, Plan};
use crate::store::stoppable::Stop;
use serde::Deserialize;
use std::ops::ControlFlow;
use utoipa::ToSchema;

/// What the API asks of retention. The app supplies it.
pub trait Removals: Send + Sync {
    /// What would go if retention ran now. Ends early when told to.
    ///
    /// # Errors
    /// [`AdminError`].
    fn plan(&self, stop: Stop) -> Result<Plan, AdminError>;

    /// All holds there ever were.
    ///
    /// # Errors
    /// [`AdminError`].
    fn holds(&self) -> Result<Vec<Hold>, AdminError>;

    /// Sets a hold, everywhere.
    ///
    /// # Errors
    /// [`AdminError`].
    fn keep(&self, what: HoldBody, reason: &str, by: &Caller) -> Result<Hold, AdminError>;

    /// Ends a hold, everywhere.
    ///
    /// # Errors
    /// [`AdminError`].
    fn lift(&self, id: u64, reason: &str, by: &Caller) -> Result<Hold, AdminError>;

    /// Archive objects from a decision on.
    ///
    /// # Errors
    /// [`AdminError`].
    fn objects(&self, from: u64, limit: usize) -> Result<Vec<ArchiveObject>, AdminError>;

    /// A removed saga, from the archive. Waits for the object store.
    ///
    /// # Errors
    /// [`AdminError`]; [`AdminError::Conflict`] when it is too large to be held in memory.
    fn archived(&self, saga: &SagaId) -> Result<Archived, AdminError>;

    /// Visits the steps of a removed saga, from the archive, one after the other, until told to stop. None is
    /// shown before it is certain that they are what was removed. Waits for the object store.
    ///
    /// # Errors
    /// [`AdminError`].
    fn archived_steps(
        &self,
        saga: &SagaId,
        visit: &mut dyn FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
    ) -> Result<(), AdminError>;

    /// Brings a removed saga back, everywhere.
    ///
    /// # Errors
    /// [`AdminError`].
    fn restore(&self, saga: &SagaId, reason: &str, by: &Caller) -> Result<Restored, AdminError>;

    /// Decisions that are read and not done.
    fn pending(&self) -> u64;

    /// When the last search for due sagas ended well on this replica.
    fn last_sweep(&self) -> Option<Millis>;

    /// Why due sagas are not found or removed now; none while they are.
    fn trouble(&self) -> Option<String>;

    /// How decisions fare on this replica.
    fn standing(&self) -> Standing;
}

/// How decisions to purge and restore fare on a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why they are done no more until a restart.
    pub stopped: Option<String>,
    /// Those that could not be done and were left, ever.
    pub skipped: u64,
    /// The last of them, and why.
    pub last_skipped: Option<String>,
    /// What a search for due sagas waits for.
    pub waiting: Option<String>,
}

/// A removed saga as the archive has it.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Its final state.
    pub state: SagaState,
    /// The record of its removal.
    pub purged: PurgedSaga,
}

/// A saga that came back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The decision.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// Deliveries that came back.
    pub events: u32,
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Reason)]
pub(in crate::api) struct ReasonBody {
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S", example = "case 2026-17")]
    reason: String,
}

const LONGEST_REASON: usize = 1_000;

/// The reason, or what is wrong with it.
fn checked(reason: &str) -> Result<&str, AdminError> {
    if reason.trim().is_empty() || reason.chars().nth(LONGEST_REASON).is_some() {
        return Err(AdminError::Invalid(
            "reason: accepted: 1 to 1000 characters, not only blanks".to_owned(),
        ));
    }
    Ok(reason)
}

/// Asks retention, on a thread that may wait for Kafka or the object store.
async fn ask<T: Send + 'static>(
    context: &Context,
    question: impl FnOnce(&dyn Removals) -> Result<T, AdminError> + Send + 'static,
) -> Result<T, ApiError> {
    let asked = context.clone();
    let answer = context.blocking(move || question(removals(&asked)?)).await?;
    Ok(answer?)
}

/// Asks retention what takes reading much.
async fn ask_much<T: Send + 'static>(
    context: &Context,
    question: impl FnOnce(&dyn Removals, Stop) -> Result<T, AdminError> + Send + 'static,
) -> Result<T, ApiError> {
    let asked = context.clone();
    let answer = context
        .full_read(move |stop| question(removals(&asked)?, stop))
        .await?;
    Ok(answer?)
}

fn removals(context: &Context) -> Result<&dyn Removals, AdminError> {
    let none = || AdminError::Unavailable("this tracker removes nothing and has no archive".to_owned());
    context.admin().removals().ok_or_else(none)
}

/// A removed saga, from the archive.
pub(in crate::api) async fn from_archive(context: &Context, saga: &SagaId) -> Result<Archived, ApiError> {
    let (asked, saga) = (context.clone(), saga.clone());
    let found = context
        .elsewhere(move |_| removals(&asked)?.archived(&saga))
        .await?;
    Ok(found?)
}

/// Hands the steps of a removed saga, from the archive, to `writer`, one after the other.
pub(in crate::api) async fn write_archived_steps(
    context: &Context,
    saga: SagaId,
    mut writer: impl StepsWriter,
) -> Result<(), ApiError> {
    let asked = context.clone();
    let written = context.elsewhere(move |_| {
        removals(&asked)?.archived_steps(&saga, &mut |step| writer.step(step))?;
        writer.end();
        Ok::<_, AdminError>(())
    });
    Ok(written.await??)
}
