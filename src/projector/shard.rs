//! One shard: the sagas whose ids hash to it, the states of those touched lately, and the fold of
//! its share of a window.

use super::changes::{Changes, Footprint};
use crate::domain::{Cut, Event, SagaDefinitions, SagaId, SagaState, deduplicate, fold_deduplicated};
use crate::store::{Batch, Generation, Read, StoreError, purged, read};
use hashbrown::HashMap;
use lru::LruCache;
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
    states: LruCache<SagaId, SagaState, foldhash::fast::FixedState>,
    /// The last window's rows, emptied.
    spare: Batch,
}

impl Shard {
    pub(super) fn new(remembered: NonZeroUsize) -> Self {
        Self {
            states: LruCache::with_hasher(remembered, foldhash::fast::FixedState::default()),
            spare: Batch::new(),
        }
    }

    /// Forgets everything; for when the window that these states went into was not written.
    pub(super) fn forget(&mut self) {
        self.states.clear();
    }

    /// Forgets one saga.
    pub(super) fn forget_saga(&mut self, saga: &SagaId) {
        self.states.pop(saga);
    }

    /// Takes back a batch, for its memory.
    pub(super) fn reuse(&mut self, mut rows: Batch) {
        rows.clear();
        self.spare = rows;
    }

    /// Folds the shard's events of a window and returns what that changes.
    pub(super) fn fold(
        &mut self,
        read: &dyn Read,
        generation: Generation,
        definitions: &SagaDefinitions,
        span: Span<'_>,
        events: &[&Event],
    ) -> Result<Changes, StoreError> {
        let mut changes = Changes::with_rows(generation, true, std::mem::take(&mut self.spare));
        let mut groups = group(events);
        let states = self.take_states(read, generation, &groups)?;
        let gone = gone(read, span, &states)?;
        let mut anew = Vec::new();
        for (((_, events), (saga, state)), gone) in groups.iter_mut().zip(states).zip(gone) {
            if gone {
                changes.late(events.iter().copied());
                continue;
            }
            let before = state.as_ref().map(Footprint::of);
            events.sort_unstable_by_key(|event| event.timeline_key());
            let Some(state) = advance(state, events, definitions) else {
                anew.push((saga, before));
                continue;
            };
            for event in events {
                changes.processed(event.status, &event.step, 1);
            }
            changes.replace(&saga, before.as_ref(), &state);
            self.states.put(saga, state);
        }
        self.fold_anew(read, definitions, span, anew, &mut changes)?;
        Ok(changes)
    }

    /// Folds sagas from the log: those of which an event is late or may be a duplicate.
    fn fold_anew(
        &mut self,
        read: &dyn Read,
        definitions: &SagaDefinitions,
        span: Span<'_>,
        mut sagas: Vec<(SagaId, Option<Footprint>)>,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        // In the log's order, so that neighbours are read together.
        sagas.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let ids: Vec<&SagaId> = sagas.iter().map(|(saga, _)| saga).collect();
        read::deliveries_of(read, &ids, span.after, |place, deliveries| {
            let (saga, before) = &sagas[place];
            // The log holds every event of the window before the projector sees it.
            let Some(state) = refold(deliveries, span, definitions, changes) else {
                return Err(StoreError::Corrupt(format!(
                    "log: nothing of saga {saga}, which the feed names"
                )));
            };
            changes.replace(saga, before.as_ref(), &state);
            self.states.put(saga.clone(), state);
            Ok(())
        })
    }

    /// The states before the window, from memory where they are remembered.
    fn take_states(
        &mut self,
        read: &dyn Read,
        generation: Generation,
        by_saga: &[(&SagaId, Vec<&Event>)],
    ) -> Result<Vec<(SagaId, Option<SagaState>)>, StoreError> {
        let mut states = Vec::with_capacity(by_saga.len());
        let (mut unknown, mut places) = (Vec::new(), Vec::new());
        for (place, (saga, _)) in by_saga.iter().enumerate() {
            states.push(match self.states.pop_entry(*saga) {
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
            .zip(read::instances(read, generation, &unknown)?)
        {
            states[place].1 = state;
        }
        Ok(states)
    }
}

/// Which of the sagas without a state have none because they were purged.
fn gone(
    read: &dyn Read,
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
    for (index, is_gone) in new.into_iter().zip(purged::gone(read, &ids)?) {
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

/// The state after the events, as long as each of them can be applied as it stands. `None` when one
/// is late or may be a duplicate: then the saga has to be folded from the log.
fn advance(state: Option<SagaState>, events: &[&Event], definitions: &SagaDefinitions) -> Option<SagaState> {
    let (mut state, rest) = match state {
        Some(state) => (state, events),
        None => {
            let (first, rest) = events.split_first()?;
            (SagaState::begin(first, definitions), rest)
        }
    };
    for event in rest {
        if !state.accepts(event) {
            return None;
        }
        state.apply(event, definitions);
    }
    Some(state)
}

/// The state from all deliveries in the log up to the window's end, and which events that puts into
/// the timeline or takes out of it.
fn refold(
    deliveries: &[Event],
    span: Span<'_>,
    definitions: &SagaDefinitions,
    changes: &mut Changes,
) -> Option<SagaState> {
    let after = deduplicate(deliveries);
    let earlier = deduplicate(
        deliveries
            .iter()
            .filter(|event| span.before.contains(event.position)),
    );
    for event in &after.timeline {
        changes.processed(event.status, &event.step, 1);
    }
    for event in earlier.timeline {
        changes.processed(event.status, &event.step, -1);
    }
    fold_deduplicated(&after, definitions)
}

/// Which shard a saga belongs to.
pub(super) fn shard_of(saga: &SagaId, shards: usize) -> usize {
    use std::hash::BuildHasher;
    let hash = foldhash::fast::FixedState::with_seed(7).hash_one(saga);
    usize::try_from(hash % shards as u64).unwrap_or(0)
}
