//! The definitions that answers are given under, what they say of a saga, and which steps in use they do not name.

use super::{QueryError, SagaView, saga};
use crate::domain::{
    InForce, Judgement, Millis, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId, UnreadableVersion,
};
use crate::store::{Store, StoreError, StoreRead, carried, keys, reads, totals as names};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Steps that are told apart at most.
const MAX_STEPS: usize = 1_000;

/// The definitions that answers are given under.
#[derive(Clone, Debug, PartialEq)]
pub struct DefinitionsInForce {
    /// Those that the serving projections are the fold under; what is no rule of the fold is as it is in force.
    pub definitions: SagaDefinitions,
    /// Whether others are in force, which the projections are to be made anew under.
    pub rebuild_due: bool,
    /// The version that was applied last, where it cannot be read here.
    pub unreadable: Option<UnreadableVersion>,
    /// Steps in use that no definition names.
    pub unnamed_steps: UnnamedSteps,
}

/// Steps in use that no definition names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnnamedSteps {
    /// The steps and how many events each has, those with most first.
    pub steps: Vec<(String, u64)>,
    /// Events of further such steps.
    pub other_events: u64,
}

pub(super) fn judged(
    store: &dyn Store,
    ours: &InForce,
    id: &SagaId,
    now: Millis,
) -> Result<Option<(SagaView, Judgement)>, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let Some(view) = saga::read(&*snapshot, generation, id)? else {
        return Ok(None);
    };
    let definitions = reads::definitions_of(&*snapshot, generation, ours)?;
    let judgement = definitions.judge(&view.state, now);
    Ok(Some((view, judgement)))
}

pub(super) fn in_force(store: &dyn Store, ours: &InForce) -> Result<DefinitionsInForce, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let definitions = reads::definitions_of(&*snapshot, generation, ours)?;
    Ok(DefinitionsInForce {
        unreadable: ours.unreadable.clone(),
        rebuild_due: !Arc::ptr_eq(&definitions, &ours.definitions),
        unnamed_steps: unnamed_steps(&*snapshot, &definitions)?,
        definitions: Arc::unwrap_or_clone(definitions),
    })
}

/// The steps that any event of the serving projections has and no definition names.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn unnamed_steps(
    store: &dyn StoreRead,
    definitions: &SagaDefinitions,
) -> Result<UnnamedSteps, StoreError> {
    let generation = reads::active_generation(store)?;
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut other_events = 0u64;
    carried::counters_of(store, generation, names::PROCESSED, |sort, count| {
        let (_, step) = keys::parse_total_processed(sort)?;
        let events = u64::try_from(count).unwrap_or(0);
        if events == 0 || step == OPERATOR_STATUS_CHANGE || definitions.names_step(step) {
            return Ok(());
        }
        if let Some(known) = found.get_mut(step) {
            *known += events;
        } else if found.len() < MAX_STEPS {
            found.insert(step.to_owned(), events);
        } else {
            other_events += events;
        }
        Ok(())
    })?;
    let mut steps: Vec<(String, u64)> = found.into_iter().collect();
    steps.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    Ok(UnnamedSteps { steps, other_events })
}
