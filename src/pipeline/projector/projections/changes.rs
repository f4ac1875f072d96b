//! What a window changes: rows to write, sums to change. What the change of one saga's state means for a
//! projection is not decided here, but in its own file.

use super::{Cell, Change, Footprint, Leaves, PROJECTIONS, PurgedMoves, Rebuilt, Total};
use crate::domain::{Millis, SagaDefinitions, SagaId, SagaState, SagaType, Step};
use crate::store::ledger::OffsetSums;
use crate::store::records::CountRecord;
use crate::store::{Batch, Generation, KeptTables, Key, ProjectionTable, Table};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Saga types, and the names of measured pairs of steps, by number, so that cells are small. Grows only.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeNames {
    names: Vec<SagaType>,
    numbers: HashMap<SagaType, u32>,
}

impl TypeNames {
    pub(super) fn number(&mut self, name: &SagaType) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, number: u32) -> &SagaType {
        &self.names[number as usize]
    }
}

/// A generation of projections, and which of their tables it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline::projector) struct Target {
    pub(in crate::pipeline::projector) generation: Generation,
    pub(in crate::pipeline::projector) kept: KeptTables,
}

impl Target {
    /// A generation with all tables.
    pub(in crate::pipeline::projector) fn whole(generation: Generation) -> Self {
        let kept = KeptTables::ALL;
        Self { generation, kept }
    }
}

/// Which projections changes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline::projector) enum Scope {
    /// All.
    All,
    /// Those that a rebuild makes as it folds sagas.
    WithSagas,
}

/// The changes of one window (or of a share of it), for one generation of projections.
#[derive(Debug)]
pub(in crate::pipeline::projector) struct Changes {
    target: Target,
    scope: Scope,
    key: Key,
    pub(in crate::pipeline::projector) rows: Batch,
    pub(super) types: TypeNames,
    pub(super) counts: HashMap<Cell, CountRecord, FixedState>,
    pub(super) census: Leaves,
    /// The same of sagas that are purged.
    pub(super) purged: PurgedMoves,
    pub(super) totals: HashMap<Total, i64, FixedState>,
    /// What logged offsets came to.
    pub(super) offsets: OffsetSums,
    /// Events that came into timelines, by step and by number of status.
    pub(super) processed: HashMap<Step, [i64; 5], FixedState>,
    pub(super) last_failed_at: Option<Millis>,
}

impl Changes {
    pub(in crate::pipeline::projector) fn new(target: Target, scope: Scope) -> Self {
        Self::with_rows(target, scope, Batch::new())
    }

    /// The same, in the memory of an empty batch.
    pub(in crate::pipeline::projector) fn with_rows(target: Target, scope: Scope, rows: Batch) -> Self {
        Self {
            target,
            scope,
            key: Key::default(),
            rows,
            types: TypeNames::default(),
            counts: HashMap::default(),
            census: Leaves::default(),
            purged: PurgedMoves::default(),
            totals: HashMap::default(),
            offsets: OffsetSums::default(),
            processed: HashMap::default(),
            last_failed_at: None,
        }
    }

    /// Cells whose sums change, about.
    pub(in crate::pipeline::projector) fn cells(&self) -> usize {
        self.counts.len() + self.census.len() * 8
    }

    /// The generation that these are changes of.
    pub(in crate::pipeline::projector) fn generation(&self) -> Generation {
        self.target.generation
    }

    /// Whether the generation has a table.
    pub(in crate::pipeline::projector) fn keeps(&self, table: ProjectionTable) -> bool {
        self.target.kept.has(table)
    }

    /// Records that a saga's state is `new`, folded under these definitions, where it was `old`.
    pub(in crate::pipeline::projector) fn replace(
        &mut self,
        saga: &SagaId,
        old: Option<&Footprint>,
        (new, definitions): (&SagaState, &SagaDefinitions),
    ) {
        self.change(&Change {
            saga,
            before: old,
            after: Some((&Footprint::of(new, definitions), new)),
        });
    }

    /// Records that nothing of a saga stands any more, where its state was `old`.
    pub(in crate::pipeline::projector) fn remove(&mut self, saga: &SagaId, old: &Footprint) {
        self.change(&Change {
            saga,
            before: Some(old),
            after: None,
        });
    }

    fn change(&mut self, change: &Change<'_>) {
        for projection in PROJECTIONS {
            let in_scope = self.scope == Scope::All || matches!(projection.rebuilt, Rebuilt::WithSagas);
            if in_scope && projection.is_kept(self.target.kept) {
                (projection.change)(self, change);
            }
        }
    }

    /// Sets a row of a projection.
    pub(super) fn put(
        &mut self,
        table: ProjectionTable,
        key: impl FnOnce(&mut Key),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        key(&mut self.key);
        let table = Table::Projection(self.target.generation, table);
        self.rows.put_with(table, &self.key, value);
    }

    /// Removes a row of a projection.
    pub(super) fn delete(&mut self, table: ProjectionTable, key: impl FnOnce(&mut Key)) {
        key(&mut self.key);
        self.rows
            .delete(Table::Projection(self.target.generation, table), &self.key);
    }

    /// Moves a saga's only row in a table, unless it is the same before and after.
    pub(super) fn move_row(
        &mut self,
        (table, change): (ProjectionTable, &Change<'_>),
        is_same: impl Fn(&Footprint, &Footprint) -> bool,
        key: impl Fn(&mut Key, &Footprint),
        value: impl Fn(&mut Vec<u8>, &Footprint),
    ) {
        let after = change.after.map(|(footprint, _)| footprint);
        if let (Some(before), Some(after)) = (change.before, after)
            && is_same(before, after)
        {
            return;
        }
        if let Some(before) = change.before {
            self.delete(table, |to| key(to, before));
        }
        if let Some(after) = after {
            self.put(table, |to| key(to, after), |bytes| value(bytes, after));
        }
    }

    /// Takes over the changes of another share of the same window.
    pub(in crate::pipeline::projector) fn absorb(&mut self, mut other: Changes) {
        self.rows.append(&other.rows);
        self.absorb_cells(&mut other);
        self.absorb_moves(&mut other);
        self.absorb_totals(&mut other);
        self.offsets.absorb(&mut other.offsets);
    }
}
