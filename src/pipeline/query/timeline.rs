//! One saga's timeline at any moment: state, steps, history, and how two moments differ.
//!
//! What is asked as of an event time alone is answered from the log by the folds that are kept of long
//! timelines. What was known at an arrival time is folded anew from all deliveries, one after the other.

use super::QueryError;
use super::columns::{self, ColumnsRequest, TimelineColumns};
use super::diff::{self, Difference};
use super::history::{self, PastState};
use super::moment::{Deliveries, MAX_REPEATED, Moment, Standing};
use super::reporters;
use super::step_deliveries::{self, StepDeliveries};
use super::steps::{Steps, TimelineStep};
use super::trees::Trees;
use crate::domain::{
    Cut, EventRef, Judgement, Millis, Position, SagaDefinitions, SagaId, SagaState, TimelineKey,
};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::{Generation, StoreRead, repeats, stood_in, timelines, until};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What an answer was computed from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Basis {
    /// The cut that it is of.
    pub cursor: Cut,
    /// The hash of the rules that it was folded under, hexadecimal.
    pub definitions: String,
}

impl Basis {
    pub(super) fn of(cursor: Cut, definitions: &SagaDefinitions) -> Self {
        let rules = blake3::hash(definitions.fold_rules().as_bytes());
        let definitions = rules.to_hex().to_string();
        Self { cursor, definitions }
    }
}

/// One saga's deliveries, to ask about.
pub struct Timeline<'a> {
    pub(super) saga: &'a SagaId,
    pub(super) source: Source<'a>,
    pub(super) definitions: &'a SagaDefinitions,
    pub(super) basis: Basis,
    /// Its first event's time, by all that is known.
    pub(super) started_at: Millis,
    /// Whether any of its deliveries does not stand.
    pub(super) has_duplicates: bool,
}

/// Where the deliveries are.
pub(super) enum Source<'a> {
    Log(Log<'a>),
    Elsewhere(&'a mut dyn Deliveries),
}

/// A saga that the projections which serve now know.
pub(super) struct Log<'a> {
    pub(super) store: &'a dyn StoreRead,
    pub(super) generation: Generation,
    pub(super) cursor: Cut,
    pub(super) saga: &'a SagaId,
    pub(super) whole: &'a SagaState,
}

impl Timeline<'_> {
    /// What answers are computed from.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// What the definitions that states are folded under here say of such a state at an instant.
    pub fn judge(&self, state: &SagaState, at: Millis) -> Judgement {
        self.definitions.judge(state, at)
    }

    /// Whether its deliveries are read from elsewhere than the log.
    pub fn is_archived(&self) -> bool {
        matches!(self.source, Source::Elsewhere(_))
    }

    /// The state at a moment; `None` when the saga had not begun.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn state(&mut self, moment: Moment) -> Result<Option<SagaState>, QueryError> {
        match &self.source {
            Source::Log(log) if moment.is_now() => Ok(Some(log.whole.clone())),
            Source::Log(log) if moment.known_at.is_none() => log.state_as_of(moment, self.definitions),
            _ => self.fold(moment, true),
        }
    }

    /// The same as far as the timeline tells it: not which events were in conflict. So it does not matter how many
    /// came again.
    pub(super) fn state_of_timeline(&mut self, moment: Moment) -> Result<Option<SagaState>, QueryError> {
        match &self.source {
            Source::Log(_) if moment.known_at.is_some() => self.fold(moment, false),
            _ => self.state(moment),
        }
    }

    /// The same of a saga that must have begun.
    ///
    /// # Errors
    /// [`QueryError::NotBegun`] among others.
    pub fn begun(&mut self, moment: Moment) -> Result<SagaState, QueryError> {
        let state = self.state(moment)?;
        state.ok_or_else(|| self.not_begun(moment))
    }

    /// That the saga had not begun.
    pub fn not_begun(&self, moment: Moment) -> QueryError {
        QueryError::NotBegun {
            saga: self.saga.clone(),
            moment,
            started_at: self.started_at,
        }
    }

    /// Visits the steps at a moment behind `after` (none: from the first), in the order of the timeline;
    /// whether the saga had begun.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn steps(
        &mut self,
        moment: Moment,
        after: Option<TimelineKey>,
        visit: &mut dyn FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        if let (Source::Log(log), None) = (&self.source, moment.known_at) {
            return log.steps_as_of((moment, after), self.definitions, visit);
        }
        let standing = self.standing(moment.known_at, false)?;
        let (mut steps, mut begun) = (Steps::new(self.definitions), false);
        standing.each(self.deliveries(), moment.as_of, &mut |known| {
            if !known.stands {
                return ControlFlow::Continue(());
            }
            begun = true;
            let step = steps.next(known.event);
            if Some(known.event.place) <= after {
                return ControlFlow::Continue(());
            }
            visit(&step)
        })?;
        Ok(begun)
    }

    /// Visits the events that stood at a moment, in the order of the timeline.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) fn events(
        &mut self,
        moment: Moment,
        visit: &mut dyn FnMut(&EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        if let (Source::Log(log), None) = (&self.source, moment.known_at) {
            return log.events_as_of(moment, visit);
        }
        let standing = self.standing(moment.known_at, false)?;
        standing.each(self.deliveries(), moment.as_of, &mut |known| {
            if known.stands {
                visit(&known.event)
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// Visits the states that the saga went through up to a moment and that begin behind `after` (none: from
    /// the first); whether it had begun.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn history(
        &mut self,
        moment: Moment,
        after: Option<TimelineKey>,
        visit: &mut dyn FnMut(PastState) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        let standing = self.standing(moment.known_at, true)?;
        let definitions = self.definitions;
        let asked = (moment.as_of, after);
        history::history(self.deliveries(), &standing, definitions, asked, visit)
    }

    /// The timeline at a moment as columns; `None` when the saga had not begun.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn columns(
        &mut self,
        moment: Moment,
        request: ColumnsRequest,
    ) -> Result<Option<TimelineColumns>, QueryError> {
        let Some(state) = self.state(moment)? else {
            return Ok(None);
        };
        let standing = self.standing(moment.known_at, true)?;
        let definitions = self.definitions;
        let at = (state, moment.as_of);
        let mut columns = columns::columns(self.deliveries(), &standing, definitions, at, request)?;
        if let (Source::Log(log), false) = (&self.source, columns.unreached.is_empty()) {
            columns.reporters = log.reporters(&columns)?;
        }
        Ok(Some(columns))
    }

    /// Visits the steps at a moment behind `after`, as [`steps`](Self::steps) does, each with what its deliveries tell.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn delivered_steps(
        &mut self,
        moment: Moment,
        after: Option<TimelineKey>,
        visit: &mut dyn FnMut(&TimelineStep<'_>, &StepDeliveries) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        let standing = self.standing(moment.known_at, true)?;
        let definitions = self.definitions;
        let asked = (moment.as_of, after);
        step_deliveries::steps(self.deliveries(), &standing, definitions, asked, visit)
    }

    /// How two moments differ.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn difference(&mut self, from: Moment, to: Moment) -> Result<Difference, QueryError> {
        let states = [self.state(from)?, self.state(to)?];
        let from = (self.standing(from.known_at, false)?, from.as_of);
        let to = (self.standing(to.known_at, false)?, to.as_of);
        diff::difference(self.deliveries(), states, &[from, to])
    }

    fn fold(&mut self, moment: Moment, tells_conflicts: bool) -> Result<Option<SagaState>, QueryError> {
        let standing = self.standing(moment.known_at, tells_conflicts)?;
        let definitions = self.definitions;
        let (mut state, mut duplicates) = (None::<SagaState>, 0u32);
        standing.each(self.deliveries(), moment.as_of, &mut |known| {
            if !known.stands {
                duplicates = duplicates.saturating_add(1);
                return ControlFlow::Continue(());
            }
            let place = known.event.place;
            let state = apply(&mut state, &known.event, definitions);
            if known.conflicting {
                let event_id = known.event.event_id.into();
                state.conflicts.add(place.position, event_id, place.recorded_at);
            }
            ControlFlow::Continue(())
        })?;
        Ok(state.map(|state| SagaState { duplicates, ..state }))
    }

    /// Which deliveries stood by what was known.
    fn standing(&mut self, known_at: Option<Millis>, tells_conflicts: bool) -> Result<Standing, QueryError> {
        if known_at.is_none() && !tells_conflicts {
            return Ok(Standing::today());
        }
        if !self.has_duplicates {
            return Ok(Standing::known_at(known_at));
        }
        let standing = match (&mut self.source, known_at) {
            (Source::Log(log), Some(known_at)) if !tells_conflicts => log.standing_at(known_at)?,
            _ => Standing::at(known_at, self.deliveries())?,
        };
        standing.ok_or_else(|| QueryError::TooManyRepeated {
            saga: self.saga.clone(),
            limit: MAX_REPEATED,
        })
    }

    fn deliveries(&mut self) -> &mut dyn Deliveries {
        match &mut self.source {
            Source::Log(log) => log,
            Source::Elsewhere(deliveries) => *deliveries,
        }
    }
}

fn apply<'s>(
    state: &'s mut Option<SagaState>,
    event: &EventRef<'_>,
    definitions: &SagaDefinitions,
) -> &'s mut SagaState {
    match state {
        Some(state) => {
            state.apply_unlisted(event, definitions);
            state
        }
        None => state.insert(SagaState::begin_unlisted(event, definitions)),
    }
}

impl Log<'_> {
    fn state_as_of(
        &self,
        moment: Moment,
        definitions: &SagaDefinitions,
    ) -> Result<Option<SagaState>, QueryError> {
        let Some(end) = moment.as_of.map(behind) else {
            return Ok(Some(self.whole.clone()));
        };
        let at = (self.store, self.generation, &self.cursor);
        let state = timelines::fold_before(at, definitions, self.saga, self.whole, end)?;
        let Some(state) = state else { return Ok(None) };
        let repeated = (self.store, self.generation, self.saga);
        Ok(Some(SagaState {
            duplicates: repeats::duplicates_before(repeated, self.whole, end)?,
            conflicts: repeats::conflicts_before(repeated, self.whole, end)?,
            ..state
        }))
    }

    /// Who reports the steps that have not come, in other sagas of the type.
    fn reporters(&self, columns: &TimelineColumns) -> Result<BTreeMap<String, String>, QueryError> {
        let trees = Trees {
            store: self.store,
            generation: self.generation,
        };
        let steps: Vec<&str> = columns.unreached.iter().map(|it| it.step.as_str()).collect();
        reporters::reporters(trees, &self.cursor, &columns.state.saga_type, &steps)
    }

    /// Which deliveries stood by what was known at an instant, from the events for which others stood in then. `None`
    /// when these are too many.
    fn standing_at(&mut self, known_at: Millis) -> Result<Option<Standing>, QueryError> {
        let mut others = HashSet::default();
        stood_in::each_of_saga(self.store, self.generation, self.saga, |event, stood_in| {
            if stood_in.from() <= known_at && known_at < stood_in.until() {
                others.insert(event);
            }
            until(others.len() > MAX_REPEATED)
        })?;
        if others.len() > MAX_REPEATED {
            return Ok(None);
        }
        Standing::of_others(known_at, &others, self).map(Some)
    }

    fn steps_as_of(
        &self,
        (moment, after): (Moment, Option<TimelineKey>),
        definitions: &SagaDefinitions,
        visit: &mut dyn FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
    ) -> Result<bool, QueryError> {
        let at = (self.store, self.generation, &self.cursor);
        let before = match after {
            Some(place) => timelines::fold_before(at, definitions, self.saga, self.whole, place.next())?,
            None => None,
        };
        let mut steps = Steps::behind(before, definitions);
        timelines::each_step(at, self.saga, self.whole, after, |event| {
            if !moment.has_happened(event.place.recorded_at) {
                return Ok(ControlFlow::Break(()));
            }
            Ok(visit(&steps.next(*event)))
        })?;
        Ok(moment.has_happened(self.whole.started_at))
    }

    fn events_as_of(
        &self,
        moment: Moment,
        visit: &mut dyn FnMut(&EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let at = (self.store, self.generation, &self.cursor);
        timelines::each_step(at, self.saga, self.whole, None, |event| {
            if !moment.has_happened(event.place.recorded_at) {
                return Ok(ControlFlow::Break(()));
            }
            Ok(visit(event))
        })?;
        Ok(())
    }
}

/// The first place behind all of an instant.
fn behind(at: Millis) -> TimelineKey {
    TimelineKey {
        recorded_at: Millis(at.0.saturating_add(1)),
        position: Position::new(0, 0),
    }
}

impl Deliveries for Log<'_> {
    fn each(
        &mut self,
        visit: &mut dyn FnMut(&EventRef<'_>, bool) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let row = |place, value: &[u8], stands| Ok(visit(&LogRecord::read(value)?.view(place)?, stands));
        timelines::each_row_marked(self.store, self.generation, self.saga, &self.cursor, row)?;
        Ok(())
    }
}
