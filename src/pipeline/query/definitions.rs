//! The definitions that answers are given under, what they say of a saga, and which steps in use they do not name.

use super::{QueryError, SagaView, saga};
use crate::domain::{
    InForce, Judgement, Millis, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaId, SagaType, UnreadableVersion,
};
use crate::store::{Key, Store, StoreError, StoreRead, carried, keys, reads, totals as names};
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

/// Whether there are sagas of that type, or a definition names it.
pub(super) fn knows_type(
    store: &dyn Store,
    ours: &InForce,
    saga_type: &SagaType,
) -> Result<bool, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let definitions = reads::definitions_of(&*snapshot, generation, ours)?;
    if definitions.types.contains_key(saga_type.as_str()) {
        return Ok(true);
    }
    let mut key = Key::default();
    keys::total_named(&mut key, names::TYPES, saga_type.as_str());
    let sagas = reads::totals_at(&*snapshot, generation, names::TYPES, &[key.sort().into()])?;
    Ok(sagas.iter().any(|sagas| *sagas > 0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaStatus;
    use crate::pipeline::query::Query;
    use crate::testkit::{event_at, project, store};

    #[test]
    fn a_type_is_known_by_its_sagas_or_by_its_definition() {
        let mut event = event_at("s", 0, "BEGUN", SagaStatus::Started);
        event.saga_type = "WITHOUT_DEFINITION".into();
        let store = store();
        project(&store, &[event], &[1], 1);
        let query = Query::new(store, Arc::new(SagaDefinitions::default()));
        let knows = |name: &str| query.knows_type(&name.into()).unwrap();
        assert!(knows("WITHOUT_DEFINITION") && knows("ORDER_CREATION"));
        assert!(!knows("WITHOUT") && !knows("INVENTED"));
    }
}
