//! One shard: the sagas whose ids hash to it, the states of those touched lately, and the fold of
//! its share of a window.

use super::changes::{Changes, Footprint};
use crate::domain::{Cut, Event, SagaDefinitions, SagaId, SagaState, deduplicate, fold_deduplicated};
use crate::store::{Generation, Read, StoreError, read};
use hashbrown::HashMap;
use lru::LruCache;
use std::num::NonZeroUsize;

/// The cuts before and after a window: events inside the first are folded already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) before: &'a Cut,
    pub(super) after: &'a Cut,
}

/// The states of the sagas of one shard that were touched lately.
pub(super) struct Shard {
    states: LruCache<SagaId, SagaState, foldhash::fast::FixedState>,
}

impl Shard {
    pub(super) fn new(remembered: NonZeroUsize) -> Self {
        Self {
            states: LruCache::with_hasher(remembered, foldhash::fast::FixedState::default()),
        }
    }

    /// Forgets everything; for when the window that these states went into was not written.
    pub(super) fn forget(&mut self) {
        self.states.clear();
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
        let mut changes = Changes::new(generation, true);
        let by_saga = group(events);
        let mut states = self.take_states(read, generation, &by_saga)?;
        for ((saga, mut events), state) in by_saga.into_iter().zip(states.drain(..)) {
            let before = state.as_ref().map(Footprint::of);
            events.sort_unstable_by_key(|event| event.timeline_key());
            let state = match advance(state, &events, definitions) {
                Some(state) => {
                    for event in &events {
                        changes.processed(event.status, &event.step, 1);
                    }
                    state
                }
                None => match refold(read, saga, span, definitions, &mut changes)? {
                    Some(state) => state,
                    // The log holds every event of the window before the projector sees it.
                    None => {
                        return Err(StoreError::Corrupt(format!(
                            "log: nothing of saga {saga}, which the feed names"
                        )));
                    }
                },
            };
            changes.replace(saga, before.as_ref(), &state);
            self.states.put(saga.clone(), state);
        }
        Ok(changes)
    }

    /// The states before the window, from memory where they are remembered.
    fn take_states(
        &mut self,
        read: &dyn Read,
        generation: Generation,
        by_saga: &[(&SagaId, Vec<&Event>)],
    ) -> Result<Vec<Option<SagaState>>, StoreError> {
        let mut states: Vec<Option<SagaState>> =
            by_saga.iter().map(|(saga, _)| self.states.pop(*saga)).collect();
        let unknown: Vec<usize> = (0..states.len())
            .filter(|index| states[*index].is_none())
            .collect();
        let ids: Vec<SagaId> = unknown.iter().map(|index| by_saga[*index].0.clone()).collect();
        for (index, state) in unknown.into_iter().zip(read::instances(read, generation, &ids)?) {
            states[index] = state;
        }
        Ok(states)
    }
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
    read: &dyn Read,
    saga: &SagaId,
    span: Span<'_>,
    definitions: &SagaDefinitions,
    changes: &mut Changes,
) -> Result<Option<SagaState>, StoreError> {
    let deliveries = read::deliveries(read, saga, span.after)?;
    let after = deduplicate(&deliveries);
    for event in &after.timeline {
        changes.processed(event.status, &event.step, 1);
    }
    let earlier: Vec<Event> = deliveries
        .iter()
        .filter(|event| span.before.contains(event.position))
        .cloned()
        .collect();
    for event in deduplicate(&earlier).timeline {
        changes.processed(event.status, &event.step, -1);
    }
    Ok(fold_deduplicated(&after, definitions))
}

/// Which shard a saga belongs to.
pub(super) fn shard_of(saga: &SagaId, shards: usize) -> usize {
    use std::hash::BuildHasher;
    let hash = foldhash::fast::FixedState::with_seed(7).hash_one(saga);
    usize::try_from(hash % shards as u64).unwrap_or(0)
}
