//! The catalogue of events: which steps were reported, by which service, in sagas of which type, with which status; how
//! often and when; whom to ask about them, and whether a definition names them.

use super::observed::{self, FlowRequest, Visit};
use super::trees::Trees;
use super::{Basis, QueryError};
use crate::domain::{
    EventRef, InForce, Millis, OPERATOR_STATUS_CHANGE, SagaDefinitions, SagaState, SagaStatus,
};
use crate::store::{Store, reads};
use std::collections::BTreeMap;

/// Different kinds of events, at most.
pub const MAX_EVENT_KINDS: usize = if cfg!(test) { 40 } else { 5_000 };

/// What kind of event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKind {
    /// Its saga's type.
    pub saga_type: String,
    /// Its step.
    pub step: String,
    /// The service that reported it, if it named one.
    pub service: Option<String>,
    /// What it said of the saga.
    pub status: SagaStatus,
}

/// What there is of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// How many events.
    pub events: u64,
    /// Event time of the first.
    pub first_seen: Millis,
    /// Event time of the last.
    pub last_seen: Millis,
    /// Whom to ask about sagas of the type.
    pub type_owner: Option<String>,
    /// Whom to ask about the service.
    pub service_owner: Option<String>,
    /// Whether the type's definition names the step.
    pub documented: bool,
}

/// The kinds of events of some sagas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Sagas that were looked at.
    pub sagas: u64,
    /// Each kind.
    pub entries: BTreeMap<EventKind, CatalogueEntry>,
    /// What it was read from.
    pub basis: Basis,
}

impl Catalogue {
    /// All events.
    pub fn events(&self) -> u64 {
        self.entries.values().map(|entry| entry.events).sum()
    }

    /// Event times of the first and the last event.
    pub fn span(&self) -> Option<(Millis, Millis)> {
        let first = self.entries.values().map(|entry| entry.first_seen).min()?;
        let last = self.entries.values().map(|entry| entry.last_seen).max()?;
        Some((first, last))
    }
}

pub(super) fn catalogue(
    store: &dyn Store,
    in_force: &InForce,
    request: &FlowRequest,
) -> Result<Catalogue, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let definitions = reads::definitions_of(trees.store, trees.generation, in_force)?;
    let cursor = reads::cursor(trees.store, trees.generation)?;
    let mut seen = Seen {
        definitions: &definitions,
        entries: BTreeMap::new(),
    };
    let sagas = observed::each(trees, &cursor, request, &mut seen)?;
    Ok(Catalogue {
        sagas,
        entries: seen.entries,
        basis: Basis::of(cursor, &definitions),
    })
}

/// What was met so far.
struct Seen<'d> {
    definitions: &'d SagaDefinitions,
    entries: BTreeMap<EventKind, CatalogueEntry>,
}

impl Visit for Seen<'_> {
    fn event(&mut self, saga: &SagaState, event: &EventRef<'_>) -> Result<(), String> {
        let kind = EventKind {
            saga_type: saga.saga_type.as_str().to_owned(),
            step: event.step.to_owned(),
            service: event.producer_service.map(str::to_owned),
            status: event.status,
        };
        let at = event.place.recorded_at;
        if let Some(entry) = self.entries.get_mut(&kind) {
            entry.events += 1;
            entry.first_seen = entry.first_seen.min(at);
            entry.last_seen = entry.last_seen.max(at);
            return Ok(());
        }
        if self.entries.len() == MAX_EVENT_KINDS {
            return Err(format!("more than {MAX_EVENT_KINDS} different kinds of events"));
        }
        let entry = self.entry(saga, &kind, at);
        self.entries.insert(kind, entry);
        Ok(())
    }
}

impl Seen<'_> {
    /// Of the first event of a kind.
    fn entry(&self, saga: &SagaState, kind: &EventKind, at: Millis) -> CatalogueEntry {
        let definition = self.definitions.of(&saga.saga_type);
        let service = kind
            .service
            .as_ref()
            .and_then(|name| self.definitions.services.get(name));
        // The tracker writes that step itself, in sagas of any type.
        let is_operators = kind.step == OPERATOR_STATUS_CHANGE;
        CatalogueEntry {
            events: 1,
            first_seen: at,
            last_seen: at,
            type_owner: definition.and_then(|of| of.owner.clone()),
            service_owner: service.map(|of| of.owner.clone()),
            documented: is_operators || definition.is_some_and(|of| of.roles().role(&kind.step).known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, ServiceDefinition, SharedDefinitions, deduplicate};
    use crate::pipeline::query::observed::MAX_FLOW_SAGAS;
    use crate::testkit::{event_at, project, store, traffic};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn asked(events: &[Event], definitions: SagaDefinitions) -> Result<Catalogue, QueryError> {
        let store = store();
        project(&store, events, &[13], 1);
        let request = FlowRequest {
            limit: MAX_FLOW_SAGAS,
            ..FlowRequest::default()
        };
        catalogue(
            &*store,
            &SharedDefinitions::from(Arc::new(definitions)).in_force(),
            &request,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_catalogue_has_each_event_of_the_timelines_once(events in traffic(80)) {
            let mut expected: BTreeMap<EventKind, (u64, Millis, Millis)> = BTreeMap::new();
            let mut by_saga: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
            for event in &events {
                by_saga.entry(event.saga_id.as_str()).or_default().push(event);
            }
            for own in by_saga.into_values() {
                let timeline = deduplicate(own).timeline;
                for event in &timeline {
                    let kind = EventKind {
                        saga_type: timeline[0].saga_type.as_str().to_owned(),
                        step: event.step.as_str().to_owned(),
                        service: event.producer_service.as_deref().map(str::to_owned),
                        status: event.status,
                    };
                    let at = event.recorded_at;
                    let entry = expected.entry(kind).or_insert((0, at, at));
                    *entry = (entry.0 + 1, entry.1.min(at), entry.2.max(at));
                }
            }
            match asked(&events, SagaDefinitions::default()) {
                Err(QueryError::TooMuchFlow(_)) => prop_assert!(expected.len() > MAX_EVENT_KINDS),
                found => {
                    let found = found.unwrap();
                    let entries: BTreeMap<_, _> = found.entries.into_iter()
                        .map(|(kind, of)| (kind, (of.events, of.first_seen, of.last_seen)))
                        .collect();
                    prop_assert_eq!(entries, expected);
                }
            }
        }
    }

    #[test]
    fn owners_and_whether_a_step_is_documented_come_from_the_definitions() {
        let mut definitions = SagaDefinitions::default();
        let of_type = definitions.types.get_mut("ORDER_CREATION").unwrap();
        of_type.owner = Some("team-orders".to_owned());
        let owner = "team-stock".to_owned();
        definitions
            .services
            .insert("stock".to_owned(), ServiceDefinition { owner });
        let mut events: Vec<Event> = ["ORDER_CONFIRMED", "STRANGE", OPERATOR_STATUS_CHANGE]
            .into_iter()
            .zip(0..)
            .map(|(step, n)| event_at("s", n, step, SagaStatus::InProgress))
            .collect();
        events[1].producer_service = Some("stock".into());
        let mut other = event_at("t", 3, "ORDER_CONFIRMED", SagaStatus::InProgress);
        other.saga_type = "UNKNOWN".into();
        events.push(other);
        let found = asked(&events, definitions).unwrap();
        assert_eq!((found.sagas, found.events()), (2, 4));
        let told: Vec<_> = found
            .entries
            .iter()
            .map(|(kind, of)| {
                (
                    kind.step.as_str(),
                    of.type_owner.as_deref(),
                    of.service_owner.as_deref(),
                    of.documented,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (OPERATOR_STATUS_CHANGE, Some("team-orders"), None, true),
                ("ORDER_CONFIRMED", Some("team-orders"), None, true),
                ("STRANGE", Some("team-orders"), Some("team-stock"), false),
                ("ORDER_CONFIRMED", None, None, false),
            ]
        );
    }

    #[test]
    fn too_many_kinds_are_refused_by_number() {
        let events: Vec<Event> = (0..60)
            .map(|n| event_at("s", n, &format!("STEP_{n}"), SagaStatus::InProgress))
            .collect();
        let refused = asked(&events, SagaDefinitions::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("40 different kinds"), "{refused}");
    }
}
