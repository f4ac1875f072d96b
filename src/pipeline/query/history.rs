//! Every state that a saga went through: the event that caused it, how long it lasted, and what else happened
//! meanwhile that is worth knowing: late arrivals, duplicates, operators' changes, anomalies.
//!
//! A state is told when it has ended, so that no more than one is in memory. That an event was late shows only in
//! the arrivals of those behind it, so these are read first.

use super::QueryError;
use super::moment::{Deliveries, Known, Standing};
use super::past_event::PastEvent;
use super::steps::Steps;
use crate::domain::{BoundedLog, Millis, SagaDefinitions, SagaStatus, TimelineKey};
use crate::store::until;
use std::ops::ControlFlow;

/// Events of which arrivals are compared, at eight bytes each; a saga of more has no history, and its steps do not tell
/// how late they were.
pub const MAX_HISTORY_EVENTS: usize = if cfg!(test) { 300 } else { 1_000_000 };

/// So many remarkable events of each state are told; all of them are counted.
pub const MAX_REMARKABLE: usize = if cfg!(test) { 4 } else { 100 };

/// A state that a saga went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastState {
    /// Its number, from 1.
    pub number: u32,
    /// The status.
    pub status: SagaStatus,
    /// Since when, by event time.
    pub from: Millis,
    /// Until when; `None` when the saga is in it at the moment that was asked for.
    pub until: Option<Millis>,
    /// The event that caused it.
    pub cause: PastEvent,
    /// Events of the timeline while it lasted, the cause among them.
    pub events: u32,
    /// The remarkable ones while it lasted, in the order of the timeline; the cause is not among them.
    pub remarkable: BoundedLog<PastEvent, MAX_REMARKABLE>,
}

impl PastState {
    /// How long it lasted, by event time; `None` while it does.
    pub fn duration_millis(&self) -> Option<u64> {
        self.until.map(|until| until.since(self.from))
    }
}

pub(super) fn history(
    deliveries: &mut dyn Deliveries,
    standing: &Standing,
    definitions: &SagaDefinitions,
    (as_of, after): (Option<Millis>, Option<TimelineKey>),
    visit: &mut dyn FnMut(PastState) -> ControlFlow<()>,
) -> Result<bool, QueryError> {
    let mut telling = Telling {
        steps: Steps::new(definitions),
        first_behind: first_behind(deliveries, standing, as_of)?.into_iter(),
        after,
        early: BoundedLog::default(),
        open: None,
        begun: false,
        visit,
    };
    let mut stopped = false;
    standing.each(deliveries, as_of, &mut |known| {
        let flow = telling.next(known);
        stopped = flow.is_break();
        flow
    })?;
    if !stopped {
        let _told = telling.end(None);
    }
    Ok(telling.begun)
}

/// For each event that stands, in order, the first arrival among those behind it; never for the last.
pub(super) fn first_behind(
    deliveries: &mut dyn Deliveries,
    standing: &Standing,
    as_of: Option<Millis>,
) -> Result<Vec<Millis>, QueryError> {
    let mut arrivals = Vec::new();
    standing.each(deliveries, as_of, &mut |known| {
        if known.stands {
            arrivals.push(known.event.arrived_at);
        }
        until(arrivals.len() > MAX_HISTORY_EVENTS)
    })?;
    if arrivals.len() > MAX_HISTORY_EVENTS {
        return Err(QueryError::TooLong(MAX_HISTORY_EVENTS));
    }
    let mut first = Millis(i64::MAX);
    for arrival in arrivals.iter_mut().rev() {
        first = first.min(std::mem::replace(arrival, first));
    }
    Ok(arrivals)
}

/// The states, told one after the other.
struct Telling<'d, 'v> {
    steps: Steps<'d>,
    first_behind: std::vec::IntoIter<Millis>,
    /// States that begin here or before are not asked for.
    after: Option<TimelineKey>,
    /// Deliveries that did not stand, of times before the first event that does.
    early: BoundedLog<PastEvent, MAX_REMARKABLE>,
    /// The state that has not ended yet.
    open: Option<PastState>,
    begun: bool,
    visit: &'v mut dyn FnMut(PastState) -> ControlFlow<()>,
}

impl Telling<'_, '_> {
    fn next(&mut self, known: &Known<'_>) -> ControlFlow<()> {
        if !known.stands {
            let duplicate = PastEvent::duplicate(&known.event);
            match &mut self.open {
                Some(open) => open.remarkable.push(duplicate),
                None => self.early.push(duplicate),
            }
            return ControlFlow::Continue(());
        }
        let state = self.steps.apply(&known.event);
        let event = PastEvent::standing(known, state, self.first_behind.next());
        match &mut self.open {
            Some(open) if open.number == state.changes.total => {
                open.events = open.events.saturating_add(1);
                if event.is_remarkable() {
                    open.remarkable.push(event);
                }
                ControlFlow::Continue(())
            }
            _ => {
                let (number, status) = (state.changes.total, state.status);
                self.enter(number, status, event)
            }
        }
    }

    fn enter(&mut self, number: u32, status: SagaStatus, cause: PastEvent) -> ControlFlow<()> {
        let from = cause.place.recorded_at;
        self.end(Some(from))?;
        self.begun = true;
        self.open = Some(PastState {
            number,
            status,
            from,
            until: None,
            cause,
            events: 1,
            remarkable: std::mem::take(&mut self.early),
        });
        ControlFlow::Continue(())
    }

    fn end(&mut self, until: Option<Millis>) -> ControlFlow<()> {
        match self.open.take() {
            Some(state) if Some(state.cause.place) > self.after => (self.visit)(PastState { until, ..state }),
            _ => ControlFlow::Continue(()),
        }
    }
}
