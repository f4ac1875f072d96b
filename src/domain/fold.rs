//! `state = fold(timeline)`: the one function that every projection must agree with.

use super::{Event, EventKey, SagaDefinitions, SagaState, TimelineKey};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// A saga's deliveries, told apart into the events that stand and their duplicates.
#[derive(Debug)]
pub struct Deduplicated<'a> {
    /// The timeline: one delivery of each event, in fold order.
    pub timeline: Vec<&'a Event>,
    /// The other deliveries in order of position, and whether their body differs from the one that stands.
    pub duplicates: Vec<(&'a Event, bool)>,
    /// The events of which different bodies were delivered: those deliveries that stand, in order of
    /// position.
    pub conflicts: Vec<&'a Event>,
}

impl Deduplicated<'_> {
    /// Whether different bodies of the event that stands in this place were delivered.
    pub fn is_conflicting(&self, place: TimelineKey) -> bool {
        self.conflicts
            .binary_search_by_key(&place.position, |event| event.position)
            .is_ok()
    }
}

/// Of all deliveries of one event the one at the lowest position stands, in whatever order they
/// were consumed.
pub fn deduplicate<'a>(deliveries: impl IntoIterator<Item = &'a Event>) -> Deduplicated<'a> {
    let mut by_position: Vec<&Event> = deliveries.into_iter().collect();
    by_position.sort_unstable_by_key(|event| event.position);
    let mut standing = Standing::with_capacity(by_position.len());
    let mut timeline = Vec::with_capacity(by_position.len());
    let (mut duplicates, mut conflicts) = (Vec::new(), Vec::new());
    for event in by_position {
        match standing.first_or_insert(event) {
            None => timeline.push(event),
            Some(first) => {
                let differs = !first.same_body(event);
                duplicates.push((event, differs));
                conflicts.extend(differs.then_some(first));
            }
        }
    }
    timeline.sort_unstable_by_key(|event| event.timeline_key());
    conflicts.sort_unstable_by_key(|event| event.position);
    conflicts.dedup_by_key(|event| event.position);
    Deduplicated {
        timeline,
        duplicates,
        conflicts,
    }
}

/// Most sagas have a handful of events: so few are looked through faster than hashed.
const FEW: usize = 16;

/// The events that stand, by key.
enum Standing<'a> {
    Few(Vec<&'a Event>),
    Many(HashMap<EventKey<'a>, &'a Event, FixedState>),
}

impl<'a> Standing<'a> {
    fn with_capacity(events: usize) -> Self {
        if events <= FEW {
            return Self::Few(Vec::with_capacity(events));
        }
        Self::Many(HashMap::with_capacity_and_hasher(events, FixedState::default()))
    }

    /// The event that stands under this one's key; without one, this one does from now on.
    fn first_or_insert(&mut self, event: &'a Event) -> Option<&'a Event> {
        match self {
            Self::Few(events) => {
                let first = events.iter().find(|first| first.key() == event.key()).copied();
                if first.is_none() {
                    events.push(event);
                }
                first
            }
            Self::Many(events) => {
                let first = events.get(&event.key()).copied();
                if first.is_none() {
                    events.insert(event.key(), event);
                }
                first
            }
        }
    }
}

/// The state of a saga from all of its deliveries, in any order. `None` when there are none.
pub fn fold(deliveries: &[Event], definitions: &SagaDefinitions) -> Option<SagaState> {
    fold_deduplicated(&deduplicate(deliveries), definitions)
}

/// The same, from deliveries that have been told apart already.
pub fn fold_deduplicated(parts: &Deduplicated<'_>, definitions: &SagaDefinitions) -> Option<SagaState> {
    let (first, rest) = parts.timeline.split_first()?;
    let mut state = SagaState::begin(first, definitions);
    for event in rest {
        state.apply(event, definitions);
    }
    note_deliveries(&mut state, parts);
    Some(state)
}

/// Notes what the deliveries say beyond the timeline.
pub fn note_deliveries(state: &mut SagaState, parts: &Deduplicated<'_>) {
    for (event, _) in &parts.duplicates {
        state.note_duplicate();
        state.note_reported(event.status, event.recorded_at);
    }
    for event in &parts.conflicts {
        let id = event.event_id.clone();
        state.conflicts.add(event.position, id, event.recorded_at);
    }
    for known in state.listed.iter_mut().flatten() {
        known.conflicting = parts.is_conflicting(known.place);
    }
}

#[cfg(test)]
pub(super) mod tests;
