//! The projections: each is one entry here, and one file that says which rows it has and which sums.
//!
//! A new one is a file with its entry, a line in [`PROJECTIONS`] and its tables in `store::table`. Windows,
//! purges, restores, rebuilds and `verify` go over the entries. All of a generation share one cursor: a
//! window's changes to all projections are one write. How a saga's state is folded is not decided here
//! (`arrivals`, `refold`).

mod by_order;
mod by_rule;
mod by_started;
mod by_trace;
mod by_updated;
mod census;
mod changes;
mod counters;
mod counts;
mod ledger;
mod moves;
mod states;
mod totals;

use census::{Cells, Leaves, PurgedMoves};
pub(super) use changes::{Changes, Scope, Target};
pub(super) use counters::Counters;
use counts::Cell;
#[cfg(test)]
pub(super) use totals::REMEMBERED_TOTALS;
pub(super) use totals::Total;

use super::settings::ProjectorSettings;
use crate::domain::{
    AnomalyKind, CompensationTimes, Millis, OrderId, SagaDefinitions, SagaId, SagaState, SagaStatus,
    SagaType, StatusPath, TraceIds,
};
use crate::store::keys::Condition;
use crate::store::{Batch, KeptTables, ProjectionTable, StoreError, StoreRead};

/// Every projection there is.
pub static PROJECTIONS: [&Projection; 11] = [
    &states::PROJECTION,
    &by_order::PROJECTION,
    &by_trace::PROJECTION,
    &by_started::PROJECTION,
    &by_updated::PROJECTION,
    &by_rule::PROJECTION,
    &counts::PROJECTION,
    &moves::PROJECTION,
    &census::PROJECTION,
    &ledger::PROJECTION,
    &totals::PROJECTION,
];

/// What a projection is, beside the code in its file.
pub struct Projection {
    /// What it is called.
    pub name: &'static str,
    /// The tables that it alone writes to. Where nothing is wrong, their rows are those of a rebuild.
    pub tables: &'static [ProjectionTable],
    /// Whether it is switched on; what others are made of always is.
    pub(super) is_on: IsOn,
    /// Adds what the change of one saga means for it.
    pub(super) change: fn(&mut Changes, &Change<'_>),
    /// Moves what changed of its sums over all sagas into a write, as new values.
    pub(super) sums: Option<MoveSums>,
    /// How a rebuild makes it.
    pub(super) rebuilt: Rebuilt,
}

type IsOn = fn(&ProjectorSettings) -> bool;
type MoveSums = fn(&mut Counters, &dyn StoreRead, &mut Changes, &mut Batch) -> Result<(), StoreError>;

impl Projection {
    /// Whether a generation that has these tables has it.
    pub fn is_kept(&self, kept: KeptTables) -> bool {
        self.tables.iter().all(|table| kept.has(*table))
    }
}

/// The tables of all projections that are switched on.
pub(super) fn kept(settings: &ProjectorSettings) -> KeptTables {
    let off = PROJECTIONS
        .iter()
        .filter(|projection| !(projection.is_on)(settings));
    let tables = off.flat_map(|projection| projection.tables);
    tables.fold(KeptTables::ALL, |kept, table| kept.without(*table))
}

/// How a rebuild makes a projection.
#[derive(Clone, Copy)]
pub(super) enum Rebuilt {
    /// As each saga is folded.
    WithSagas,
    /// Afterwards, of the rows of tables, in their order: partition key, sort key and value.
    FromRows(&'static [(ProjectionTable, AddRow)]),
}

pub(super) type AddRow = fn(&mut Changes, &[u8], &[u8], &[u8]) -> Result<(), StoreError>;

/// What became of one saga.
pub(super) struct Change<'c> {
    pub(super) saga: &'c SagaId,
    /// What stood of it before, if anything did.
    pub(super) before: Option<&'c Footprint>,
    /// What stands of it now, if anything does.
    pub(super) after: Option<(&'c Footprint, &'c SagaState)>,
}

impl<'c> Change<'c> {
    /// Whether the saga breaks the same rules, and did so at the same times, as before, and is alike as to whether
    /// it has nothing to compensate.
    fn is_judged_the_same(&self) -> bool {
        let judged = |of: Option<&'c Footprint>| of.filter(|footprint| !footprint.judged.is_empty());
        match (
            judged(self.before),
            judged(self.after.map(|(footprint, _)| footprint)),
        ) {
            (None, None) => true,
            (Some(before), Some(after)) => {
                (&before.saga_type, &before.judged) == (&after.saga_type, &after.judged)
            }
            _ => false,
        }
    }

    /// What goes and what comes, with its sign.
    fn signed(&self) -> impl Iterator<Item = (&'c Footprint, i64)> + use<'c> {
        let before = self.before.map(|footprint| (footprint, -1));
        let after = self.after.map(|(footprint, _)| (footprint, 1));
        before.into_iter().chain(after)
    }
}

/// The part of a state that indexes and sums are made of.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    saga_type: SagaType,
    order_id: OrderId,
    trace_ids: TraceIds,
    status: SagaStatus,
    path: StatusPath,
    started_at: Millis,
    updated_at: Millis,
    failures: u32,
    compensations: u32,
    compensation_times: CompensationTimes,
    duplicates: u32,
    conflicts: u32,
    anomalies: Vec<AnomalyKind>,
    /// Milliseconds between the pairs of steps that are measured.
    edges: Vec<(Box<str>, u64)>,
    /// What its definition says of it that has rows.
    judged: Vec<(Condition, Millis)>,
    failed_compensations: u32,
}

impl Footprint {
    /// Of a state that was folded under these.
    pub(super) fn of(state: &SagaState, definitions: &SagaDefinitions) -> Self {
        Self {
            saga_type: state.saga_type.clone(),
            order_id: state.order_id.clone(),
            trace_ids: state.trace_ids.clone(),
            status: state.status,
            path: state.path(),
            started_at: state.started_at,
            updated_at: state.updated_at,
            failures: state.failures,
            compensations: state.compensations,
            compensation_times: state.compensation_times.clone(),
            duplicates: state.duplicates,
            conflicts: state.conflicts.total,
            anomalies: state.anomalies.kept.iter().map(|anomaly| anomaly.kind).collect(),
            edges: definitions.edge_times(state),
            judged: judged(state, definitions),
            failed_compensations: definitions.failed_compensations(state),
        }
    }

    /// How many of a saga's first moves are the same in `after`, and so are all that rows say of them.
    fn common_moves(&self, after: &Self) -> usize {
        if (self.started_at, &self.saga_type) != (after.started_at, &after.saga_type) {
            return 0;
        }
        let both = self.path.moves().zip(after.path.moves());
        both.take_while(|(old, new)| old == new).count()
    }
}

/// The rules that a saga breaks, each with the last time that it did; that it failed with nothing to compensate, with
/// its start, by which such sagas are counted like all that failed.
fn judged(state: &SagaState, definitions: &SagaDefinitions) -> Vec<(Condition, Millis)> {
    let broken = definitions.broken_rules(state).into_iter();
    let mut judged: Vec<(Condition, Millis)> = broken.map(|(rule, at)| (rule.into(), at)).collect();
    if definitions.nothing_to_compensate(state) {
        judged.push((Condition::NothingToCompensate, state.started_at));
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_projection_table_is_of_one_projection() {
        let tables = PROJECTIONS.iter().flat_map(|projection| projection.tables);
        let tables: Vec<ProjectionTable> = tables.copied().collect();
        let distinct: BTreeSet<ProjectionTable> = tables.iter().copied().collect();
        assert_eq!(tables.len(), distinct.len());
        assert_eq!(distinct, ProjectionTable::ALL.into_iter().collect());
    }

    #[test]
    fn no_two_projections_have_one_name() {
        let names: BTreeSet<&str> = PROJECTIONS.iter().map(|projection| projection.name).collect();
        assert_eq!(names.len(), PROJECTIONS.len());
    }
}
