//! The few numbers that say how things stand, of all sagas or of one type, from one snapshot: cheap however many sagas
//! there are.

use super::past_state::Past;
use super::standings::Standings;
use super::stuck_sagas::stuck_counts;
use super::{Filter, Ledger, LedgerRequest, QueryError, by_time, ledger};
use crate::domain::{HOUR_MILLIS, Millis, SagaStatus, SagaType};
use crate::store::dead_letters;
use std::collections::BTreeMap;

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Sagas by status; all five are there.
    pub by_status: BTreeMap<SagaStatus, u64>,
    /// How often sagas entered FAILED within the last hour; `None` when the past is not kept, or too many sagas change
    /// their status too often to tell.
    pub failed_last_hour: Option<u64>,
    /// Sagas that are stuck.
    pub stuck: u64,
    /// Dead letters to which nothing happened yet, of all types.
    pub open_letters: u64,
    /// What every offset came to; `None` when that is not kept.
    pub ledger: Option<Ledger>,
}

impl Figures {
    /// All sagas.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }
}

/// The instants at which the standings must be known: an hour before now, and now.
pub(super) fn last_hour(now: Millis) -> [Millis; 2] {
    [Millis(now.0.saturating_sub(HOUR_MILLIS)), now]
}

/// The figures of a type, or of all, at an instant of the clock that is given.
pub(super) fn figures(
    past: &Past<'_>,
    topic: &str,
    (saga_type, now): (Option<&SagaType>, Millis),
    standings: Option<&Standings>,
) -> Result<Figures, QueryError> {
    let trees = past.trees;
    let mut by_status = BTreeMap::new();
    for status in SagaStatus::ALL {
        let filter = Filter {
            saga_type: saga_type.cloned(),
            status: Some(status),
            ..Filter::default()
        };
        by_status.insert(status, by_time::total(trees, &filter)?);
    }
    let stuck = stuck_counts(trees, past.definitions, now)?;
    let is_wanted = |name: &str| saga_type.is_none_or(|wanted| wanted.as_str() == name);
    let stuck = stuck.iter().filter(|(name, _)| is_wanted(name));
    let letters = dead_letters::counts(trees.store)?;
    Ok(Figures {
        by_status,
        failed_last_hour: standings.and_then(|known| {
            let [before, now] = last_hour(now);
            Some(known.between(before, now)?.entered(SagaStatus::Failed))
        }),
        stuck: stuck
            .map(|(_, of)| of.past_deadline + of.compensation_overdue)
            .sum(),
        open_letters: letters.values().map(|of| of.open).sum(),
        ledger: match ledger::of(trees, topic, &LedgerRequest::default()) {
            Ok(ledger) => Some(ledger),
            Err(QueryError::SwitchedOff { .. }) => None,
            Err(error) => return Err(error),
        },
    })
}
