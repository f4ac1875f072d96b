//! What other definitions would make of the sagas that there are: their timelines folded under them, beside what
//! stands. Nothing is written.
//!
//! Only sagas of types whose definition differs can change, so only these are looked at: type by type, by their
//! start, part by part. How the parts add up is for whoever asks; what was purged is in none of them.

use super::search;
use super::trees::Trees;
use super::{Basis, Filter, QueryError, SagaView, SearchRequest, Sort, SortKey, Window};
use crate::domain::text::{hex, unhex};
use crate::domain::{
    ConformanceRule, Cut, EventId, EventRef, InForce, Judgement, Millis, SagaDefinitions, SagaId, SagaState,
    SagaStatus, SagaType, Step, StuckRule,
};
use crate::store::{Store, StoreError, reads, timelines};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Sagas that one part looks at, at most.
pub const MAX_TRIED_SAGAS: u64 = if cfg!(test) { 3 } else { 20_000 };
/// Events that it folds, at most; the last saga is folded to its end.
const MAX_EVENTS: u64 = 500_000;
/// Sagas that are read at once.
const AT_ONCE: usize = if cfg!(test) { 2 } else { 250 };

/// Which definitions are tried, and which part of the sagas is looked at.
#[derive(Clone, Debug)]
pub struct TrialRequest {
    /// The definitions.
    pub definitions: Arc<SagaDefinitions>,
    /// Behind an earlier part of the same.
    pub cursor: Option<String>,
    /// The instant at which sagas count as stuck.
    pub at: Millis,
    /// Sagas that are told one by one, at most.
    pub listed: usize,
}

/// What the definitions would make of a part of the sagas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The types whose definition differs, each with the keys that do. None: every saga stays as it is.
    pub types: BTreeMap<String, Vec<String>>,
    /// How many sagas were looked at.
    pub sagas: u64,
    /// How many of them stood in each status, by type.
    pub before: Counts,
    /// How many would.
    pub after: Counts,
    /// How many would be told otherwise.
    pub changing: u64,
    /// The first of those.
    pub changes: Vec<Change>,
    /// Leads to the next part; `None` when this was the last.
    pub next_cursor: Option<String>,
    /// What the sagas stood in.
    pub basis: Basis,
}

/// Sagas by type and status.
pub type Counts = BTreeMap<String, BTreeMap<SagaStatus, u64>>;

/// A saga that would be told otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The saga.
    pub saga_id: SagaId,
    /// Its type.
    pub saga_type: SagaType,
    /// What is told of it.
    pub before: Told,
    /// What would be.
    pub after: Told,
    /// The first event behind which its status would be another.
    pub from: Option<Divergence>,
}

/// What is told of a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its status.
    pub status: SagaStatus,
    /// The rules that it does not keep.
    pub conformance: BTreeSet<ConformanceRule>,
    /// The rule by which it is stuck.
    pub stuck: Option<StuckRule>,
}

/// An event behind which a saga has one status by some definitions, and another by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The event.
    pub event_id: EventId,
    /// Its step.
    pub step: Step,
    /// The status that it reports.
    pub reported: SagaStatus,
    /// Its time.
    pub at: Millis,
    /// The saga's status behind it, by either.
    pub statuses: [SagaStatus; 2],
}

pub(super) fn trial(store: &dyn Store, ours: &InForce, request: &TrialRequest) -> Result<Trial, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let old = reads::definitions_of(trees.store, trees.generation, ours)?;
    let cursor = reads::cursor(trees.store, trees.generation)?;
    let types = old.differing_types(&request.definitions);
    let place = Place::of(request, &types)?;
    let mut trying = Trying {
        trees,
        cursor: &cursor,
        old: &old,
        request,
        events: 0,
        trial: Trial {
            basis: Basis::of(cursor.clone(), &old),
            types,
            ..Trial::default()
        },
    };
    trying.run(place)?;
    Ok(trying.trial)
}

/// Where a part begins: a type, and behind which saga of it.
struct Place {
    saga_type: String,
    behind: Option<String>,
}

impl Place {
    /// `None` when there is nothing to look at.
    fn of(request: &TrialRequest, types: &BTreeMap<String, Vec<String>>) -> Result<Option<Self>, QueryError> {
        let Some(cursor) = &request.cursor else {
            return Ok(types.keys().next().map(|first| Self {
                saga_type: first.clone(),
                behind: None,
            }));
        };
        let place = Self::parse(cursor, request).filter(|place| types.contains_key(&place.saga_type));
        place.map(Some).ok_or(QueryError::BadCursor)
    }

    fn parse(cursor: &str, request: &TrialRequest) -> Option<Self> {
        let (mark, rest) = cursor.split_once('-')?;
        let (saga_type, behind) = rest.split_once('-')?;
        (mark == mark_of(&request.definitions)).then_some(())?;
        Some(Self {
            saga_type: String::from_utf8(unhex(saga_type)?).ok()?,
            behind: (!behind.is_empty()).then(|| behind.to_owned()),
        })
    }

    fn write(&self, request: &TrialRequest) -> String {
        let (mark, saga_type) = (mark_of(&request.definitions), hex(self.saga_type.as_bytes()));
        format!(
            "{mark}-{saga_type}-{}",
            self.behind.as_deref().unwrap_or_default()
        )
    }
}

/// A cursor is of no use to other definitions.
fn mark_of(definitions: &SagaDefinitions) -> String {
    definitions.hash().chars().take(16).collect()
}

struct Trying<'t> {
    trees: Trees<'t>,
    cursor: &'t Cut,
    old: &'t SagaDefinitions,
    request: &'t TrialRequest,
    events: u64,
    trial: Trial,
}

impl Trying<'_> {
    fn run(&mut self, mut place: Option<Place>) -> Result<(), QueryError> {
        while let Some(at) = place {
            if self.trial.sagas >= MAX_TRIED_SAGAS || self.events >= MAX_EVENTS {
                self.trial.next_cursor = Some(at.write(self.request));
                return Ok(());
            }
            let behind = self.look(&at)?;
            place = match behind {
                Some(_) => Some(Place { behind, ..at }),
                None => self.type_behind(&at.saga_type),
            };
        }
        Ok(())
    }

    fn type_behind(&self, saga_type: &str) -> Option<Place> {
        let mut names = self.trial.types.keys();
        let next = names.find(|name| name.as_str() > saga_type)?;
        Some(Place {
            saga_type: next.clone(),
            behind: None,
        })
    }

    /// Looks at the next sagas of a type; the cursor behind them, if there may be more.
    fn look(&mut self, place: &Place) -> Result<Option<String>, QueryError> {
        let size = AT_ONCE;
        let (sagas, behind) = search::in_order(
            self.trees,
            &SearchRequest {
                filter: Filter {
                    saga_type: Some(place.saga_type.as_str().into()),
                    ..Filter::default()
                },
                sort: Sort {
                    key: SortKey::StartedAt,
                    descending: false,
                },
                window: match &place.behind {
                    Some(cursor) => Window::After {
                        cursor: cursor.clone(),
                        size,
                    },
                    None => Window::Page { number: 0, size },
                },
            },
        )?;
        for saga in &sagas {
            self.try_one(saga)?;
        }
        Ok(behind)
    }

    fn try_one(&mut self, saga: &SagaView) -> Result<(), QueryError> {
        let SagaView { saga_id, state } = saga;
        let new = self.request.definitions.as_ref();
        let after = self.folded(saga, new)?;
        let [before_told, after_told] = [(self.old, state), (new, &after)]
            .map(|(definitions, state)| Told::of(state, &definitions.judge(state, self.request.at)));
        self.trial.sagas += 1;
        self.events += u64::from(state.step_count) + u64::from(state.duplicates);
        count(&mut self.trial.before, state);
        count(&mut self.trial.after, &after);
        if before_told == after_told {
            return Ok(());
        }
        self.trial.changing += 1;
        if self.trial.changes.len() < self.request.listed {
            let from = self.divergence(saga)?;
            self.trial.changes.push(Change {
                saga_id: saga_id.clone(),
                saga_type: state.saga_type.clone(),
                before: before_told,
                after: after_told,
                from,
            });
        }
        Ok(())
    }

    fn folded(&self, saga: &SagaView, definitions: &SagaDefinitions) -> Result<SagaState, QueryError> {
        let (at, mut folded) = ((self.trees.store, self.trees.generation, self.cursor), None);
        timelines::each_step(at, &saga.saga_id, &saga.state, None, |event| {
            apply(&mut folded, event, definitions);
            Ok(ControlFlow::Continue(()))
        })?;
        let lost = || StoreError::Corrupt(format!("log: saga {} has a state and no events", saga.saga_id));
        Ok(folded.ok_or_else(lost)?)
    }

    /// The first event behind which the saga's status would be another.
    fn divergence(&self, saga: &SagaView) -> Result<Option<Divergence>, QueryError> {
        let at = (self.trees.store, self.trees.generation, self.cursor);
        let (mut old, mut new, mut found) = (None, None, None);
        timelines::each_step(at, &saga.saga_id, &saga.state, None, |event| {
            let statuses = [
                apply(&mut old, event, self.old),
                apply(&mut new, event, &self.request.definitions),
            ];
            if statuses[0] == statuses[1] {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(Divergence {
                event_id: EventId::new(event.event_id),
                step: Step::new(event.step),
                reported: event.status,
                at: event.place.recorded_at,
                statuses,
            });
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

/// Applies the next event; the saga's status behind it.
fn apply(state: &mut Option<SagaState>, event: &EventRef<'_>, definitions: &SagaDefinitions) -> SagaStatus {
    match state {
        Some(state) => {
            state.apply_unlisted(event, definitions);
            state.status
        }
        None => state.insert(SagaState::begin_unlisted(event, definitions)).status,
    }
}

fn count(counts: &mut Counts, state: &SagaState) {
    let of_type = counts.entry(state.saga_type.as_str().to_owned()).or_default();
    *of_type.entry(state.status).or_default() += 1;
}

impl Told {
    fn of(state: &SagaState, judgement: &Judgement) -> Self {
        Self {
            status: state.status,
            conformance: judgement.conformance.iter().map(|broken| broken.rule).collect(),
            stuck: judgement.stuck.as_ref().map(|stuck| stuck.rule),
        }
    }
}

#[cfg(test)]
mod tests;
