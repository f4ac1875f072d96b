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
mod tests;
