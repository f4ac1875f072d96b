//! The few numbers that say how things stand, of all sagas or of one type, from one snapshot: cheap however many sagas
//! there are.

use super::past_state::Past;
use super::stuck_sagas::stuck_counts;
use super::trees::Span;
use super::{Filter, Ledger, LedgerRequest, Moment, QueryError, by_time, ledger, past};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::store::dead_letters;
use crate::store::records::CensusRecord;
use std::collections::BTreeMap;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Sagas by status; all five are there.
    pub by_status: BTreeMap<SagaStatus, u64>,
    /// How often sagas entered FAILED within the last hour; `None` when the past is not kept.
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

/// The figures of a type, or of all, at an instant of the clock that is given.
pub(super) fn figures(
    past: &Past<'_>,
    topic: &str,
    saga_type: Option<&SagaType>,
    now: Millis,
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
        failed_last_hour: failed_last_hour(past, saga_type, now)?,
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

fn failed_last_hour(
    past: &Past<'_>,
    saga_type: Option<&SagaType>,
    now: Millis,
) -> Result<Option<u64>, QueryError> {
    if !past.is_kept()? {
        return Ok(None);
    }
    let failed = usize::from(SagaStatus::Failed.tag());
    let before = standing(past, saga_type, Millis(now.0.saturating_sub(HOUR_MILLIS)))?;
    let after = standing(past, saga_type, now)?;
    Ok(u64::try_from(after.entered[failed] - before.entered[failed]).ok())
}

/// How often each status was entered and left by an instant.
pub(super) fn standing(
    past: &Past<'_>,
    saga_type: Option<&SagaType>,
    at: Millis,
) -> Result<CensusRecord, QueryError> {
    let then = Past {
        moment: Moment {
            as_of: Some(at),
            known_at: None,
        },
        ..*past
    };
    let mut all = CensusRecord::default();
    past::grid(&then)?.sums(saga_type, Span::ALL, &mut |_, sums| all.add(sums))?;
    Ok(all)
}
