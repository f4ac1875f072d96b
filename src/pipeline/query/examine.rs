//! Search by what happened inside of sagas: those that the indexes leave are looked at one by one, each by its state
//! where that tells, otherwise by its events in the log.
//!
//! It is exact, and bounded by how many sagas are looked at and how many events are read; what is beyond is refused.

use super::candidates::candidates;
use super::inside::Told;
use super::order::{self, Part};
use super::past::part_of;
use super::past_state::{Past, states};
use super::trees::Row;
use super::{Filter, QueryError, SearchRequest};
use crate::domain::{EventRef, SagaId, SagaState};
use crate::store::StoreError;
use std::ops::ControlFlow;

/// Events that are read for one question, at most.
pub(super) const MAX_READ: u64 = if cfg!(test) { 3_000 } else { 1_000_000 };
/// States that are read at once.
const STATES: usize = 500;

/// The part of the sagas that match, and how many do.
pub(super) fn search(
    past: &Past<'_>,
    request: &SearchRequest,
    part: &Part,
) -> Result<(Vec<Row>, u64), QueryError> {
    let mut rows = Vec::new();
    each(past, &request.filter, &mut |_, (saga, _), state| {
        rows.push((order::time_of(request.sort, state), saga.clone()));
        Ok(())
    })?;
    let total = rows.len() as u64;
    Ok((part_of(rows, request.sort, part), total))
}

/// Takes who reads, a saga and its state now, and its state then as far as its timeline tells it.
type Visit<'v> =
    dyn FnMut(&mut Examined<'_, '_>, (&SagaId, &SagaState), &SagaState) -> Result<(), QueryError> + 'v;

/// Visits the sagas that match, in any order.
pub(super) fn each(past: &Past<'_>, filter: &Filter, visit: &mut Visit<'_>) -> Result<(), QueryError> {
    let mut examined = Examined {
        past,
        filter,
        read: 0,
    };
    for some in candidates(past, filter)?.chunks(STATES) {
        for (saga, whole) in some.iter().zip(states(past, some)?) {
            let Some(whole) = whole else {
                // Of a saga of which something arrived later nothing may be left: it was purged.
                if past.moment.known_at.is_some() {
                    continue;
                }
                let text = format!("instances: saga {saga} is indexed but has no state");
                return Err(StoreError::Corrupt(text).into());
            };
            if let Some(state) = examined.matching(saga, &whole)? {
                visit(&mut examined, (saga, &whole), &state)?;
            }
        }
    }
    Ok(())
}

/// Sagas that are looked at for one question.
pub(super) struct Examined<'q, 'r> {
    past: &'q Past<'r>,
    filter: &'q Filter,
    /// Events that were read.
    read: u64,
}

impl Examined<'_, '_> {
    /// What a saga was, as far as its timeline tells it, if it is one of those that are wanted.
    fn matching(&mut self, saga: &SagaId, whole: &SagaState) -> Result<Option<SagaState>, QueryError> {
        let past = self.past;
        if !past.is_now(whole) {
            self.reads(whole)?;
        }
        let state = past.state_of_timeline(saga, whole)?;
        let Some(state) = state.filter(|state| self.fits(state)) else {
            return Ok(None);
        };
        let definition = past.definitions.of(&state.saga_type);
        let holds = match self.filter.inside.by_state(&state, definition, past.moment) {
            Told::Holds => true,
            Told::Fails => false,
            Told::Open(mut open) => {
                self.events((saga, whole), &mut |event| open.see(event))?;
                open.holds()
            }
        };
        Ok(holds.then_some(state))
    }

    /// Visits the events of a saga that stood then, in the order of its timeline.
    pub(super) fn events(
        &mut self,
        (saga, whole): (&SagaId, &SagaState),
        visit: &mut dyn FnMut(&EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        self.reads(whole)?;
        self.past.timeline(saga, whole).events(self.past.moment, visit)
    }

    /// Whether a state is what the filter asks for, what happened inside apart.
    fn fits(&self, state: &SagaState) -> bool {
        let order = self.filter.order_id.as_ref();
        order.is_none_or(|order| *order == state.order_id) && order::matches(self.filter, state)
    }

    /// Notes that the deliveries of a saga are read, if that is not too much.
    fn reads(&mut self, whole: &SagaState) -> Result<(), QueryError> {
        self.read += u64::from(whole.step_count) + u64::from(whole.duplicates);
        if self.read > MAX_READ {
            return Err(QueryError::TooMuchToExamine { limit: MAX_READ });
        }
        Ok(())
    }
}
