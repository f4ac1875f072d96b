//! What metrics tell of the rules of definitions: how many sagas break which, how many are late, and how many failed
//! with nothing to compensate.

use super::QueryError;
use super::broken_rules::{BrokenCounts, counts, nothing_to_compensate, streams};
use super::stuck_sagas::{StuckCounts, stuck_counts};
use super::trees::{Span, Trees};
use crate::domain::InForce;
use crate::domain::Millis;
use crate::store::{Store, carried, keys, reads, totals as names};
use std::collections::BTreeMap;

/// What metrics tell of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// Sagas that break a rule now.
    pub broken: BrokenCounts,
    /// Times that a compensating step reported FAILED, by type; purged sagas stay in it.
    pub failed_compensations: BTreeMap<String, u64>,
    /// Sagas that are stuck now, by type: every type with a definition.
    pub stuck: BTreeMap<String, StuckCounts>,
    /// Sagas that failed with nothing to compensate, by type: only types of which there are any.
    pub nothing_to_compensate: BTreeMap<String, u64>,
}

pub(super) fn rule_counts(
    store: &dyn Store,
    in_force: &InForce,
    now: Millis,
) -> Result<RuleCounts, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let definitions = reads::definitions_of(&*snapshot, generation, in_force)?;
    let mut failed_compensations = BTreeMap::new();
    carried::counters_of(
        &*snapshot,
        generation,
        names::FAILED_COMPENSATIONS,
        |name, times| {
            let name = keys::parse_text("totals", name)?.to_owned();
            failed_compensations.insert(name, u64::try_from(times).unwrap_or(0));
            Ok(())
        },
    )?;
    Ok(RuleCounts {
        broken: counts(trees, &streams(None, None), Span::ALL)?,
        failed_compensations,
        stuck: stuck_counts(trees, &definitions, now)?,
        nothing_to_compensate: nothing_to_compensate(trees, None)?,
    })
}
