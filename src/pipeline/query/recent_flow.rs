//! The flow of a period: which step came next behind which, each pair counted by when its second event arrived. So it
//! does not matter how long ago a saga started, and what takes long is seen as often as what does not.
//!
//! However many events arrived in a period, no more than some are looked at, the newest ones, and from when on all were
//! is told.

use super::Basis;
use super::arrivals::{Delivery, FlowBounds, arrivals};
use super::flow::{Flow, MAX_EDGES};
use super::past_state::Past;
use super::times::Times;
use crate::domain::{Listed, Millis, SagaId, SagaState, SagaType, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::{StoreError, reads, timelines};
use std::collections::{BTreeMap, BTreeSet};

/// States that are read at once.
const STATES: usize = 500;
/// Deliveries of an event that do not stand are passed over to find the event before, at most so many.
const MAX_PASSED: usize = 100;

/// The flow of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentFlow {
    /// Of which type.
    pub saga_type: SagaType,
    /// All events that arrived behind this instant are in it.
    pub from: Millis,
    /// And none that arrived behind this one.
    pub to: Millis,
    /// Whether that is all of the period that was asked for, and nothing was left out.
    pub is_whole: bool,
    /// Events that are not counted as the second of a pair, because there are too many different pairs.
    pub left_out: u64,
    /// Which step followed which.
    pub flow: Flow,
}

/// What arrived in a period, of all types: read once, whatever types are asked about.
pub(super) struct Arrived {
    from: Millis,
    to: Millis,
    is_whole: bool,
    basis: Basis,
    /// By saga, each saga's in the order of its timeline.
    events: Vec<Event>,
}

/// An event that stands in its saga's timeline.
struct Event {
    saga_type: SagaType,
    saga: SagaId,
    step: Box<str>,
    service: Option<Box<str>>,
    /// The step before it, and how long after that one it happened.
    before: Option<(Box<str>, u64)>,
    is_last: bool,
}

impl Arrived {
    /// What arrived behind the first instant, up to the second.
    pub(super) fn read(
        past: &Past<'_>,
        (from, to): (Millis, Millis),
        bounds: FlowBounds,
    ) -> Result<Self, StoreError> {
        let (mut deliveries, reached) = arrivals(past, (from, to), bounds)?;
        deliveries.sort_unstable_by(|one, other| (&one.saga, one.place).cmp(&(&other.saga, other.place)));
        Ok(Self {
            from: reached,
            to,
            is_whole: reached == from,
            basis: Basis::of(past.cursor.clone(), past.definitions),
            events: standing(past, &deliveries)?,
        })
    }

    /// The type of which the most events arrived; of equals, the first by name.
    pub(super) fn busiest_type(&self) -> Option<&SagaType> {
        let mut events: BTreeMap<&SagaType, usize> = BTreeMap::new();
        for event in &self.events {
            *events.entry(&event.saga_type).or_default() += 1;
        }
        let counts = events.into_iter().rev();
        counts.max_by_key(|(_, count)| *count).map(|(name, _)| name)
    }

    /// The flow of a type; `None` when nothing of it arrived.
    pub(super) fn flow(&self, saga_type: &SagaType) -> Option<RecentFlow> {
        let mut flow = Flow {
            basis: self.basis.clone(),
            ..Flow::default()
        };
        let (mut left_out, mut last) = (0, None);
        for event in self.events.iter().filter(|event| event.saga_type == *saga_type) {
            flow.sagas += u64::from(last.replace(&event.saga) != Some(&event.saga));
            left_out += u64::from(!event.add_to(&mut flow));
        }
        last?;
        flow.edges.values_mut().for_each(Times::sort);
        Some(RecentFlow {
            saga_type: saga_type.clone(),
            from: self.from,
            to: self.to,
            is_whole: self.is_whole && left_out == 0,
            left_out,
            flow,
        })
    }
}

impl Event {
    /// Whether there was room for it.
    fn add_to(&self, flow: &mut Flow) -> bool {
        let is_known = flow.steps.contains_key(&*self.step);
        if !is_known && flow.steps.len() >= MAX_EDGES {
            flow.events += 1;
            return false;
        }
        flow.add_step(&self.step, self.service.as_deref(), self.before.is_none());
        if let Some(step) = flow.steps.get_mut(&*self.step) {
            step.last += u64::from(self.is_last);
        }
        let Some((before, millis)) = &self.before else {
            return true;
        };
        let pair = (before.to_string(), self.step.to_string());
        let has_room = flow.edges.len() < MAX_EDGES || flow.edges.contains_key(&pair);
        if has_room {
            flow.edges.entry(pair).or_default().add(*millis);
        }
        has_room
    }
}

/// Those of the deliveries that stand in the timelines, which are sorted by saga and place.
fn standing(past: &Past<'_>, deliveries: &[Delivery]) -> Result<Vec<Event>, StoreError> {
    let sagas: BTreeSet<&SagaId> = deliveries.iter().map(|delivery| &delivery.saga).collect();
    let sagas: Vec<SagaId> = sagas.into_iter().cloned().collect();
    let mut of_sagas = deliveries.chunk_by(|one, other| one.saga == other.saga);
    let mut events = Vec::with_capacity(deliveries.len());
    for some in sagas.chunks(STATES) {
        let states = reads::instances(past.trees.store, past.trees.generation, some)?;
        for (state, own) in states.into_iter().zip(&mut of_sagas) {
            // Purged sagas have none.
            if let Some(state) = state {
                add_standing(past, &state, own, &mut events)?;
            }
        }
    }
    Ok(events)
}

/// Adds those of one saga's deliveries that stand.
fn add_standing(
    past: &Past<'_>,
    state: &SagaState,
    own: &[Delivery],
    events: &mut Vec<Event>,
) -> Result<(), StoreError> {
    let steps: BTreeMap<TimelineKey, &str> = own.iter().map(|of| (of.place, &*of.step)).collect();
    for delivery in own {
        let Some(before) = place_before(past, state, delivery)? else {
            continue;
        };
        let before = match before {
            Some(place) => {
                let step = match steps.get(&place) {
                    Some(step) => (*step).into(),
                    None => step_at(past, &delivery.saga, place)?,
                };
                Some((step, delivery.place.recorded_at.since(place.recorded_at)))
            }
            None => None,
        };
        events.push(Event {
            saga_type: state.saga_type.clone(),
            saga: delivery.saga.clone(),
            step: delivery.step.clone(),
            service: delivery.service.clone(),
            before,
            is_last: state.tail == delivery.place,
        });
    }
    Ok(())
}

/// The place of the event before a delivery, if there is one; `None` when the delivery does not stand.
fn place_before(
    past: &Past<'_>,
    state: &SagaState,
    delivery: &Delivery,
) -> Result<Option<Option<TimelineKey>>, StoreError> {
    let (store, generation) = (past.trees.store, past.trees.generation);
    let (saga, place) = (&delivery.saga, delivery.place);
    if let Some(listed) = &state.listed {
        let at = listed.iter().position(|known: &Listed| known.place == place);
        let before = at.map(|at| at.checked_sub(1).and_then(|at| listed.get(at)));
        return Ok(before.map(|before| before.map(|known| known.place)));
    }
    if timelines::is_duplicate(store, generation, saga, place)? {
        return Ok(None);
    }
    let at = (store, generation, past.cursor);
    timelines::place_before(at, saga, place, MAX_PASSED).map(Some)
}

fn step_at(past: &Past<'_>, saga: &SagaId, place: TimelineKey) -> Result<Box<str>, StoreError> {
    let row = reads::log_row(past.trees.store, saga, place)?;
    Ok(LogRecord::read(&row)?.view(place)?.step.into())
}

#[cfg(test)]
mod tests;
