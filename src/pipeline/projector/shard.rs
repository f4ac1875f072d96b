//! One shard: the sagas whose ids hash to it, the states of those touched lately, and the fold of
//! its share of a window. What becomes of deliveries that cannot just be added to a state is not
//! decided here (`arrivals`).

use super::arrivals::{self, Arrivals};
use super::projections::{Changes, Footprint, Scope, Target};
use super::remembered::Remembered;
use super::visible::Visible;
use crate::domain::{Cut, Event, MAX_LISTED, SagaDefinitions, SagaId, SagaState};
use crate::store::{Batch, Generation, StoreError, StoreRead, purged, reads};
use hashbrown::HashMap;
use std::num::NonZeroUsize;

/// The cuts before and after a window: events inside the first are folded already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) before: &'a Cut,
    pub(super) after: &'a Cut,
    /// Whether any saga was ever purged: only then new ones have to be looked up.
    pub(super) any_purged: bool,
}

/// The states of the sagas of one shard that were touched lately.
pub(super) struct Shard {
    states: Remembered,
    /// The last window's rows, emptied.
    spare: Batch,
}

impl Shard {
    pub(super) fn new(remembered: NonZeroUsize) -> Self {
        Self {
            states: Remembered::new(remembered),
            spare: Batch::new(),
        }
    }

    /// Forgets everything; for when the window that these states went into was not written.
    pub(super) fn forget(&mut self) {
        self.states.clear();
    }

    /// Forgets one saga.
    pub(super) fn forget_saga(&mut self, saga: &SagaId) {
        self.states.take(saga);
    }

    /// Takes back a batch, for its memory.
    pub(super) fn reuse(&mut self, mut rows: Batch) {
        rows.clear();
        self.spare = rows;
    }

    /// Folds the shard's events of a window and returns what that changes.
    pub(super) fn fold(
        &mut self,
        store: &dyn StoreRead,
        target: Target,
        definitions: &SagaDefinitions,
        span: Span<'_>,
        events: &[&Event],
    ) -> Result<Changes, StoreError> {
        let mut changes = Changes::with_rows(target, Scope::All, std::mem::take(&mut self.spare));
        let groups = group(events);
        let states = self.take_states(store, target.generation, &groups)?;
        let gone = gone(store, span, &states)?;
        let (mut others, mut fingerprints) = (Vec::new(), Vec::new());
        for (((_, events), (saga, state)), gone) in groups.into_iter().zip(states).zip(gone) {
            if gone {
                changes.late(events.iter().map(|event| event.view()));
                continue;
            }
            let (before, mut events) = (
                state.as_ref().map(|state| Footprint::of(state, definitions)),
                events,
            );
            events.sort_unstable_by_key(|event| event.timeline_key());
            if !accepts(state.as_ref(), &events, &mut fingerprints) {
                others.push(Arrivals {
                    saga,
                    before,
                    state,
                    events,
                });
                continue;
            }
            if let Some(state) = append(state, &events, &fingerprints, definitions) {
                for event in events {
                    changes.processed(event.status, &event.step, 1);
                    changes.stands(event, 1);
                }
                changes.replace(&saga, before.as_ref(), (&state, definitions));
                self.states.put(saga, state);
            }
        }
        let visible = Visible {
            store,
            generation: target.generation,
            definitions,
            within: span.after,
        };
        arrivals::fold(visible, others, &mut changes, |saga, before, state, changes| {
            changes.replace(&saga, before.as_ref(), (&state, definitions));
            self.states.put(saga, state);
        })?;
        Ok(changes)
    }

    /// The states before the window, from memory where they are remembered.
    fn take_states(
        &mut self,
        store: &dyn StoreRead,
        generation: Generation,
        by_saga: &[(&SagaId, Vec<&Event>)],
    ) -> Result<Vec<(SagaId, Option<SagaState>)>, StoreError> {
        let mut states = Vec::with_capacity(by_saga.len());
        let (mut unknown, mut places) = (Vec::new(), Vec::new());
        for (place, (saga, _)) in by_saga.iter().enumerate() {
            states.push(match self.states.take(saga) {
                Some((saga, state)) => (saga, Some(state)),
                None => {
                    unknown.push((*saga).clone());
                    places.push(place);
                    ((*saga).clone(), None)
                }
            });
        }
        for (place, state) in places
            .into_iter()
            .zip(reads::instances(store, generation, &unknown)?)
        {
            states[place].1 = state;
        }
        Ok(states)
    }
}

/// Which of the sagas without a state have none because they were purged.
fn gone(
    store: &dyn StoreRead,
    span: Span<'_>,
    states: &[(SagaId, Option<SagaState>)],
) -> Result<Vec<bool>, StoreError> {
    let mut gone = vec![false; states.len()];
    if !span.any_purged {
        return Ok(gone);
    }
    let new: Vec<usize> = (0..states.len())
        .filter(|index| states[*index].1.is_none())
        .collect();
    let ids: Vec<SagaId> = new.iter().map(|index| states[*index].0.clone()).collect();
    for (index, is_gone) in new.into_iter().zip(purged::gone(store, &ids)?) {
        gone[index] = is_gone;
    }
    Ok(gone)
}

fn group<'a>(events: &[&'a Event]) -> Vec<(&'a SagaId, Vec<&'a Event>)> {
    let mut places: HashMap<&SagaId, usize, foldhash::fast::FixedState> = HashMap::default();
    let mut groups: Vec<(&SagaId, Vec<&Event>)> = Vec::new();
    for event in events {
        let place = *places.entry(&event.saga_id).or_insert_with(|| {
            groups.push((&event.saga_id, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(event);
    }
    groups
}

/// Whether the events, in the order of the timeline, can be applied to the state as it is: each stands
/// behind the one before it, none can be a duplicate, and the timeline stays a short one. Leaves the
/// fingerprints of their keys.
pub(super) fn accepts(state: Option<&SagaState>, events: &[&Event], fingerprints: &mut Vec<u32>) -> bool {
    fingerprints.clear();
    let listed = match state {
        None => 0,
        Some(state) => {
            let Some(listed) = &state.listed else {
                return false;
            };
            if events
                .first()
                .is_none_or(|event| event.timeline_key() <= state.tail)
            {
                return false;
            }
            listed.len()
        }
    };
    events.iter().all(|event| {
        let fingerprint = event.key().fingerprint();
        let fresh =
            !fingerprints.contains(&fingerprint) && state.is_none_or(|state| state.lacks(fingerprint));
        fingerprints.push(fingerprint);
        fresh && listed + fingerprints.len() <= MAX_LISTED
    })
}

/// The state after the events.
pub(super) fn append(
    state: Option<SagaState>,
    events: &[&Event],
    fingerprints: &[u32],
    definitions: &SagaDefinitions,
) -> Option<SagaState> {
    let mut rest = events.iter().zip(fingerprints);
    let mut state = match state {
        Some(state) => state,
        None => {
            let (first, fingerprint) = rest.next()?;
            SagaState::begin_listed(first, *fingerprint, definitions)
        }
    };
    for (event, fingerprint) in rest {
        state.apply_listed(event, *fingerprint, definitions);
    }
    Some(state)
}

/// Which shard a saga belongs to.
pub(super) fn shard_of(saga: &SagaId, shards: usize) -> usize {
    use std::hash::BuildHasher;
    let hash = foldhash::fast::FixedState::with_seed(7).hash_one(saga);
    usize::try_from(hash % shards as u64).unwrap_or(0)
}
