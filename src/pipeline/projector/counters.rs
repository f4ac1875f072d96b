//! Adds the changed sums of a window to the stored ones, with the latest values kept in memory.

use super::changes::{Cell, Changes, Total, TypeNames};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::{CountRecord, TotalRecord};
use crate::store::{Batch, Generation, Key, ProjectionTable, Read, StoreError, Table, cells, keys, totals};
use hashbrown::HashMap;

/// Beyond so many remembered cells all are forgotten; they are read again when they change.
const REMEMBERED_CELLS: usize = 100_000;
/// Likewise for totals, which are few unless a producer invents steps.
const REMEMBERED_TOTALS: usize = if cfg!(test) { 4 } else { 20_000 };
/// Likewise for names of types, by whose numbers both are remembered.
const REMEMBERED_TYPES: usize = if cfg!(test) { 4 } else { 20_000 };

/// The stored sums of one generation, as far as they were touched lately.
#[derive(Debug)]
pub(super) struct Counters {
    generation: Generation,
    types: TypeNames,
    cells: HashMap<Cell, CountRecord, foldhash::fast::FixedState>,
    totals: HashMap<Total, i64, foldhash::fast::FixedState>,
    last_failed_at: Option<Option<Millis>>,
}

impl Counters {
    pub(super) fn new(generation: Generation) -> Self {
        Self {
            generation,
            types: TypeNames::default(),
            cells: HashMap::default(),
            totals: HashMap::default(),
            last_failed_at: None,
        }
    }

    /// Forgets everything; for when a batch that these sums went into was not written.
    pub(super) fn forget(&mut self) {
        self.cells.clear();
        self.totals.clear();
        self.last_failed_at = None;
    }

    /// Moves the changed sums of `changes` into `batch` as new values.
    pub(super) fn apply(
        &mut self,
        read: &dyn Read,
        changes: &mut Changes,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if self.types.len() > REMEMBERED_TYPES {
            self.types = TypeNames::default();
            self.cells.clear();
            self.totals.clear();
        }
        self.apply_cells(read, changes, batch)?;
        self.apply_totals(read, changes, batch)?;
        self.apply_last_failed(read, changes, batch)
    }

    fn apply_cells(
        &mut self,
        read: &dyn Read,
        changes: &mut Changes,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if self.cells.len() > REMEMBERED_CELLS {
            self.cells.clear();
        }
        let table = Table::Projection(self.generation, ProjectionTable::Counts);
        let mut key = Key::default();
        for (mut cell, by) in changes.counts.drain() {
            if by == CountRecord::default() {
                continue;
            }
            cell.saga_type = self.types.number(changes.types.name(cell.saga_type));
            write_cell_key(&mut key, &cell, &self.types);
            let before = match self.cells.get(&cell) {
                Some(known) => *known,
                None => read
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
            self.cells.insert(cell, after);
        }
        Ok(())
    }

    fn apply_totals(
        &mut self,
        read: &dyn Read,
        changes: &mut Changes,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if self.totals.len() > REMEMBERED_TOTALS {
            self.totals.clear();
        }
        let table = Table::Projection(self.generation, ProjectionTable::Totals);
        let mut key = Key::default();
        for (total, by) in changes.take_totals() {
            let total = match total {
                Total::Type(number) => Total::Type(self.types.number(changes.types.name(number))),
                total => total,
            };
            write_total_key(&mut key, &total, &self.types);
            let before = match self.totals.get(&total) {
                Some(known) => *known,
                None => {
                    read.get(table, &key)?
                        .map(|v| TotalRecord::read(&v))
                        .transpose()?
                        .unwrap_or_default()
                        .value
                }
            };
            let value = before + by;
            if value == 0 {
                batch.delete(table, &key);
            } else {
                batch.put_with(table, &key, |bytes| TotalRecord { value }.write(bytes));
            }
            self.totals.insert(total, value);
        }
        Ok(())
    }

    fn apply_last_failed(
        &mut self,
        read: &dyn Read,
        changes: &Changes,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let table = Table::Projection(self.generation, ProjectionTable::Totals);
        let mut key = Key::default();
        keys::total(&mut key, totals::LAST_FAILED_AT);
        let known = match self.last_failed_at {
            Some(known) => known,
            None => read
                .get(table, &key)?
                .map(|v| TotalRecord::read(&v))
                .transpose()?
                .map(|r| Millis(r.value)),
        };
        let latest = known.max(changes.last_failed_at);
        if let Some(at) = latest.filter(|_| latest != known) {
            batch.put_with(table, &key, |bytes| TotalRecord { value: at.0 }.write(bytes));
        }
        self.last_failed_at = Some(latest);
        Ok(())
    }
}

fn write_cell_key(key: &mut Key, cell: &Cell, types: &TypeNames) {
    let tree = (cell.tree, types.name(cell.saga_type), cell.status);
    keys::count(
        key,
        tree,
        cell.level,
        cells::parent(cell.level, cell.cell),
        cell.cell,
        cell.started_cell,
    );
}

fn write_total_key(key: &mut Key, total: &Total, types: &TypeNames) {
    match total {
        Total::Type(number) => keys::total_named(key, totals::TYPES, types.name(*number).as_str()),
        Total::Active(status) => keys::total_numbered(key, totals::ACTIVE, status.tag().into()),
        Total::Failed => keys::total(key, totals::FAILED),
        Total::Compensated => keys::total(key, totals::COMPENSATED),
        Total::CompensationBucket(bucket) => keys::total_numbered(key, totals::COMPENSATION_BUCKETS, *bucket),
        Total::CompensationMillis => keys::total(key, totals::COMPENSATION_MILLIS),
        Total::Processed(status, step) => {
            keys::total_processed(key, totals::PROCESSED, *status, step.as_str());
        }
        Total::Duplicates => keys::total(key, totals::DUPLICATES),
        Total::Conflicts => keys::total(key, totals::CONFLICTS),
        Total::PurgedSagas => keys::total(key, totals::PURGED_SAGAS),
        Total::PurgedEvents => keys::total(key, totals::PURGED_EVENTS),
        Total::Late => keys::total(key, totals::LATE),
        Total::Anomaly(kind) => keys::total_numbered(key, totals::ANOMALIES, kind.tag().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SagaStatus, Step};
    use crate::store::{Durability, read};
    use crate::testkit::store;

    #[test]
    fn what_producers_invent_does_not_stay_in_memory_and_sums_go_on() {
        let (store, mut counters) = (store(), Counters::new(Generation::A));
        for round in 0..3i64 {
            for number in 0..40 {
                let mut changes = Changes::new(Generation::A, true);
                let saga_type = changes.types.number(&format!("type-{number}").as_str().into());
                changes.add(Total::Type(saga_type), 1);
                let step = Step::new(format!("step-{number}"));
                changes.processed(SagaStatus::Failed, &step, 1);
                changes.count(saga_type, SagaStatus::Failed, (Millis(0), Millis(7)), 1);
                let mut batch = Batch::new();
                counters.apply(&*store, &mut changes, &mut batch).unwrap();
                store.write(&batch, Durability::None).unwrap();
                assert!(counters.types.len() <= REMEMBERED_TYPES + 1);
                assert!(counters.totals.len() <= REMEMBERED_TOTALS + 2);
            }
            for name in [totals::TYPES, totals::PROCESSED] {
                let mut sums = Vec::new();
                read::totals_of(&*store, Generation::A, name, |_, sum| {
                    sums.push(sum);
                    Ok(())
                })
                .unwrap();
                assert_eq!(sums, vec![round + 1; 40], "{name}");
            }
        }
    }
}
