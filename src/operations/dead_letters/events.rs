//! Replaying events by their ids, as the service did that this one replaces: a dead letter is
//! redriven; an event that is in the log already has nothing to be replayed, because state is the
//! fold of the log.

use super::redrive::{AskError, MAX_LETTERS, RedriveOrder, RedriveResult, Redrives};
use super::search_log::ReplayError;
use super::view::{self, RedriveOutcome};
use super::{Change, DeadLetterHistory, DeadLetterId, Forecast, PredictedOutcome};
use crate::domain::Position;
use crate::store::dead_letters::DeadLetterState;
use crate::store::stoppable::Stop;
use crate::store::{Scan, StoreError, StoreRead, Table, keys};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long to wait until what was published is consumed.
const REDRIVE_TIMEOUT: Duration = Duration::from_secs(25);

/// Letters of one event that are looked at.
const MAX_PER_EVENT: usize = 1_000;

/// What became of an event that was to be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStatus {
    /// It stands in its saga's timeline, now or already; or it would.
    Success,
    /// It does not; the message says why.
    Failed,
    /// Neither a dead letter nor an event of the log has that id.
    NotFound,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayResult {
    /// Its id.
    pub event_id: String,
    /// Whether it stands in a timeline.
    pub status: ReplayStatus,
    /// What was found and done.
    pub message: String,
}

/// Who replays events, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOrder {
    /// The ids.
    pub event_ids: Vec<String>,
    /// The sagas that they are looked for in; when empty, in the whole log.
    pub saga_ids: Vec<String>,
    /// Only tell what it would do.
    pub dry_run: bool,
    /// Who.
    pub by: String,
    /// From where.
    pub origin: String,
}

fn result(event_id: &str, status: ReplayStatus, message: impl Into<String>) -> ReplayResult {
    ReplayResult {
        event_id: event_id.to_owned(),
        status,
        message: message.into(),
    }
}

impl Redrives {
    /// Replays events by their ids. Blocks, until what is published is consumed. Those that are no dead letters
    /// are looked for before anything is published, until `gone` says that nobody waits for the answer.
    ///
    /// # Errors
    /// [`ReplayError`]; but for the store's, nothing was published then.
    pub fn replay_events(
        &self,
        order: &ReplayOrder,
        gone: &CancellationToken,
    ) -> Result<Vec<ReplayResult>, ReplayError> {
        let store = self.store().clone();
        let mut letters: HashMap<&str, Vec<Position>> = HashMap::new();
        let mut open: Vec<Position> = Vec::new();
        let mut elsewhere: HashSet<&str> = HashSet::new();
        for id in order.event_ids.iter().map(String::as_str) {
            if letters.contains_key(id) || elsewhere.contains(id) {
                continue;
            }
            if gone.is_cancelled() {
                return Err(ReplayError::Gone);
            }
            let found = letters_of(&*store, id)?;
            if found.is_empty() {
                elsewhere.insert(id);
                continue;
            }
            for letter in &found {
                let listed = view::listed(&*store, *letter)?;
                if listed.is_some_and(|listed| listed.state == DeadLetterState::Open) {
                    open.push(*letter);
                }
            }
            letters.insert(id, found);
        }
        let (logged, not_looked_for) = match self.search(gone).find(&elsewhere, &order.saga_ids) {
            Ok(found) => (found, None),
            // Those that are dead letters are found without.
            Err(why @ (ReplayError::Busy | ReplayError::TooMuch { .. })) if !letters.is_empty() => {
                (HashMap::new(), Some(why.to_string()))
            }
            Err(error) => return Err(error),
        };
        let redriven = self.redrive_open(order, open)?;
        let results = order
            .event_ids
            .iter()
            .map(|id| match letters.get(id.as_str()) {
                Some(found) => self.told(id, found, &redriven),
                None => Ok(match logged.get(id.as_str()) {
                    Some((saga, at)) => result(
                        id,
                        ReplayStatus::Success,
                        format!("already applied to saga {saga}, from {at}; state is the fold of the log, so nothing is to be replayed"),
                    ),
                    None => match &not_looked_for {
                        Some(why) => result(id, ReplayStatus::Failed, why.as_str()),
                        None => result(
                            id,
                            ReplayStatus::NotFound,
                            "neither an event of the log nor a dead letter has this id",
                        ),
                    },
                }),
            })
            .collect::<Result<_, StoreError>>();
        Ok(results?)
    }

    fn redrive_open(
        &self,
        order: &ReplayOrder,
        mut open: Vec<Position>,
    ) -> Result<HashMap<Position, RedriveResult>, AskError> {
        if open.is_empty() {
            return Ok(HashMap::new());
        }
        open.truncate(MAX_LETTERS);
        let asked = self.ask(&RedriveOrder {
            letters: open,
            chosen_by: serde_json::json!({ "eventIds": order.event_ids }),
            change: Change::default(),
            per_second: None,
            dry_run: order.dry_run,
            by: order.by.clone(),
            origin: order.origin.clone(),
            why: Some("replay of events".to_owned()),
        })?;
        self.wait_for(asked.number, REDRIVE_TIMEOUT)?;
        let items = self.items(asked.number, None, usize::MAX, Stop::default())?;
        Ok(items.into_iter().map(|item| (item.letter, item.result)).collect())
    }

    /// What became of the letters of one event: the best of it.
    fn told(
        &self,
        id: &str,
        letters: &[Position],
        redriven: &HashMap<Position, RedriveResult>,
    ) -> Result<ReplayResult, StoreError> {
        let mut best: Option<ReplayResult> = None;
        for letter in letters {
            let told = match redriven.get(letter) {
                Some(became) => of_result(id, *letter, became),
                None => self.of_history(id, *letter)?,
            };
            if best
                .as_ref()
                .is_none_or(|best| best.status != ReplayStatus::Success)
            {
                best = Some(told);
            }
        }
        Ok(best.unwrap_or_else(|| result(id, ReplayStatus::NotFound, "no such dead letter")))
    }

    /// A letter to which something happened before.
    fn of_history(&self, id: &str, letter: Position) -> Result<ReplayResult, StoreError> {
        let snapshot = self.store().snapshot();
        let name = DeadLetterId(letter);
        let Some(listed) = view::listed(&*snapshot, letter)? else {
            let gone = format!("dead letter {name} was settled long ago and is no longer kept");
            return Ok(result(id, ReplayStatus::Failed, gone));
        };
        let history = view::history(&*snapshot, &listed)?;
        let last = history.into_iter().rev().find_map(|entry| match entry.what {
            DeadLetterHistory::Arrived => None,
            DeadLetterHistory::Discarded { by, why } => Some(result(
                id,
                ReplayStatus::Failed,
                format!("dead letter {name} was discarded by {by}: {why}"),
            )),
            DeadLetterHistory::Returned { at, became } => {
                let mut told = of_result(id, letter, &RedriveResult::Came(at, became));
                told.message = format!("redriven before: {}", told.message);
                Some(told)
            }
        });
        Ok(last.unwrap_or_else(|| {
            result(
                id,
                ReplayStatus::Failed,
                format!("dead letter {name} is still open"),
            )
        }))
    }
}

fn of_result(id: &str, letter: Position, became: &RedriveResult) -> ReplayResult {
    use ReplayStatus::{Failed, Success};
    let name = DeadLetterId(letter);
    let (status, message) = match became {
        RedriveResult::Waiting => (
            Failed,
            format!("dead letter {name} is not published yet; the redrive goes on by itself"),
        ),
        RedriveResult::Cancelled => (
            Failed,
            format!("dead letter {name} is still open: the redrive was cancelled before its turn"),
        ),
        RedriveResult::Sent(at) => (
            Failed,
            format!("dead letter {name} is published at {at} and not applied yet"),
        ),
        RedriveResult::Forgotten(at, why) => {
            (Failed, format!("dead letter {name} was published at {at}: {why}"))
        }
        RedriveResult::Skipped(why) | RedriveResult::Refused(why) => {
            (Failed, format!("dead letter {name}: {why}"))
        }
        RedriveResult::Came(at, became) => match became {
            RedriveOutcome::Applied(saga) => (
                Success,
                format!("dead letter {name} came back at {at} and is applied to saga {saga}"),
            ),
            RedriveOutcome::Duplicate { saga_id, .. } => (
                Success,
                format!("dead letter {name} came back at {at}; saga {saga_id} had the event already"),
            ),
            RedriveOutcome::DeadLetter { letter, reason } => (
                Failed,
                format!(
                    "dead letter {name} became dead letter {} again: {reason}",
                    DeadLetterId(*letter)
                ),
            ),
            RedriveOutcome::Waiting(saga) => (
                Failed,
                format!("dead letter {name} came back at {at} and is not applied to saga {saga} yet"),
            ),
            RedriveOutcome::Removed(saga) => (
                Success,
                format!("dead letter {name} came back at {at}; saga {saga} has been removed since"),
            ),
        },
        RedriveResult::Forecast(forecast) => of_forecast(letter, forecast),
    };
    result(id, status, message)
}

fn of_forecast(letter: Position, forecast: &Forecast) -> (ReplayStatus, String) {
    let name = DeadLetterId(letter);
    let saga = forecast.saga_id.as_deref().unwrap_or_default();
    let detail = forecast.detail.as_deref().unwrap_or_default();
    match forecast.outlook {
        PredictedOutcome::Applied => {
            let of = |standing: &Option<super::Standing>| {
                standing
                    .as_ref()
                    .map_or("unknown".to_owned(), |standing| standing.status.clone())
            };
            let (before, after) = (of(&forecast.before), of(&forecast.after));
            (
                ReplayStatus::Success,
                format!("dead letter {name} would be applied to saga {saga}: {before} to {after}"),
            )
        }
        PredictedOutcome::Duplicate | PredictedOutcome::Conflict => (
            ReplayStatus::Success,
            format!("saga {saga} has the event of dead letter {name} already"),
        ),
        PredictedOutcome::AlreadyRedriven => (ReplayStatus::Success, format!("dead letter {name}: {detail}")),
        PredictedOutcome::Undecodable
        | PredictedOutcome::Reserved
        | PredictedOutcome::Discarded
        | PredictedOutcome::Unknown => (ReplayStatus::Failed, format!("dead letter {name}: {detail}")),
    }
}

/// The letters whose event has that id.
fn letters_of(store: &dyn StoreRead, id: &str) -> Result<Vec<Position>, StoreError> {
    let mut found = Vec::new();
    if id.is_empty() {
        return Ok(found);
    }
    Scan::of(Table::LettersByEvent, id.as_bytes())
        .limit(MAX_PER_EVENT)
        .each(store, |sort, _| {
            found.push(keys::parse_position(sort)?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(found)
}
