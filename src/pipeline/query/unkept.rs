//! Sagas of which the index cannot tell what their status was at an instant, because it changed too often to keep
//! all of its changes. The log can: each is folded up to there, from the checkpoint before.
//!
//! There are hardly ever any. A producer can make up many, so beyond a bound the question is refused.

use super::QueryError;
use super::trees::Trees;
use crate::domain::{
    Cut, Millis, Position, SagaDefinitions, SagaId, SagaState, SagaStatus, TimelineKey,
};
use crate::store::codec::Record;
use crate::store::records::{CensusRecord, ManyChangesRecord};
use crate::store::{Key, ProjectionTable, Scan, StoreError, StoreRead, Table, keys, reads, timelines};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// At most so many sagas are folded for one question.
const MAX_FOLDED: usize = if cfg!(test) { 20 } else { 500 };

/// A saga of which the index does not tell the status at an instant.
#[derive(Clone, Debug)]
pub(super) struct Corrected {
    pub(super) saga_type: String,
    pub(super) started_at: Millis,
    /// What the grid counts it as.
    counted: SagaStatus,
    /// What it was.
    pub(super) status: SagaStatus,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Corrections(BTreeMap<SagaId, Corrected>);

impl Corrections {
    /// Whether the saga is one of them.
    pub(super) fn has(&self, saga: &SagaId) -> bool {
        !self.0.is_empty() && self.0.contains_key(saga)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SagaId, &Corrected)> {
        self.0.iter()
    }

    /// What has to be added to the grid: start, type, sums. The numbers of entries stay as they are.
    pub(super) fn sums(&self) -> impl Iterator<Item = (Millis, &str, CensusRecord)> {
        self.0.values().map(|saga| {
            let mut sums = CensusRecord::default();
            sums.entered[usize::from(saga.status.tag())] += 1;
            sums.entered[usize::from(saga.counted.tag())] -= 1;
            (saga.started_at, saga.saga_type.as_str(), sums)
        })
    }

    /// Those at an instant.
    pub(super) fn at(trees: Trees<'_>, past: &Past<'_>) -> Result<Self, QueryError> {
        let mut sagas = Vec::new();
        let mut key = Key::default();
        keys::many_changes_partition(&mut key);
        let table = Table::Projection(trees.generation, ProjectionTable::ManyChanges);
        Scan::of(table, key.partition()).each(trees.store, |saga, value| {
            let stretch = ManyChangesRecord::read(value)?;
            if (stretch.from..stretch.until).contains(&past.at.0) {
                sagas.push(SagaId::new(keys::parse_text("many_changes", saga)?));
            }
            Ok(if sagas.len() > MAX_FOLDED {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if sagas.len() > MAX_FOLDED {
            return Err(QueryError::TooManyChanges { limit: MAX_FOLDED });
        }
        let mut all = BTreeMap::new();
        for saga in sagas {
            if let Some(corrected) = past.corrected(&saga)? {
                all.insert(saga, corrected);
            }
        }
        Ok(Self(all))
    }
}

/// Where the past is read, and which instant of it is asked for.
pub(super) struct Past<'r> {
    pub(super) trees: Trees<'r>,
    pub(super) definitions: &'r SagaDefinitions,
    pub(super) cursor: &'r Cut,
    pub(super) at: Millis,
}

impl Past<'_> {
    /// The state that a saga had, whose state now is `whole`; `None` when it had not begun.
    pub(super) fn state(&self, saga: &SagaId, whole: &SagaState) -> Result<Option<SagaState>, StoreError> {
        if whole.updated_at <= self.at {
            return Ok(Some(whole.clone()));
        }
        if self.at < whole.started_at {
            return Ok(None);
        }
        let behind = TimelineKey {
            recorded_at: Millis(self.at.0.saturating_add(1)),
            position: Position::new(0, 0),
        };
        let store: &dyn StoreRead = self.trees.store;
        let moment = (store, self.trees.generation, self.cursor);
        timelines::fold_before(moment, self.definitions, saga, whole, behind)
    }

    fn corrected(&self, saga: &SagaId) -> Result<Option<Corrected>, StoreError> {
        let Some(whole) = reads::instance(self.trees.store, self.trees.generation, saga)? else {
            return Ok(None);
        };
        let path = whole.path();
        let counted = path.moves().take_while(|step| step.at <= self.at).last();
        let (Some(counted), Some(state)) = (counted, self.state(saga, &whole)?) else {
            return Ok(None);
        };
        Ok(Some(Corrected {
            saga_type: whole.saga_type.as_str().to_owned(),
            started_at: whole.started_at,
            counted: counted.to,
            status: state.status,
        }))
    }
}
