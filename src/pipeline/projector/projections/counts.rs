//! How many sagas of each type each stretch of time holds, in trees of cells (`store::cells`): of each status by
//! start and by last event, of each rule that they break by when they last did, of those with nothing to compensate by
//! start.
//!
//! A rebuild counts once all sagas are folded: in the index by last event neighbours in time are neighbours on
//! disk, saga by saga the cells would be touched at random.

use super::changes::{Changes, TypeNames};
use super::counters::Counters;
use super::{Change, Projection, Rebuilt};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::store::codec::Record;
use crate::store::keys::{Condition, Tree};
use crate::store::records::{CountRecord, UpdatedRecord};
use crate::store::{Batch, Key, ProjectionTable, StoreError, StoreRead, Table, cells, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "counts",
    tables: &[ProjectionTable::Counts],
    is_on: |_| true,
    change,
    sums: Some(move_cells),
    rebuilt: Rebuilt::FromRows(&[
        (ProjectionTable::ByUpdated, count_row),
        (ProjectionTable::ByRule, count_judged_row),
    ]),
};

/// Beyond so many remembered cells all are forgotten; they are read again when they change.
const REMEMBERED_CELLS: usize = 100_000;

/// A cell of a count tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::pipeline::projector) struct Cell {
    tree: Tree,
    /// Index into [`TypeNames`].
    saga_type: u32,
    condition: Condition,
    level: u8,
    cell: i64,
    started_cell: Option<i64>,
}

fn change(changes: &mut Changes, change: &Change<'_>) {
    for (footprint, sign) in change.signed() {
        let saga_type = changes.types.number(&footprint.saga_type);
        let span = (footprint.started_at, footprint.updated_at);
        changes.count(saga_type, footprint.status, span, sign);
    }
    if change.is_judged_the_same() {
        return;
    }
    for (footprint, sign) in change.signed() {
        let saga_type = changes.types.number(&footprint.saga_type);
        for (condition, at) in &footprint.judged {
            changes.count_judged(saga_type, *condition, *at, sign);
        }
    }
}

/// Counts a saga of the index by last event.
fn count_row(changes: &mut Changes, partition: &[u8], sort: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let (saga_type, status) = keys::parse_index_partition(partition)?;
    let (updated_at, _) = keys::parse_by_time_sort(sort)?;
    let started_at = UpdatedRecord::read(value)?.started();
    let number = changes.types.number(&SagaType::new(saga_type));
    changes.count(number, status, (started_at, updated_at), 1);
    Ok(())
}

/// Counts a saga that breaks a rule, or has nothing to compensate.
fn count_judged_row(
    changes: &mut Changes,
    partition: &[u8],
    sort: &[u8],
    _: &[u8],
) -> Result<(), StoreError> {
    let (saga_type, condition) = keys::parse_rule_partition(partition)?;
    let (at, _) = keys::parse_by_time_sort(sort)?;
    let number = changes.types.number(&SagaType::new(saga_type));
    changes.count_judged(number, condition, at, 1);
    Ok(())
}

impl Changes {
    fn count_judged(&mut self, saga_type: u32, condition: Condition, at: Millis, sign: i64) {
        for level in 0..cells::LEVELS {
            let cell = Cell {
                tree: Tree::Broken,
                saga_type,
                condition,
                level,
                cell: cells::cell(level, at),
                started_cell: None,
            };
            self.counts.entry(cell).or_default().sagas += sign;
        }
    }

    /// Adds `sign` sagas to the cells of both trees that a saga of this type, status, start and last
    /// event lies in.
    pub(in crate::pipeline::projector) fn count(
        &mut self,
        saga_type: u32,
        status: SagaStatus,
        (started_at, updated_at): (Millis, Millis),
        sign: i64,
    ) {
        let duration = sign * i64::try_from(updated_at.since(started_at)).unwrap_or(i64::MAX);
        for level in 0..cells::LEVELS {
            let started_cell = cells::cell(level, started_at);
            let mut cell = Cell {
                tree: Tree::Started,
                saga_type,
                condition: status.into(),
                level,
                cell: started_cell,
                started_cell: None,
            };
            let started = self.counts.entry(cell.clone()).or_default();
            started.sagas += sign;
            started.duration_millis += duration;
            cell.tree = Tree::Updated;
            cell.cell = cells::cell(level, updated_at);
            cell.started_cell = Some(started_cell);
            self.counts.entry(cell).or_default().sagas += sign;
        }
    }

    /// Takes over the cells of another share of the same window.
    pub(in crate::pipeline::projector) fn absorb_cells(&mut self, other: &mut Changes) {
        for (mut cell, by) in other.counts.drain() {
            cell.saga_type = self.types.number(other.types.name(cell.saga_type));
            let sum = self.counts.entry(cell).or_default();
            sum.sagas += by.sagas;
            sum.duration_millis += by.duration_millis;
        }
    }
}

fn move_cells(
    known: &mut Counters,
    store: &dyn StoreRead,
    changes: &mut Changes,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if known.cells.len() > REMEMBERED_CELLS {
        known.cells.clear();
    }
    let table = Table::Projection(known.target.generation, ProjectionTable::Counts);
    let mut key = Key::default();
    for (mut cell, by) in changes.counts.drain() {
        if by == CountRecord::default() {
            continue;
        }
        cell.saga_type = known.types.number(changes.types.name(cell.saga_type));
        write_key(&mut key, &cell, &known.types);
        let before = match known.cells.get(&cell) {
            Some(known) => *known,
            None => store
                .get(table, &key)?
                .map(|v| CountRecord::read(&v))
                .transpose()?
                .unwrap_or_default(),
        };
        let after = CountRecord {
            sagas: before.sagas + by.sagas,
            duration_millis: before.duration_millis + by.duration_millis,
        };
        if after.sagas == 0 {
            batch.delete(table, &key);
        } else {
            batch.put_with(table, &key, |bytes| after.write(bytes));
        }
        known.cells.insert(cell, after);
    }
    Ok(())
}

fn write_key(key: &mut Key, cell: &Cell, types: &TypeNames) {
    let tree = (cell.tree, types.name(cell.saga_type), cell.condition);
    keys::count(
        key,
        tree,
        cell.level,
        cells::parent(cell.level, cell.cell),
        cell.cell,
        cell.started_cell,
    );
}
