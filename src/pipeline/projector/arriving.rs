//! Deliveries of one saga on their way into its state: which of them stand, which are late or came before, and
//! what that changes beside the timeline. What is read for it is not decided here (`arrivals`), nor how the
//! timeline is folded (`refold`), nor what is written of those that stood in for others (`stood_in`).

use super::known::{Known, Repeat, StoodIn};
use super::projections::Footprint;
use crate::domain::{
    Event, EventDigest, EventKey, EventRef, Listed, MAX_LISTED, SagaId, SagaState, TimelineKey,
};
use crate::store::records::StandingRecord;
use crate::store::timelines::TimelineRows;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Deliveries of one saga.
pub(super) struct Arrivals<'e> {
    pub(super) saga: SagaId,
    /// What stood in indexes and sums before.
    pub(super) before: Option<Footprint>,
    pub(super) state: Option<SagaState>,
    pub(super) events: Vec<&'e Event>,
}

/// The delivery that stands for an event.
struct Slot<'e> {
    place: TimelineKey,
    /// None as long as nobody asked, which is possible of one that arrived now.
    body: Option<EventDigest>,
    conflicting: bool,
    /// One that arrived now.
    arrived: Option<&'e Event>,
    /// What was stored before: its place, and whether the event was in conflict.
    stored: Option<(TimelineKey, bool)>,
    /// When its deliveries arrived. None as long as nobody asked, which is possible where none came again.
    known: Option<Known>,
}

impl Slot<'_> {
    fn body(&mut self) -> Option<EventDigest> {
        if self.body.is_none() {
            self.body = self.arrived.map(|event| event.view().body_digest());
        }
        self.body
    }
}

/// Deliveries of one saga, on their way into its state.
pub(super) struct Arriving<'e> {
    pub(super) saga: SagaId,
    pub(super) before: Option<Footprint>,
    /// What was folded before, less its list of events.
    pub(super) state: Option<SagaState>,
    listed: Vec<Listed>,
    pub(super) had_index: bool,
    /// Events in the timeline before.
    steps: usize,
    /// By position.
    pub(super) events: Vec<&'e Event>,
    slots: HashMap<EventKey<'e>, Slot<'e>, FixedState>,
    /// Events of a short timeline that becomes a long one, of which nothing arrived.
    others: Vec<(EventDigest, StandingRecord)>,
    /// Those that stand from now on, in the order of the timeline once all are found.
    pub(super) added: Vec<&'e Event>,
    /// Those that stood before and do not any more.
    pub(super) displaced: Vec<TimelineKey>,
    /// All that do not stand, of now and of before.
    pub(super) lost: Vec<TimelineKey>,
    /// Those that arrived now and do not stand.
    pub(super) repeated: Vec<&'e Event>,
    duplicates: u32,
}

impl<'e> Arriving<'e> {
    pub(super) fn new(arrivals: Arrivals<'e>) -> Self {
        let (mut events, mut state) = (arrivals.events, arrivals.state);
        events.sort_unstable_by_key(|event| event.position);
        let steps = state.as_ref().map_or(0, |state| state.step_count as usize);
        let listed = state.as_mut().map(|state| state.listed.take());
        Self {
            saga: arrivals.saga,
            before: arrivals.before,
            state,
            had_index: listed.as_ref().is_some_and(Option::is_none),
            listed: listed.flatten().unwrap_or_default(),
            steps,
            events,
            slots: HashMap::default(),
            others: Vec::new(),
            added: Vec::new(),
            displaced: Vec::new(),
            lost: Vec::new(),
            repeated: Vec::new(),
            duplicates: 0,
        }
    }

    /// The places of the short timeline that have to be looked at: those with an event's fingerprint; all
    /// when the timeline may become a long one.
    pub(super) fn suspects(&self) -> Vec<Listed> {
        let listed = &self.listed;
        if listed.len() + self.events.len() > MAX_LISTED {
            return listed.clone();
        }
        let arrived: Vec<u32> = self
            .events
            .iter()
            .map(|event| event.key().fingerprint())
            .collect();
        let suspect = |known: &&Listed| arrived.contains(&known.fingerprint);
        listed.iter().filter(suspect).copied().collect()
    }

    /// Takes a delivery that stands so far.
    pub(super) fn stands(&mut self, known: &Listed, row: &EventRef<'_>) {
        let key = row.key();
        let body = row.body_digest();
        match self.events.iter().find(|event| event.key() == key) {
            Some(event) => {
                let key = event.key();
                self.stored_slot(key, known.place, body, known.conflicting);
                self.was_known(&key, Known::first(row.arrived_at));
            }
            None => {
                let record = StandingRecord::of(known.place, body, known.conflicting);
                self.others.push((key.digest(), record));
            }
        }
    }

    pub(super) fn stored_slot(
        &mut self,
        key: EventKey<'e>,
        place: TimelineKey,
        body: EventDigest,
        conflicting: bool,
    ) {
        let slot = Slot {
            place,
            body: Some(body),
            conflicting,
            arrived: None,
            stored: Some((place, conflicting)),
            known: None,
        };
        self.slots.insert(key, slot);
    }

    /// The events that were stored before and come again now.
    pub(super) fn repeats(&self) -> Vec<Repeat<'e>> {
        let mut found: HashMap<EventKey<'e>, TimelineKey, FixedState> = HashMap::default();
        for event in &self.events {
            let stored = self.slots.get(&event.key()).and_then(|slot| slot.stored);
            if let Some((place, _)) = stored.filter(|(place, _)| place.position != event.position) {
                found.insert(event.key(), place);
            }
        }
        found.into_iter().collect()
    }

    /// Whether it is known when the deliveries of an event arrived.
    pub(super) fn is_known(&self, key: &EventKey<'e>) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.known.is_some())
    }

    /// Takes when the deliveries of an event arrived that was stored before.
    pub(super) fn was_known(&mut self, key: &EventKey<'e>, known: Known) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.known = Some(known);
        }
    }

    /// How long others stand in now for the deliveries that came again, and did before.
    pub(super) fn stood_in(&self) -> impl Iterator<Item = StoodIn> + '_ {
        self.slots.iter().filter_map(|(key, slot)| {
            let was_conflicting = slot.stored.is_some_and(|(_, conflicting)| conflicting);
            let conflicting = (was_conflicting, slot.conflicting);
            StoodIn::of(key.digest(), slot.known.as_ref()?, conflicting)
        })
    }

    /// Decides of each delivery whether it stands.
    pub(super) fn resolve(&mut self) {
        for event in std::mem::take(&mut self.events) {
            self.resolve_one(event);
            self.events.push(event);
        }
        self.added.sort_unstable_by_key(|event| event.timeline_key());
        self.lost.sort_unstable();
    }

    fn resolve_one(&mut self, event: &'e Event) {
        let place = event.timeline_key();
        let Some(slot) = self.slots.get_mut(&event.key()) else {
            let slot = Slot {
                place,
                body: None,
                conflicting: false,
                arrived: Some(event),
                stored: None,
                known: Some(Known::first(event.arrived_at)),
            };
            self.slots.insert(event.key(), slot);
            self.added.push(event);
            return;
        };
        // The delivery that stands, once more, is not another one.
        if event.position == slot.place.position {
            return;
        }
        self.duplicates += 1;
        if let Some(known) = &mut slot.known {
            known.add(event.arrived_at, event.position < slot.place.position);
        }
        let body = event.view().body_digest();
        slot.conflicting |= slot.body() != Some(body);
        if event.position > slot.place.position {
            self.lost.push(place);
            self.repeated.push(event);
            return;
        }
        // Those that arrived now are met by position, so what is displaced stood before.
        self.lost.push(slot.place);
        self.displaced.push(slot.place);
        slot.place = place;
        slot.body = Some(body);
        slot.arrived = Some(event);
        self.added.push(event);
    }

    /// Events in the timeline now.
    pub(super) fn steps_now(&self) -> usize {
        self.steps + self.added.len() - self.displaced.len()
    }

    /// Whether the events are in the index now, as those of long timelines are.
    pub(super) fn has_index(&self) -> bool {
        self.steps_now() > MAX_LISTED
    }

    /// From which place on the timeline has to be folded anew; `None` when what is added comes after all.
    pub(super) fn anew_from(&self) -> Option<TimelineKey> {
        let state = self.state.as_ref()?;
        let added = self.added.first().map(|event| event.timeline_key());
        let first = added.into_iter().chain(self.displaced.iter().copied()).min()?;
        let turns_long = self.has_index() && !self.had_index;
        (first < state.tail || !self.displaced.is_empty() || turns_long).then_some(first)
    }

    /// The list of events, if the timeline is a short one.
    pub(super) fn list(&self) -> Option<Vec<Listed>> {
        if self.has_index() {
            return None;
        }
        let mut listed = self.listed.clone();
        for (key, slot) in &self.slots {
            let now = Listed {
                place: slot.place,
                fingerprint: key.fingerprint(),
                conflicting: slot.conflicting,
            };
            let known = slot
                .stored
                .and_then(|(place, _)| listed.iter_mut().find(|known| known.place == place));
            match known {
                Some(known) => *known = now,
                None => listed.push(now),
            }
        }
        listed.sort_unstable_by_key(|known| known.place);
        Some(listed)
    }

    /// Notes in the folded state what the deliveries say beyond the timeline.
    pub(super) fn settle(&mut self, state: &mut SagaState) {
        state.listed = self.list();
        state.duplicates = state.duplicates.saturating_add(self.duplicates);
        for event in &self.events {
            state.note_reported(event.status, event.recorded_at);
        }
        for (key, slot) in self.slots.iter().filter(|(_, slot)| slot.conflicting) {
            let id = match key {
                EventKey::Id(id) => (*id).into(),
                EventKey::Content(..) => "".into(),
            };
            let (position, at) = (slot.place.position, slot.place.recorded_at);
            match slot.stored {
                Some((place, true)) if place == slot.place => {}
                Some((place, true)) => state.conflicts.moved(place.position, position, id, at),
                _ => state.conflicts.add(position, id, at),
            }
        }
    }

    /// The rows that change beside the state.
    pub(super) fn write_rows(&mut self, rows: &mut TimelineRows<'_>) {
        for place in &self.lost {
            rows.duplicate(&self.saga, *place);
        }
        if !self.has_index() {
            return;
        }
        let turns_long = !self.had_index;
        for (key, slot) in &mut self.slots {
            let same = slot.stored == Some((slot.place, slot.conflicting));
            if let Some(body) = slot.body().filter(|_| turns_long || !same) {
                let record = StandingRecord::of(slot.place, body, slot.conflicting);
                rows.event(&self.saga, key.digest(), &record);
            }
        }
        for (event, record) in &self.others {
            rows.event(&self.saga, *event, record);
        }
    }
}
