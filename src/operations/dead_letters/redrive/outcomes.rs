//! What the letters of a redrive came to, or would come to, counted. Whoever asks again has it counted on from where it
//! was, so a redrive of any size is counted with a bounded number of reads for each question.

use super::super::forecast::{Forecast, PredictedOutcome};
use super::super::view::RedriveOutcome;
use super::jobs::{self, RedriveStatus};
use super::result::{self, RedriveItem, RedriveResult};
use crate::domain::Position;
use crate::store::{SharedStore, StoreError, StoreRead};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Letters that are looked at for one question, at most.
const MAX_LOOKED_AT: usize = if cfg!(test) { 4 } else { 10_000 };
/// Redrives of which the count is kept, those that were asked for last.
const MAX_COUNTS: usize = 16;

/// From which status to which a letter would turn its saga; from `None` where it would begin it.
pub type ForecastTurn = (Option<String>, String);

/// What the letters of a redrive came to: each letter that was published is of one class, or open. Of a dry run, what
/// they would come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveOutcomes {
    /// Letters that stand in their sagas' timelines.
    pub applied: u64,
    /// Letters with whose ids an event stood there already.
    pub duplicates: u64,
    /// Those of which that had another body.
    pub conflicts: u64,
    /// Letters that became dead letters again.
    pub dead_letters: u64,
    /// Letters whose sagas have been removed since.
    pub removed: u64,
    /// Letters of which it is not known any more, because they, or their sagas, are no longer kept.
    pub forgotten: u64,
    /// Letters of which it is not known, or not counted yet.
    pub open: u64,
    /// What was foretold of letters, by its name in answers.
    pub forecasts: BTreeMap<&'static str, u64>,
    /// How letters that would be applied would turn their sagas.
    pub turns: BTreeMap<ForecastTurn, u64>,
}

/// How far redrives are counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kept: Mutex<VecDeque<Count>>,
}

/// How far one is.
#[derive(Debug, Default)]
struct Count {
    number: u64,
    /// All up to that letter were looked at.
    after: Option<Position>,
    /// Those of them of which it was not known yet.
    pending: VecDeque<Position>,
    outcomes: RedriveOutcomes,
    /// Letters of which it is known.
    known: u64,
}

impl Counts {
    /// How far that redrive is, and what its letters came to, at one moment.
    pub(super) fn of(
        &self,
        store: &SharedStore,
        number: u64,
    ) -> Result<Option<(RedriveStatus, RedriveOutcomes)>, StoreError> {
        // A count that was left in between is whole: it changes letter by letter.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Later than all that was counted.
        let snapshot = store.snapshot();
        let Some(status) = jobs::status(&*snapshot, number)? else {
            return Ok(None);
        };
        let place = kept.iter().position(|count| count.number == number);
        let known = place.and_then(|place| kept.remove(place));
        let mut count = known.unwrap_or_else(|| Count {
            number,
            ..Count::default()
        });
        let counted = count.go_on(&*snapshot);
        let outcomes = RedriveOutcomes {
            open: status.chosen.saturating_sub(count.known),
            ..count.outcomes.clone()
        };
        kept.push_back(count);
        if kept.len() > MAX_COUNTS {
            kept.pop_front();
        }
        counted.map(|()| Some((status, outcomes)))
    }
}

impl Count {
    /// Looks at those again of which it was not known, and at further ones.
    fn go_on(&mut self, store: &dyn StoreRead) -> Result<(), StoreError> {
        let again: Vec<Position> = self.pending.iter().copied().take(MAX_LOOKED_AT).collect();
        let left = MAX_LOOKED_AT - again.len();
        let looked_at = again.len();
        for item in result::of_letters(store, self.number, again)? {
            if !self.add(&item) {
                self.pending.push_back(item.letter);
            }
        }
        self.pending.drain(..looked_at);
        if left == 0 {
            return Ok(());
        }
        for item in result::items(store, self.number, self.after, left)? {
            // Letters have their turn in order: behind one that waits all do.
            if item.result == RedriveResult::Waiting {
                return Ok(());
            }
            self.after = Some(item.letter);
            if !self.add(&item) {
                self.pending.push_back(item.letter);
            }
        }
        Ok(())
    }

    /// Counts a letter if it is known what became of it.
    fn add(&mut self, item: &RedriveItem) -> bool {
        let outcomes = &mut self.outcomes;
        match &item.result {
            RedriveResult::Waiting
            | RedriveResult::Sent(_)
            | RedriveResult::Came(_, RedriveOutcome::Waiting(_)) => return false,
            RedriveResult::Came(_, RedriveOutcome::Applied(_)) => outcomes.applied += 1,
            RedriveResult::Came(_, RedriveOutcome::Duplicate { conflicting, .. }) => {
                outcomes.duplicates += 1;
                outcomes.conflicts += u64::from(*conflicting);
            }
            RedriveResult::Came(_, RedriveOutcome::DeadLetter { .. }) => outcomes.dead_letters += 1,
            RedriveResult::Came(_, RedriveOutcome::Removed(_)) => outcomes.removed += 1,
            RedriveResult::Forgotten(..) => outcomes.forgotten += 1,
            RedriveResult::Forecast(forecast) => outcomes.foretell(forecast),
            RedriveResult::Cancelled | RedriveResult::Skipped(_) | RedriveResult::Refused(_) => {}
        }
        self.known += 1;
        true
    }
}

impl RedriveOutcomes {
    fn foretell(&mut self, forecast: &Forecast) {
        *self.forecasts.entry(forecast.outlook.as_str()).or_default() += 1;
        if let (PredictedOutcome::Applied, Some(after)) = (forecast.outlook, &forecast.after) {
            let before = forecast.before.as_ref().map(|before| before.status.clone());
            *self.turns.entry((before, after.status.clone())).or_default() += 1;
        }
    }
}
