//! What one saga was at a moment, among all of them.

use super::QueryError;
use super::moment::Moment;
use super::timeline::{Basis, Log, Source, Timeline};
use super::trees::Trees;
use crate::domain::{Cut, Millis, SagaDefinitions, SagaId, SagaState};
use crate::store::{StoreError, reads};

/// Where the past is read, and which moment of it is asked for.
pub(super) struct Past<'r> {
    pub(super) trees: Trees<'r>,
    pub(super) definitions: &'r SagaDefinitions,
    pub(super) cursor: &'r Cut,
    pub(super) moment: Moment,
}

impl Past<'_> {
    /// The last instant of event time that counts.
    pub(super) fn until(&self) -> Millis {
        self.moment.as_of.unwrap_or(Millis::LATEST_EVENT)
    }

    /// The instant of which what is known now says nearly all that was known at the moment.
    pub(super) fn base(&self) -> Millis {
        let until = self.until();
        self.moment.known_at.map_or(until, |known_at| until.min(known_at))
    }

    /// Whether a saga, whose state now is `whole`, was then what it is now.
    pub(super) fn is_now(&self, whole: &SagaState) -> bool {
        let all_happened = whole.updated_at <= self.until() && whole.duplicates == 0;
        self.moment.is_now() || (all_happened && self.moment.known_at.is_none())
    }

    /// The state that a saga had, whose state now is `whole`; `None` when it had not begun.
    pub(super) fn state(&self, saga: &SagaId, whole: &SagaState) -> Result<Option<SagaState>, QueryError> {
        if self.is_now(whole) {
            return Ok(Some(whole.clone()));
        }
        self.timeline(saga, whole).state(self.moment)
    }

    /// The same as far as the saga's timeline tells it: not which of its events were in conflict.
    pub(super) fn state_of_timeline(
        &self,
        saga: &SagaId,
        whole: &SagaState,
    ) -> Result<Option<SagaState>, QueryError> {
        if self.is_now(whole) {
            return Ok(Some(whole.clone()));
        }
        self.timeline(saga, whole).state_of_timeline(self.moment)
    }

    /// The timeline of a saga, whose state now is `whole`.
    pub(super) fn timeline<'t>(&'t self, saga: &'t SagaId, whole: &'t SagaState) -> Timeline<'t> {
        let source = Source::Log(Log {
            store: self.trees.store,
            generation: self.trees.generation,
            cursor: self.cursor.clone(),
            saga,
            whole,
        });
        Timeline {
            saga,
            source,
            definitions: self.definitions,
            basis: Basis::default(),
            started_at: whole.started_at,
            has_duplicates: whole.duplicates > 0,
        }
    }
}

/// The states of sagas as far as they are known now, in their order.
pub(super) fn states(past: &Past<'_>, ids: &[SagaId]) -> Result<Vec<Option<SagaState>>, StoreError> {
    reads::instances(past.trees.store, past.trees.generation, ids)
}
