//! What somebody may mean who has begun to type: a saga, an order or a trace by its whole id; of the sagas with the newest
//! events those whose ids begin so; types, steps and services by how their names begin, as far as definitions or the
//! newest sagas name them. Bounded: no table is looked through.

use super::seek::Seek;
use super::trees::Trees;
use super::{Filter, QueryError, by_time, search};
use crate::domain::{InForce, SagaDefinitions, SagaId, SagaStatus};
use crate::store::{ProjectionTable, Scan, Store, Table, reads, until};
use std::collections::BTreeSet;

/// Maximum number of sagas whose ids are looked at: those with the newest events.
const RECENT_SAGAS: usize = if cfg!(test) { 5 } else { 2_000 };
/// Maximum number of them whose types and steps are looked at, too.
const NAMING_SAGAS: usize = 100;

/// What is suggested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggestion {
    /// A saga, and where it stands.
    Saga(SagaId, SagaStatus),
    /// An order that sagas are of.
    Order(String),
    /// A trace that sagas are of.
    Trace(String),
    /// A saga type.
    Type(String),
    /// A step.
    Step(String),
    /// A service.
    Service(String),
}

/// Suggestions for what was typed, at most `limit`: of each kind, those that say most come first.
pub(super) fn suggest(
    store: &dyn Store,
    in_force: &InForce,
    (typed, limit): (&str, usize),
) -> Result<Vec<Suggestion>, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (_, definitions) = search::basis(trees, in_force)?;
    let newest = by_time::by_last_event(trees, &Filter::default(), Seek::descending(RECENT_SAGAS))?;
    let newest: Vec<SagaId> = newest.found().into_iter().map(|(_, id)| id).collect();
    let mut found = exact(trees, typed)?;
    recent(trees, (&newest, typed), limit, &mut found)?;
    for (name, make) in names(trees, &newest, &definitions)? {
        if begins(&name, typed) {
            found.push(make(name));
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// What has just this id.
fn exact(trees: Trees<'_>, typed: &str) -> Result<Vec<Suggestion>, QueryError> {
    let mut found = Vec::new();
    let saga = SagaId::new(typed);
    if let Some(state) = reads::instance(trees.store, trees.generation, &saga)? {
        found.push(Suggestion::Saga(saga, state.status));
    }
    if has_rows(trees, ProjectionTable::ByOrder, typed)? {
        found.push(Suggestion::Order(typed.to_owned()));
    }
    if has_rows(trees, ProjectionTable::ByTrace, typed)? {
        found.push(Suggestion::Trace(typed.to_owned()));
    }
    Ok(found)
}

fn has_rows(trees: Trees<'_>, table: ProjectionTable, id: &str) -> Result<bool, QueryError> {
    let mut has = false;
    let table = Table::Projection(trees.generation, table);
    Scan::of(table, id.as_bytes())
        .limit(1)
        .each(trees.store, |_, _| {
            has = true;
            Ok(until(true))
        })?;
    Ok(has)
}

/// Of the sagas with the newest events those whose ids begin so.
fn recent(
    trees: Trees<'_>,
    (newest, typed): (&[SagaId], &str),
    limit: usize,
    found: &mut Vec<Suggestion>,
) -> Result<(), QueryError> {
    let begin_so = newest
        .iter()
        .filter(|id| id.as_str() != typed && begins(id.as_str(), typed));
    let ids: Vec<SagaId> = begin_so.take(limit).cloned().collect();
    let states = reads::instances(trees.store, trees.generation, &ids)?;
    let sagas = ids.into_iter().zip(states);
    found.extend(sagas.filter_map(|(id, state)| Some(Suggestion::Saga(id, state?.status))));
    Ok(())
}

type Make = fn(String) -> Suggestion;

/// The names that definitions and the newest sagas have, of each kind in their order.
fn names(
    trees: Trees<'_>,
    newest: &[SagaId],
    definitions: &SagaDefinitions,
) -> Result<Vec<(String, Make)>, QueryError> {
    let mut types: BTreeSet<String> = definitions.types.keys().cloned().collect();
    let mut steps = BTreeSet::new();
    let newest = &newest[..newest.len().min(NAMING_SAGAS)];
    for state in reads::instances(trees.store, trees.generation, newest)?
        .into_iter()
        .flatten()
    {
        types.insert(state.saga_type.as_str().to_owned());
        steps.insert(state.last_step.as_str().to_owned());
    }
    for definition in definitions.types.values() {
        let named = definition
            .completing_steps
            .iter()
            .chain(&definition.failing_steps);
        let named = named
            .chain(definition.compensates.keys())
            .chain(&definition.expected_steps)
            .chain(definition.known_steps.iter().flatten());
        steps.extend(named.filter(|name| !name.ends_with('*')).cloned());
    }
    let services = definitions.services.keys().cloned().collect();
    let of = |names: BTreeSet<String>, make: Make| names.into_iter().map(move |name| (name, make));
    let all = of(types, Suggestion::Type).chain(of(steps, Suggestion::Step));
    Ok(all.chain(of(services, Suggestion::Service)).collect())
}

/// Whether a name begins so, large or small letters alike.
fn begins(name: &str, typed: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    typed
        .chars()
        .flat_map(char::to_lowercase)
        .all(|letter| letters.next() == Some(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::pipeline::query::Query;
    use crate::testkit::{event_at, project, store};
    use std::sync::Arc;

    fn query() -> Query {
        let of = |n: u64| {
            let mut event = event_at(&format!("ORD-{n}"), n, "STOCK_CHECKED", SagaStatus::Started);
            event.trace_id = Some(format!("trace-{n}").into());
            event
        };
        let events: Vec<Event> = (0..20).map(of).collect();
        let store = store();
        project(&store, &events, &[13], 1);
        Query::new(store, Arc::new(SagaDefinitions::default()))
    }

    #[test]
    fn whole_ids_are_found_and_of_the_newest_sagas_the_ones_that_begin_so() {
        let query = query();
        let started = |id: &str| Suggestion::Saga(id.into(), SagaStatus::Started);
        assert_eq!(query.suggest("ORD-3", 10).unwrap(), [started("ORD-3")]);
        assert_eq!(
            query.suggest("ord-1", 3).unwrap(),
            [started("ORD-19"), started("ORD-18"), started("ORD-17")]
        );
        assert_eq!(
            query.suggest("order-of-ORD-2", 10).unwrap(),
            [Suggestion::Order("order-of-ORD-2".to_owned())]
        );
        assert_eq!(
            query.suggest("trace-2", 10).unwrap(),
            [Suggestion::Trace("trace-2".to_owned())]
        );
    }

    #[test]
    fn names_are_found_by_how_they_begin() {
        let found = query().suggest("stock_c", 10).unwrap();
        assert_eq!(found, [Suggestion::Step("STOCK_CHECKED".to_owned())]);
        let found = query().suggest("order_cre", 10).unwrap();
        assert!(
            found.contains(&Suggestion::Type("ORDER_CREATION".to_owned())),
            "{found:?}"
        );
    }
}
