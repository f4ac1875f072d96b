//! The fold of a part of a saga's deliveries that has no index: those that a decision is about, when there are
//! others. It takes about 64 bytes for each of them, and nothing of what they say.

use super::extent::Extent;
use crate::domain::{EventDigest, EventId, EventRef, SagaDefinitions, SagaId, SagaState, SagaStatus, Step};
use crate::domain::{Position, TimelineKey};
use crate::store::{StoreError, StoreRead, timelines};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Events by status and step.
pub(super) type Kinds = BTreeMap<(SagaStatus, Step), u32>;

/// Counts an event.
pub(super) fn count(kinds: &mut Kinds, event: &EventRef<'_>) {
    *kinds.entry((event.status, Step::new(event.step))).or_default() += 1;
}

/// What is remembered of an event.
struct Seen {
    stands: Position,
    body: EventDigest,
    conflicting: bool,
}

/// The state after the deliveries that a decision is about, and the events of their timeline. The state has no
/// list of events.
pub(super) fn fold(
    store: &dyn StoreRead,
    saga: &SagaId,
    extent: &Extent,
    definitions: &SagaDefinitions,
) -> Result<(Option<SagaState>, Kinds), StoreError> {
    let mut seen: HashMap<EventDigest, Seen, FixedState> = HashMap::default();
    timelines::each_delivery(store, saga, &extent.cut, |event| {
        let (position, body) = (event.place.position, event.body_digest());
        if !extent.contains(position) {
            return Ok(ControlFlow::Continue(()));
        }
        let known = seen.entry(event.key().digest()).or_insert(Seen {
            stands: position,
            body,
            conflicting: false,
        });
        known.stands = known.stands.min(position);
        known.conflicting |= known.body != body;
        Ok(ControlFlow::Continue(()))
    })?;
    let (mut state, mut kinds, mut others) = (None, Kinds::new(), Others::default());
    timelines::each_delivery(store, saga, &extent.cut, |event| {
        if !extent.contains(event.place.position) {
            return Ok(ControlFlow::Continue(()));
        }
        match seen.get(&event.key().digest()) {
            Some(known) if known.stands == event.place.position => {
                apply(&mut state, event, definitions);
                count(&mut kinds, event);
                others.conflicts.extend(
                    known
                        .conflicting
                        .then(|| (event.place, EventId::new(event.event_id))),
                );
            }
            _ => others.duplicates.push((event.status, event.place)),
        }
        others.settle_some(&mut state);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((state, kinds))
}

fn apply(state: &mut Option<SagaState>, event: &EventRef<'_>, definitions: &SagaDefinitions) {
    match state {
        Some(state) => state.apply_unlisted(event, definitions),
        None => *state = Some(SagaState::begin_unlisted(event, definitions)),
    }
}

/// What is noted in the state as soon as there is one: duplicates may come before the first event.
#[derive(Default)]
struct Others {
    duplicates: Vec<(SagaStatus, TimelineKey)>,
    conflicts: Vec<(TimelineKey, EventId)>,
}

impl Others {
    fn settle_some(&mut self, state: &mut Option<SagaState>) {
        let Some(state) = state else {
            return;
        };
        for (status, place) in self.duplicates.drain(..) {
            state.note_duplicate();
            state.note_reported(status, place.recorded_at);
        }
        for (place, id) in self.conflicts.drain(..) {
            state.conflicts.add(place.position, id, place.recorded_at);
        }
    }
}
