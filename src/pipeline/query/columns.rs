//! A timeline as columns, to be drawn: of each event only numbers, of names each once. Of more events than are asked
//! for, the notable ones, and of the others how many there are in each cell of time.
//!
//! Memory is bounded by what is asked for, whatever the saga has; the deliveries are read twice, because that an event
//! was late shows only behind it.

mod density;
mod rows;

use super::QueryError;
use super::lookahead::Lookahead;
use super::moment::{Deliveries, Known, Standing};
use super::past_event::PastEvent;
use super::steps::Steps;
use crate::domain::{
    Millis, SagaDefinitions, SagaState, SagaStatus, Undoing, Unreached, undoings, unreached,
};
use crate::store::until;
use density::Gathering;
pub use density::{Density, DensityCell};
pub use rows::{ColumnRow, Flag, Names};
use rows::{Kept, RowsSoFar};
use std::collections::{BTreeMap, HashSet};

/// Events of one answer, at most.
pub const MAX_COLUMN_ROWS: usize = 20_000;

/// So many states are told, at most; the last one always.
pub const MAX_STATES: usize = if cfg!(test) { 4 } else { 1_000 };

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnsRequest {
    /// Of this time or later.
    pub from: Option<Millis>,
    /// Of this time or earlier.
    pub to: Option<Millis>,
    /// So many of them at most; of more, only the notable ones.
    pub max: usize,
}

/// A timeline as columns.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineColumns {
    /// The saga at that moment.
    pub state: SagaState,
    /// Events of the whole timeline.
    pub whole: u64,
    /// Of these, those that were asked for.
    pub total: u64,
    /// All that were asked for, or the notable ones of them.
    pub rows: Vec<ColumnRow>,
    /// Names of steps and services, by the numbers in the rows.
    pub names: Names,
    /// The others; `None` when the rows are all.
    pub density: Option<Density>,
    /// Notable events that are among the others, because there are too many.
    pub notable_left_out: u64,
    /// The states that the saga went through.
    pub states: Vec<StateSpan>,
    /// States between the last one and the one before it that are not told, because there are too many.
    pub states_left_out: u64,
    /// Which event undid which.
    pub undoings: Vec<Undoing>,
    /// Steps that have not come.
    pub unreached: Vec<Unreached>,
    /// Of those steps, the services that report them in other sagas of the type, where any do.
    pub reporters: BTreeMap<String, String>,
}

/// A state that a saga went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSpan {
    /// The status.
    pub status: SagaStatus,
    /// Since when, by event time.
    pub from: Millis,
    /// Until when; `None` when the saga is in it.
    pub until: Option<Millis>,
}

/// The columns of the timeline of a saga that is in `state` at the moment that is asked for.
pub(super) fn columns(
    deliveries: &mut dyn Deliveries,
    standing: &Standing,
    definitions: &SagaDefinitions,
    (state, as_of): (SagaState, Option<Millis>),
    request: ColumnsRequest,
) -> Result<TimelineColumns, QueryError> {
    let definition = definitions.of(&state.saga_type);
    let undoings = definition.map_or_else(Vec::new, |definition| undoings(&state, definition));
    let unreached = definition.map_or_else(Vec::new, |definition| unreached(&state, definition));
    let mut seen = Seen::default();
    let ahead = Lookahead::read(deliveries, standing, as_of, &mut |known| {
        seen.add(known.event.place.recorded_at, request);
    })?;
    let linked = undoings
        .iter()
        .flat_map(|it| [Some(it.from), it.to])
        .flatten()
        .collect();
    let mut taking = Taking::new(&seen, request, linked);
    let (mut steps, mut late) = (Steps::new(definitions), ahead.late());
    let mut states = States::default();
    standing.each(deliveries, as_of, &mut |known| {
        if known.stands {
            let kept = kept(&mut steps, &mut states, known);
            late.add(kept, known.event.arrived_at, &mut |kept, millis| {
                taking.take(kept, millis);
            });
        }
        until(false)
    })?;
    late.end(&mut |kept, millis| taking.take(kept, millis));
    Ok(TimelineColumns {
        state,
        whole: seen.whole,
        total: seen.total,
        names: taking.rows.names,
        rows: taking.rows.rows,
        density: taking.density.map(Gathering::done),
        notable_left_out: taking.notable_left_out,
        states: states.told,
        states_left_out: states.left_out,
        undoings,
        unreached,
        reporters: BTreeMap::new(),
    })
}

/// What is kept of an event until it is known whether it was late.
fn kept(steps: &mut Steps<'_>, states: &mut States, known: &Known<'_>) -> Kept {
    let step = steps.next(known.event);
    let changed = states.add(step.saga, known.event.place.recorded_at);
    let mut flags = 0;
    let has = |flag: Flag, there: bool| if there { flag.bit() } else { 0 };
    flags |= has(Flag::Conflict, known.conflicting);
    flags |= has(Flag::Anomaly, !step.saga.anomalies.kept.is_empty());
    flags |= has(Flag::Operator, PastEvent::is_operators(&known.event));
    flags |= has(Flag::Refused, step.refused);
    let reported = |status| known.event.status == status;
    let grave = reported(SagaStatus::Failed) || reported(SagaStatus::Compensated) || flags != 0 || changed;
    Kept {
        number: step.number,
        place: known.event.place,
        arrived_at: known.event.arrived_at,
        step: known.event.step.into(),
        service: known.event.producer_service.map(Into::into),
        status: known.event.status,
        effective: step.effective,
        deliveries: known.deliveries,
        flags,
        grave,
    }
}

/// What there is.
#[derive(Default)]
struct Seen {
    whole: u64,
    total: u64,
    /// The times of the first and the last event that is asked for.
    span: Option<(Millis, Millis)>,
}

impl Seen {
    fn add(&mut self, at: Millis, request: ColumnsRequest) {
        self.whole += 1;
        if request.wants(at) {
            self.total += 1;
            self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        }
    }
}

impl ColumnsRequest {
    fn wants(&self, at: Millis) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

/// Events, taken as rows or as one more in a cell.
struct Taking {
    request: ColumnsRequest,
    rows: RowsSoFar,
    density: Option<Gathering>,
    /// Numbers of events that others are linked to.
    linked: HashSet<u32>,
    grave: usize,
    notable: usize,
    notable_left_out: u64,
}

/// Notable events that stand beside density, of the grave ones and of the others.
const MAX_NOTABLE: usize = if cfg!(test) { 3 } else { 1_000 };

impl Taking {
    fn new(seen: &Seen, request: ColumnsRequest, linked: HashSet<u32>) -> Self {
        let is_too_much = seen.total > request.max as u64;
        Self {
            request,
            rows: RowsSoFar::default(),
            density: seen.span.filter(|_| is_too_much).map(Gathering::over),
            linked,
            grave: 0,
            notable: 0,
            notable_left_out: 0,
        }
    }

    fn take(&mut self, mut kept: Kept, late_millis: Option<u64>) {
        if !self.request.wants(kept.place.recorded_at) {
            return;
        }
        if late_millis.is_some() {
            kept.flags |= Flag::Late.bit();
        }
        let is_linked = self.linked.contains(&kept.number);
        let Some(density) = &mut self.density else {
            self.rows.add(&kept);
            return;
        };
        let is_notable = kept.flags != 0 || kept.deliveries > 1;
        let room = match (is_linked, kept.grave, is_notable) {
            (true, ..) => true,
            (false, true, _) => has_room(&mut self.grave),
            (false, false, true) => has_room(&mut self.notable),
            (false, false, false) => {
                density.add(&kept, &mut self.rows);
                return;
            }
        };
        if room {
            self.rows.add(&kept);
        } else {
            self.notable_left_out += 1;
            density.add(&kept, &mut self.rows);
        }
    }
}

fn has_room(taken: &mut usize) -> bool {
    let has = *taken < MAX_NOTABLE;
    *taken += usize::from(has);
    has
}

/// The states, one after the other.
#[derive(Default)]
struct States {
    told: Vec<StateSpan>,
    /// The number of the last one.
    last: u32,
    left_out: u64,
}

impl States {
    /// Whether the event brought the saga into another state.
    fn add(&mut self, saga: &SagaState, at: Millis) -> bool {
        if saga.changes.total == self.last {
            return false;
        }
        self.last = saga.changes.total;
        let next = StateSpan {
            status: saga.status,
            from: at,
            until: None,
        };
        if let Some(last) = self.told.last_mut() {
            last.until = Some(at);
        }
        if self.told.len() == MAX_STATES {
            self.told.pop();
            self.left_out += 1;
        }
        self.told.push(next);
        true
    }
}

#[cfg(test)]
mod tests;
