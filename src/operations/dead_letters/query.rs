//! Questions about dead letters and their answers, apart from how they travel.

use super::list::{self, Walk};
use super::view::{self, examine};
use super::{DeadLetterFilter, DeadLetterGroup, DeadLetterPage, DeadLetterView, GroupBy, ListError, Listed};
use crate::domain::{Millis, Position};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::registry::SchemaSource;
use crate::store::dead_letters::{DeadLetterCounts, DeadLetterState, removed};
use crate::store::stoppable::{self, Stop};
use crate::store::{SharedStore, StoreError, StoreRead};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a question about letters was not answered.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterQueryError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such letter.
    #[error("there is no dead letter {0}")]
    Unknown(super::DeadLetterId),
    /// It is no longer kept.
    #[error("dead letter {0} was {state} and is no longer kept since {at}", state = .1.as_str(), at = .2)]
    Removed(super::DeadLetterId, DeadLetterState, Millis),
}

/// What letters are looked up in and decoded with.
#[derive(Clone)]
pub struct Sources {
    /// The store.
    pub store: SharedStore,
    /// Where writer schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// The topics that letters lie in.
    pub topics: DeadLetterTopics,
}

/// Answers questions about dead letters. Cheap to clone. Blocks: not for an async thread.
#[derive(Clone)]
pub struct DeadLetterQuery {
    sources: Sources,
}

impl DeadLetterQuery {
    /// Answers from these.
    pub fn new(sources: Sources) -> Self {
        Self { sources }
    }

    /// The same, whose reads end early when told to.
    #[must_use]
    pub fn until(&self, stop: Stop) -> Self {
        Self::new(Sources {
            store: stoppable::until(self.sources.store.clone(), stop),
            ..self.sources.clone()
        })
    }

    /// A part of the letters that match, newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn list(
        &self,
        filter: &DeadLetterFilter,
        cursor: Option<&str>,
        size: usize,
    ) -> Result<DeadLetterPage, ListError> {
        let snapshot = self.sources.store.snapshot();
        list::page(self.walk(&*snapshot)?, filter, cursor, size)
    }

    /// How many letters match, by reason and state. Exact.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self, filter: &DeadLetterFilter) -> Result<BTreeMap<String, DeadLetterCounts>, StoreError> {
        let snapshot = self.sources.store.snapshot();
        list::count(self.walk(&*snapshot)?, filter)
    }

    /// The letters that match, grouped, the largest group first; and those of no group, once there are as
    /// many groups as are told apart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups(
        &self,
        filter: &DeadLetterFilter,
        by: GroupBy,
    ) -> Result<(Vec<DeadLetterGroup>, DeadLetterCounts), StoreError> {
        let snapshot = self.sources.store.snapshot();
        list::groups(self.walk(&*snapshot)?, filter, by)
    }

    /// One letter with its bytes, what they come to now, and what happened to it.
    ///
    /// # Errors
    /// [`DeadLetterQueryError`].
    pub fn show(&self, position: Position) -> Result<DeadLetterView, DeadLetterQueryError> {
        let snapshot = self.sources.store.snapshot();
        let store = &*snapshot;
        let (Some(listed), Some(letter)) = (view::listed(store, position)?, view::letter(store, position)?)
        else {
            return Err(missing(store, position)?);
        };
        let history = view::history(store, &listed)?;
        let examined = examine(
            &*self.sources.schemas,
            letter.value.as_deref(),
            position,
            letter.arrived_at,
        );
        Ok(DeadLetterView {
            listed,
            letter,
            examined,
            history,
        })
    }

    /// What is known of a letter without its bytes.
    ///
    /// # Errors
    /// [`DeadLetterQueryError`].
    pub fn look_up(&self, position: Position) -> Result<Listed, DeadLetterQueryError> {
        let snapshot = self.sources.store.snapshot();
        match view::listed(&*snapshot, position)? {
            Some(listed) => Ok(listed),
            None => Err(missing(&*snapshot, position)?),
        }
    }

    /// Those of these letters that are open, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_of(&self, letters: &[Position]) -> Result<Vec<Position>, StoreError> {
        let snapshot = self.sources.store.snapshot();
        let mut open = Vec::new();
        for letter in letters {
            let listed = view::listed(&*snapshot, *letter)?;
            let listed = listed.filter(|listed| listed.state == DeadLetterState::Open);
            open.extend(listed.map(|listed| (listed.arrived_at, *letter)));
        }
        open.sort_unstable();
        Ok(open.into_iter().map(|(_, letter)| letter).collect())
    }

    /// All dead letters that match, oldest first, but no more than `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn choose(&self, filter: &DeadLetterFilter, limit: usize) -> Result<Vec<Position>, StoreError> {
        let snapshot = self.sources.store.snapshot();
        let mut walk = self.walk(&*snapshot)?;
        let mut chosen = Vec::new();
        while let Some(letter) = walk.next()? {
            if filter.from.is_some_and(|from| letter.arrived_at < from) {
                break;
            }
            if filter.matches(&letter) {
                chosen.push(letter.position);
            }
        }
        chosen.reverse();
        chosen.truncate(limit);
        Ok(chosen)
    }

    /// The topics that letters lie in.
    pub fn topics(&self) -> &DeadLetterTopics {
        &self.sources.topics
    }

    fn walk<'r>(&self, store: &'r dyn StoreRead) -> Result<Walk<'r>, StoreError> {
        let topics = &self.sources.topics;
        Walk::new(store, &topics.topic, &topics.dlt_topic)
    }
}

/// Why there is nothing to show of a letter.
fn missing(store: &dyn StoreRead, position: Position) -> Result<DeadLetterQueryError, StoreError> {
    let id = super::DeadLetterId(position);
    let removed = removed(store, position)?
        .map(|(mark, removal)| DeadLetterQueryError::Removed(id, removal.state(), mark.at));
    Ok(removed.unwrap_or(DeadLetterQueryError::Unknown(id)))
}
