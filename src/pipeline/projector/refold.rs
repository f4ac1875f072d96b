//! Folds a timeline on, from where something in it changed.
//!
//! A short timeline is folded from its start. A long one is folded from the last checkpoint in front of
//! the change, streamed from the log, and only up to the first checkpoint behind it where the new fold
//! meets the old one: what was folded from there on is carried over ([`Junction`]). Deliveries that
//! arrive may not be in the log yet; they are put between its rows.

use super::arriving::Arriving;
use super::projections::Changes;
use super::visible::{ROWS_AT_ONCE, Visible};
use crate::domain::{Event, EventRef, Junction, SagaDefinitions, SagaId, SagaState, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::timelines::{self, TimelineRows};
use crate::store::{StoreError, Table, keys, reads};
use std::iter::Peekable;
use std::ops::ControlFlow;

/// Sagas with up to so many deliveries are read as they lie in the log, many at once; of others only
/// those that stand are.
const MAX_DELIVERIES_READ: u32 = 128;
/// Checkpoints that are looked at at once.
const CHECKPOINTS: usize = if cfg!(test) { 2 } else { 64 };

/// Folds the timelines of a window's sagas.
pub(super) struct Refold<'v, 'e> {
    visible: Visible<'v>,
    /// Short timelines to be read.
    short: Vec<Short<'e>>,
    states: Vec<(usize, SagaState)>,
}

/// A short timeline to be read.
struct Short<'e> {
    number: usize,
    saga: SagaId,
    /// The places of its events.
    wanted: Vec<TimelineKey>,
    deliveries: u32,
    added: Vec<&'e Event>,
    fold: Fold<'e>,
}

impl<'v, 'e> Refold<'v, 'e> {
    pub(super) fn new(visible: Visible<'v>) -> Self {
        Self {
            visible,
            short: Vec::new(),
            states: Vec::new(),
        }
    }

    /// What arrived comes after all that is there.
    pub(super) fn append(&mut self, number: usize, arriving: &mut Arriving<'e>, changes: &mut Changes) {
        let has_index = arriving.has_index();
        let mut rows = TimelineRows::new(&mut changes.rows, self.visible.generation);
        let mut fold = Fold::new(arriving.state.take(), arriving.added.clone());
        fold.rest(self.visible.definitions, |state| {
            if has_index {
                rows.checkpoint(&arriving.saga, state);
            }
        });
        self.states.extend(fold.state.map(|state| (number, state)));
    }

    /// A short timeline changes somewhere.
    pub(super) fn short(&mut self, number: usize, arriving: &Arriving<'e>) {
        let listed = arriving.list().unwrap_or_default();
        let known = arriving.state.as_ref();
        self.short.push(Short {
            number,
            saga: arriving.saga.clone(),
            wanted: listed.iter().map(|known| known.place).collect(),
            deliveries: known.map_or(0, |state| state.step_count.saturating_add(state.duplicates)),
            added: arriving.added.clone(),
            fold: Fold::new(None, arriving.added.clone()),
        });
    }

    /// A long timeline changes, from this place on.
    pub(super) fn long(
        &mut self,
        number: usize,
        arriving: &mut Arriving<'e>,
        from: TimelineKey,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let Visible {
            store, generation, ..
        } = self.visible;
        let saga = &arriving.saga;
        let start = match &arriving.state {
            Some(whole) if arriving.had_index => {
                timelines::checkpoint_before(store, generation, saga, whole, from)?
            }
            _ => None,
        };
        let behind = start.as_ref().map(|state| state.tail);
        let mut checkpoints = Checkpoints::new(self.visible, saga, from, arriving.had_index);
        let mut fold = Fold::new(start, arriving.added.clone());
        let mut rows = TimelineRows::new(&mut changes.rows, generation);
        let last_change = last_change(arriving);
        let mut met = None;
        let definitions = self.visible.definitions;
        let tail = arriving.state.as_ref().map(|state| state.tail);
        let range = (behind, tail.map_or(last_change, |tail| tail.max(last_change)));
        timelines::each_event(store, generation, saga, range, self.visible.within, |event| {
            if arriving.lost.binary_search(&event.place).is_ok() {
                return Ok(ControlFlow::Continue(()));
            }
            fold.row(event, definitions, |state| rows.checkpoint(saga, state));
            let (Some(state), true) = (&fold.state, event.place.is_checkpoint()) else {
                return Ok(ControlFlow::Continue(()));
            };
            let old = checkpoints.at(event.place, &mut rows)?;
            if let (Some(old), Some(last)) = (old, &arriving.state)
                && event.place >= last_change
            {
                met = Junction::of(old, state, last);
            }
            Ok(if met.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        let state = match (met, arriving.state.clone()) {
            (Some(junction), Some(mut last)) => {
                checkpoints.carry(&junction, &mut rows)?;
                junction.carry(&mut last);
                Some(last)
            }
            _ => {
                fold.rest(definitions, |state| rows.checkpoint(saga, state));
                checkpoints.drop_rest(&mut rows)?;
                fold.state
            }
        };
        self.states.extend(state.map(|state| (number, state)));
        Ok(())
    }

    /// Reads the short timelines; returns all states, in the order of the sagas.
    pub(super) fn finish(mut self, all: &mut [Arriving<'_>]) -> Result<Vec<SagaState>, StoreError> {
        let (few, many): (Vec<_>, Vec<_>) = std::mem::take(&mut self.short)
            .into_iter()
            .partition(|short| short.deliveries <= MAX_DELIVERIES_READ);
        let left = read_together(self.visible, few, &mut self.states)?;
        for short in left.into_iter().chain(many) {
            self.states.push((short.number, short.read(self.visible)?));
        }
        self.states.sort_unstable_by_key(|(number, _)| *number);
        let mut found = self.states.into_iter().peekable();
        let mut states = Vec::with_capacity(all.len());
        for (number, arriving) in all.iter_mut().enumerate() {
            let steps = arriving.steps_now();
            let state = found.next_if(|(of, _)| *of == number).map(|(_, state)| state);
            let mut state = state
                .filter(|state| state.step_count as usize == steps)
                .ok_or_else(|| incomplete(&arriving.saga, steps))?;
            if let Some(old) = &mut arriving.state {
                state.take_deliveries_of(old);
            }
            states.push(state);
        }
        Ok(states)
    }
}

fn incomplete(saga: &SagaId, steps: usize) -> StoreError {
    StoreError::Corrupt(format!(
        "log: the {steps} events of saga {saga} that its state and its index name are not all there"
    ))
}

fn last_change(arriving: &Arriving<'_>) -> TimelineKey {
    let added = arriving.added.last().map(|event| event.timeline_key());
    let places = arriving.displaced.iter().copied().chain(added);
    places.max().unwrap_or(TimelineKey {
        recorded_at: crate::domain::Millis(i64::MIN),
        position: crate::domain::Position::new(0, 0),
    })
}

impl Short<'_> {
    /// Reads what stands, and nothing else.
    fn read(mut self, visible: Visible<'_>) -> Result<SagaState, StoreError> {
        let arrived = |place: &TimelineKey| self.added.iter().any(|event| event.timeline_key() == *place);
        let places: Vec<TimelineKey> = self
            .wanted
            .iter()
            .copied()
            .filter(|place| !arrived(place))
            .collect();
        for some in places.chunks(ROWS_AT_ONCE) {
            let named: Vec<_> = some.iter().map(|place| (&self.saga, *place)).collect();
            for (place, row) in some.iter().zip(reads::log_rows(visible.store, &named)?) {
                let event = LogRecord::read(&row)?.view(*place)?;
                self.fold.row(&event, visible.definitions, |_| {});
            }
        }
        self.fold.rest(visible.definitions, |_| {});
        let steps = self.wanted.len();
        self.fold.state.ok_or_else(|| incomplete(&self.saga, steps))
    }
}

/// Reads short timelines as they lie in the log, in one go; returns those that it was no good for.
fn read_together<'e>(
    visible: Visible<'_>,
    mut few: Vec<Short<'e>>,
    states: &mut Vec<(usize, SagaState)>,
) -> Result<Vec<Short<'e>>, StoreError> {
    if few.is_empty() {
        return Ok(few);
    }
    let names: Vec<SagaId> = few.iter().map(|short| short.saga.clone()).collect();
    let partitions: Vec<&[u8]> = names.iter().map(|saga| saga.as_str().as_bytes()).collect();
    // The log may hold many rows that are not folded yet.
    let mut rows_left = few
        .iter()
        .map(|short| u64::from(short.deliveries) + 64)
        .sum::<u64>()
        * 4;
    let (mut reached, mut failed, mut too_many) = (0, None, false);
    visible
        .store
        .scan_partitions(Table::Log, &partitions, &mut |place, sort, value| {
            reached = place;
            rows_left -= 1;
            if rows_left == 0 {
                too_many = true;
                return ControlFlow::Break(());
            }
            failed = few[place].met(visible, sort, value).err();
            if failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
    failed.map_or(Ok(()), Err)?;
    let mut left = few.split_off(if too_many { reached } else { few.len() });
    for short in &mut left {
        short.fold = Fold::new(None, short.added.clone());
    }
    for mut short in few {
        short.fold.rest(visible.definitions, |_| {});
        let state = short
            .fold
            .state
            .ok_or_else(|| incomplete(&short.saga, short.wanted.len()))?;
        states.push((short.number, state));
    }
    Ok(left)
}

impl Short<'_> {
    fn met(&mut self, visible: Visible<'_>, sort: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let place = keys::parse_log_sort(sort)?;
        if self.wanted.binary_search(&place).is_ok() {
            let event = LogRecord::read(value)?.view(place)?;
            self.fold.row(&event, visible.definitions, |_| {});
        }
        Ok(())
    }
}

/// A fold under way, and the deliveries that come in between the rows of the log.
struct Fold<'e> {
    state: Option<SagaState>,
    added: Peekable<std::vec::IntoIter<&'e Event>>,
}

impl<'e> Fold<'e> {
    fn new(state: Option<SagaState>, added: Vec<&'e Event>) -> Self {
        Self {
            state,
            added: added.into_iter().peekable(),
        }
    }

    /// Applies a row of the log that stands, after what comes in before it.
    fn row(
        &mut self,
        event: &EventRef<'_>,
        definitions: &SagaDefinitions,
        mut after: impl FnMut(&SagaState),
    ) {
        while let Some(added) = self.added.next_if(|added| added.timeline_key() < event.place) {
            self.apply(&added.view(), definitions, &mut after);
        }
        // What arrived may be in the log already.
        self.added.next_if(|added| added.timeline_key() == event.place);
        self.apply(event, definitions, &mut after);
    }

    /// Applies what comes in behind the last row.
    fn rest(&mut self, definitions: &SagaDefinitions, mut after: impl FnMut(&SagaState)) {
        while let Some(added) = self.added.next() {
            self.apply(&added.view(), definitions, &mut after);
        }
    }

    fn apply(
        &mut self,
        event: &EventRef<'_>,
        definitions: &SagaDefinitions,
        after: &mut impl FnMut(&SagaState),
    ) {
        match &mut self.state {
            Some(state) => state.apply_unlisted(event, definitions),
            None => self.state = Some(SagaState::begin_unlisted(event, definitions)),
        }
        if let Some(state) = &self.state {
            after(state);
        }
    }
}

/// The stored checkpoints of a saga from some place on, one after the other.
struct Checkpoints<'v, 's> {
    visible: Visible<'v>,
    saga: &'s SagaId,
    some: std::collections::VecDeque<SagaState>,
    /// From where on more are to be read; `None` when there are no more.
    next: Option<TimelineKey>,
}

impl<'v, 's> Checkpoints<'v, 's> {
    fn new(visible: Visible<'v>, saga: &'s SagaId, from: TimelineKey, any: bool) -> Self {
        Self {
            visible,
            saga,
            some: std::collections::VecDeque::new(),
            next: any.then_some(from),
        }
    }

    fn next(&mut self) -> Result<Option<SagaState>, StoreError> {
        if let (true, Some(from)) = (self.some.is_empty(), self.next) {
            let Visible {
                store, generation, ..
            } = self.visible;
            let found = timelines::checkpoints_from(store, generation, self.saga, from, CHECKPOINTS)?;
            self.next = found
                .last()
                .filter(|_| found.len() == CHECKPOINTS)
                .map(|last| last.tail.next());
            self.some = found.into();
        }
        Ok(self.some.pop_front())
    }

    /// The one in this place. Those before it are of events that do not stand any more: they go.
    fn at(
        &mut self,
        place: TimelineKey,
        rows: &mut TimelineRows<'_>,
    ) -> Result<Option<SagaState>, StoreError> {
        while let Some(old) = self.next()? {
            if old.tail >= place {
                if old.tail == place {
                    return Ok(Some(old));
                }
                self.some.push_front(old);
                return Ok(None);
            }
            rows.drop_checkpoint(self.saga, old.tail);
        }
        Ok(None)
    }

    fn drop_rest(&mut self, rows: &mut TimelineRows<'_>) -> Result<(), StoreError> {
        while let Some(old) = self.next()? {
            rows.drop_checkpoint(self.saga, old.tail);
        }
        Ok(())
    }

    fn carry(&mut self, junction: &Junction, rows: &mut TimelineRows<'_>) -> Result<(), StoreError> {
        while let Some(mut old) = self.next()? {
            junction.carry_checkpoint(&mut old);
            rows.checkpoint(self.saga, &old);
        }
        Ok(())
    }
}
