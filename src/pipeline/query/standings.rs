//! How the sagas stood at several instants, and what they entered and left in between: what an overview draws, read once
//! for all of the instants.
//!
//! Of a saga whose status changed very often the index counts the first changes and the last one, and at an instant
//! between those the log tells what it was: so it can count fewer changes at the later of two instants than at the
//! earlier one. It is told for each saga by itself what it entered and left in between, and never below zero.
//! When too many sagas would have to be folded for that, nothing is told, and the rest of an overview is.

use super::corrections::{Corrections, MAX_FOLDED, sums_until};
use super::grid::Grid;
use super::many_changes::{InLog, in_log_at, with_types};
use super::past_state::Past;
use super::trees::{Span, Trees};
use super::{Moment, QueryError};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::store::records::CensusRecord;
use crate::store::{StoreError, reads};

/// Maximum number of sagas, of all types, whose status the index does not know at one of the instants.
const MAX_FLAPPING: usize = 10 * MAX_FOLDED;
/// Maximum number of folds, over all of them and all instants.
const MAX_FOLDS: usize = 8 * MAX_FOLDED;

/// What happened in a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The last instant before it.
    pub after: Millis,
    /// Its last instant.
    pub until: Millis,
    /// Sagas that stood in each status at its end, by number of status.
    pub standing: [u64; 5],
    /// How often each status was entered in it.
    pub entered: [u64; 5],
    /// How often each status was left in it.
    pub left: [u64; 5],
}

impl Stretch {
    /// How often a status was entered in it.
    pub fn entered(&self, status: SagaStatus) -> u64 {
        self.entered[usize::from(status.tag())]
    }
}

/// The sagas of all types whose status the index does not know at one of some instants.
pub(super) struct Flapping(Vec<(SagaType, InLog)>);

impl Flapping {
    /// At instants that are in order; `None` when they are too many.
    pub(super) fn at(trees: Trees<'_>, instants: &[Millis]) -> Result<Option<Self>, StoreError> {
        let found = in_log_at(trees, instants, MAX_FLAPPING)?;
        found
            .map(|found| Ok(Self(with_types(trees, &found)?)))
            .transpose()
    }
}

/// What the index counts of a saga at an instant, and what it was.
struct Counted {
    by_index: CensusRecord,
    truly: CensusRecord,
}

/// How the sagas of a type, or all, stood at some instants.
pub(super) struct Standings {
    /// The instants, in order, and what the index counts.
    by_index: Vec<(Millis, CensusRecord)>,
    /// Of each saga of which the index does not know it, at each of the instants.
    flapping: Vec<Vec<Counted>>,
}

impl Standings {
    /// At the same instants as [`Flapping`]; `None` when too many sagas would have to be folded.
    pub(super) fn at(
        past: &Past<'_>,
        flapping: &Flapping,
        saga_type: Option<&SagaType>,
        instants: &[Millis],
    ) -> Result<Option<Self>, QueryError> {
        let wanted = flapping.0.iter();
        let wanted = wanted.filter(|(name, _)| saga_type.is_none_or(|wanted| wanted == name));
        let wanted: Vec<&InLog> = wanted.map(|(_, of)| of).collect();
        let folds = |of: &&InLog| instants.iter().filter(|at| of.stretch.contains(at)).count();
        if wanted.len() > MAX_FOLDED || wanted.iter().map(folds).sum::<usize>() > MAX_FOLDS {
            return Ok(None);
        }
        let mut counted = Vec::with_capacity(wanted.len());
        for of in wanted {
            match counted_of(past, of, instants) {
                Ok(of_saga) => counted.extend(of_saga),
                Err(QueryError::Store(error)) => return Err(error.into()),
                // It is too long to fold, as what else is refused.
                Err(_) => return Ok(None),
            }
        }
        let mut by_index = Vec::with_capacity(instants.len());
        for at in instants {
            by_index.push((*at, sums_of_index(past, saga_type, *at)?));
        }
        Ok(Some(Self {
            by_index,
            flapping: counted,
        }))
    }

    /// What happened behind the first instant and up to the second one; `None` when they are not of those that were
    /// asked for.
    pub(super) fn between(&self, after: Millis, until: Millis) -> Option<Stretch> {
        let place = |at: Millis| self.by_index.binary_search_by_key(&at, |(at, _)| *at).ok();
        let (first, last) = (place(after)?, place(until)?);
        let (before, behind) = (&self.by_index.get(first)?.1, &self.by_index.get(last)?.1);
        let mut standing = difference(&behind.left, &behind.entered);
        let mut entered = difference(&before.entered, &behind.entered);
        let mut left = difference(&before.left, &behind.left);
        for saga in &self.flapping {
            let (before, behind) = (saga.get(first)?, saga.get(last)?);
            let stood = |sums: &CensusRecord| difference(&sums.left, &sums.entered);
            let stood = difference(&stood(&behind.by_index), &stood(&behind.truly));
            standing.iter_mut().zip(stood).for_each(|(sum, by)| *sum += by);
            let correct = |sums: &mut [i64; 5], of: fn(&CensusRecord) -> &[i64; 5]| {
                let by_index = difference(of(&before.by_index), of(&behind.by_index));
                let truly = difference(of(&before.truly), of(&behind.truly));
                for ((sum, by_index), truly) in sums.iter_mut().zip(by_index).zip(truly) {
                    *sum += truly.max(0) - by_index;
                }
            };
            correct(&mut entered, |sums| &sums.entered);
            correct(&mut left, |sums| &sums.left);
        }
        let number = |sum: i64| u64::try_from(sum).unwrap_or(0);
        Some(Stretch {
            after,
            until,
            standing: standing.map(number),
            entered: entered.map(number),
            left: left.map(number),
        })
    }
}

fn difference(before: &[i64; 5], behind: &[i64; 5]) -> [i64; 5] {
    let mut difference = *behind;
    difference.iter_mut().zip(before).for_each(|(sum, by)| *sum -= by);
    difference
}

/// What the index counts at an instant.
fn sums_of_index(
    past: &Past<'_>,
    saga_type: Option<&SagaType>,
    at: Millis,
) -> Result<CensusRecord, QueryError> {
    let mut all = CensusRecord::default();
    let grid = Grid::new(past.trees, at, Corrections::default())?;
    grid.sums(saga_type, Span::ALL, &mut |_, sums| all.add(sums))?;
    Ok(all)
}

/// What one saga counts as at each instant.
fn counted_of(past: &Past<'_>, of: &InLog, instants: &[Millis]) -> Result<Option<Vec<Counted>>, QueryError> {
    let Some(whole) = reads::instance(past.trees.store, past.trees.generation, &of.saga)? else {
        return Ok(None);
    };
    let path = whole.path();
    let at = |at: &Millis| {
        let by_index = sums_until(&path, whole.started_at, *at);
        if !of.stretch.contains(at) {
            return Ok(Counted {
                by_index,
                truly: by_index,
            });
        }
        let then = Past {
            moment: Moment {
                as_of: Some(*at),
                known_at: None,
            },
            ..*past
        };
        let state = then.state_of_timeline(&of.saga, &whole)?;
        let truly = state.map_or_else(CensusRecord::default, |state| {
            sums_until(&state.path(), state.started_at, *at)
        });
        Ok(Counted { by_index, truly })
    };
    instants
        .iter()
        .map(at)
        .collect::<Result<_, QueryError>>()
        .map(Some)
}

#[cfg(test)]
mod tests;
