//! Sagas of which the index cannot tell what they were at a moment: what it says of them is taken back, and what the
//! log says is put in its place. Each is folded up to there.
//!
//! There are two kinds. Of a saga whose status changed too often to keep all of its changes, the index knows
//! the first ones and the last. And of what was known at an instant the index knows nothing: but only sagas of
//! deliveries that were under way then, or of events that were contradicted since, can have been known otherwise
//! ([`super::under_way`]).
//!
//! Both are bounded, and so are the events that are folded; beyond a bound a question is refused.

use super::QueryError;
use super::many_changes::in_log_at;
use super::past_state::Past;
use super::under_way::known_otherwise;
use crate::domain::{Millis, SagaId, SagaStatus, SagaType, StatusPath};
use crate::store::records::CensusRecord;
use crate::store::{KeptTables, ProjectionTable, StoreError, reads};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many sagas with too many changes are folded for one question.
pub(super) const MAX_FOLDED: usize = if cfg!(test) { 20 } else { 500 };

/// Events that are folded for one question, at most, where it needs all of a saga.
const MAX_EVENTS: u64 = if cfg!(test) { 3_000 } else { 1_000_000 };

/// What a saga adds to a census.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) saga_type: SagaType,
    pub(super) started_at: Millis,
    sums: CensusRecord,
}

/// A saga of which the index does not tell what it was.
#[derive(Clone, Debug)]
pub(super) struct Corrected {
    /// What the grid counts of it, to be taken back.
    counted: Option<Share>,
    /// What it was, if it had begun.
    was: Option<(Share, SagaStatus)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Corrections(BTreeMap<SagaId, Corrected>);

impl Share {
    fn of(saga_type: &SagaType, started_at: Millis, path: &StatusPath, until: Millis) -> Option<Self> {
        let sums = sums_until(path, started_at, until);
        (sums != CensusRecord::default()).then(|| Self {
            saga_type: saga_type.clone(),
            started_at,
            sums,
        })
    }
}

/// What a saga adds to a census up to an instant.
pub(super) fn sums_until(path: &StatusPath, started_at: Millis, until: Millis) -> CensusRecord {
    let mut sums = CensusRecord::default();
    for step in path.moves().take_while(|step| step.at <= until) {
        sums.add_move(&step, started_at, 1);
    }
    sums
}

impl Corrections {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the saga is one of them.
    pub(super) fn has(&self, saga: &SagaId) -> bool {
        self.0.contains_key(saga)
    }

    /// What a saga was, if it is one of them; `None` inside when it had not begun.
    fn was(&self, saga: &SagaId) -> Option<Option<&Share>> {
        let corrected = self.0.get(saga)?;
        Some(corrected.was.as_ref().map(|(share, _)| share))
    }

    /// Their ids.
    pub(super) fn sagas(&self) -> impl Iterator<Item = &SagaId> {
        self.0.keys()
    }

    /// Those that had begun: id, type, start and status.
    pub(super) fn begun(&self) -> impl Iterator<Item = (&SagaId, &Share, SagaStatus)> {
        self.0.iter().filter_map(|(saga, corrected)| {
            let (share, status) = corrected.was.as_ref()?;
            Some((saga, share, *status))
        })
    }

    /// What has to be added to the grid: start, type, sums.
    pub(super) fn sums(&self) -> impl Iterator<Item = (Millis, &str, CensusRecord)> {
        let of = |share: &Share, sign: i64| {
            let mut sums = CensusRecord::default();
            sums.add_times(&share.sums, sign);
            sums
        };
        self.0.values().flat_map(move |saga| {
            let counted = saga.counted.as_ref().map(|share| (share, of(share, -1)));
            let was = saga.was.as_ref().map(|(share, _)| (share, of(share, 1)));
            let both = counted.into_iter().chain(was);
            both.map(|(share, sums)| (share.started_at, share.saga_type.as_str(), sums))
        })
    }

    /// Those at a moment.
    pub(super) fn at(past: &Past<'_>) -> Result<Self, QueryError> {
        past.must_be_kept()?;
        let mut sagas = past.with_many_changes()?;
        if let Some(known_at) = past.moment.known_at {
            sagas.extend(known_otherwise(past, known_at)?);
        }
        let (mut all, mut left) = (BTreeMap::new(), MAX_EVENTS);
        for saga in sagas {
            if let Some(corrected) = past.corrected(&saga, &mut left)? {
                all.insert(saga, corrected);
            }
        }
        Ok(Self(all))
    }
}

/// What single sagas count less at a moment than at one before: start, type, and by how much, of what they entered and
/// left. Of a saga with very many changes the first ones and the last count, so that there can be fewer of them at the
/// later moment; nothing was taken back for that.
pub(super) fn fallen(
    (before, of_before): (&Past<'_>, &Corrections),
    (now, of_now): (&Past<'_>, &Corrections),
    mut visit: impl FnMut(&Share, &CensusRecord),
) -> Result<(), StoreError> {
    let sagas: BTreeSet<&SagaId> = of_before.sagas().chain(of_now.sagas()).collect();
    for saga in sagas {
        let Some(first) = before.share(of_before, saga)? else {
            continue;
        };
        let second = now.share(of_now, saga)?;
        let sums = second
            .as_ref()
            .map_or_else(CensusRecord::default, |share| share.sums);
        let by = |first: [i64; 5], second: [i64; 5]| {
            let mut by = first;
            by.iter_mut()
                .zip(second)
                .for_each(|(by, second)| *by = (*by - second).max(0));
            by
        };
        let by = CensusRecord {
            entered: by(first.sums.entered, sums.entered),
            left: by(first.sums.left, sums.left),
            ..CensusRecord::default()
        };
        if by != CensusRecord::default() {
            visit(second.as_ref().unwrap_or(&first), &by);
        }
    }
    Ok(())
}

impl Past<'_> {
    /// What a saga adds to the census of the moment; `None` when it had not begun.
    fn share(&self, corrections: &Corrections, saga: &SagaId) -> Result<Option<Share>, StoreError> {
        if let Some(was) = corrections.was(saga) {
            return Ok(was.cloned());
        }
        let whole = reads::instance(self.trees.store, self.trees.generation, saga)?;
        Ok(whole.and_then(|whole| Share::of(&whole.saga_type, whole.started_at, &whole.path(), self.base())))
    }

    /// Refuses a question about all sagas at a moment where nothing is kept for that.
    pub(super) fn must_be_kept(&self) -> Result<(), QueryError> {
        if self.is_kept()? {
            Ok(())
        } else {
            Err(QueryError::SwitchedOff { option: "past" })
        }
    }

    /// Whether it is kept how all sagas stood at any moment.
    pub(super) fn is_kept(&self) -> Result<bool, QueryError> {
        let kept = KeptTables::of(self.trees.store, self.trees.generation)?;
        Ok(kept.has(ProjectionTable::Moves) && kept.has(ProjectionTable::Census))
    }

    /// The sagas whose status the index does not know at the instant.
    fn with_many_changes(&self) -> Result<BTreeSet<SagaId>, QueryError> {
        let found = in_log_at(self.trees, &[self.base()], MAX_FOLDED)?;
        let found = found.ok_or(QueryError::TooManyChanges { limit: MAX_FOLDED })?;
        Ok(found.into_iter().map(|of| of.saga).collect())
    }

    /// What a saga was; `left` is how many events may still be folded.
    fn corrected(&self, saga: &SagaId, left: &mut u64) -> Result<Option<Corrected>, QueryError> {
        let store = self.trees.store;
        let Some(whole) = reads::instance(store, self.trees.generation, saga)? else {
            return Ok(None);
        };
        if self.moment.known_at.is_some() {
            let deliveries = u64::from(whole.step_count) + u64::from(whole.duplicates);
            let too_much = QueryError::TooMuchToFold { limit: MAX_EVENTS };
            *left = left.checked_sub(deliveries).ok_or(too_much)?;
        }
        let until = self.until();
        let counted = Share::of(&whole.saga_type, whole.started_at, &whole.path(), self.base());
        let was = self.state_of_timeline(saga, &whole)?.and_then(|state| {
            let share = Share::of(&state.saga_type, state.started_at, &state.path(), until)?;
            Some((share, state.status))
        });
        Ok(Some(Corrected { counted, was }))
    }
}
