//! What a change of one saga's state means for the projections: rows to write, sums to change.

use crate::domain::{
    AnomalyKind, CompensationTimes, EventRef, Millis, OrderId, Remains, SagaId, SagaState, SagaStatus,
    SagaType, Step,
};

use crate::store::codec::Record;
use crate::store::keys::Tree;
use crate::store::records::{CountRecord, InstanceRecord, PresenceRecord, UpdatedRecord};
use crate::store::{Batch, Generation, Key, ProjectionTable, Table, cells, keys};
use hashbrown::HashMap;

/// A cell of a count tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    pub(super) tree: Tree,
    /// Index into [`TypeNames`].
    pub(super) saga_type: u32,
    pub(super) status: SagaStatus,
    pub(super) level: u8,
    pub(super) cell: i64,
    pub(super) started_cell: Option<i64>,
}

/// A sum of the totals table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Total {
    /// Sagas of a type, by index into [`TypeNames`].
    Type(u32),
    Active(SagaStatus),
    Failed,
    Compensated,
    CompensationBucket(u32),
    CompensationMillis,
    Processed(SagaStatus, Step),
    Duplicates,
    Conflicts,
    Anomaly(AnomalyKind),
    PurgedSagas,
    PurgedEvents,
    Late,
}

/// Saga types by number, so that cells are small. Grows only.
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

/// The part of a state that indexes and sums are made of.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    saga_type: SagaType,
    order_id: OrderId,
    status: SagaStatus,
    started_at: Millis,
    updated_at: Millis,
    failures: u32,
    compensations: u32,
    compensation_times: CompensationTimes,
    duplicates: u32,
    conflicts: u32,
    anomalies: Vec<AnomalyKind>,
}

impl Footprint {
    pub(super) fn of(state: &SagaState) -> Self {
        Self {
            saga_type: state.saga_type.clone(),
            order_id: state.order_id.clone(),
            status: state.status,
            started_at: state.started_at,
            updated_at: state.updated_at,
            failures: state.failures,
            compensations: state.compensations,
            compensation_times: state.compensation_times.clone(),
            duplicates: state.duplicates,
            conflicts: state.conflicts.total,
            anomalies: state.anomalies.kept.iter().map(|anomaly| anomaly.kind).collect(),
        }
    }
}

/// The changes of one window (or of a share of it), for one generation of projections.
#[derive(Debug)]
pub(super) struct Changes {
    generation: Generation,
    /// Whether the count trees are kept here. A rebuild makes them in a pass of their own.
    trees: bool,
    key: Key,
    pub(super) rows: Batch,
    pub(super) types: TypeNames,
    pub(super) counts: HashMap<Cell, CountRecord, foldhash::fast::FixedState>,
    pub(super) totals: HashMap<Total, i64, foldhash::fast::FixedState>,
    /// Events that came into timelines, by step and by number of status.
    pub(super) processed: HashMap<Step, [i64; 5], foldhash::fast::FixedState>,
    pub(super) last_failed_at: Option<Millis>,
}

impl Changes {
    pub(super) fn new(generation: Generation, trees: bool) -> Self {
        Self::with_rows(generation, trees, Batch::new())
    }

    /// The same, in the memory of an empty batch.
    pub(super) fn with_rows(generation: Generation, trees: bool, rows: Batch) -> Self {
        Self {
            generation,
            trees,
            key: Key::default(),
            rows,
            types: TypeNames::default(),
            counts: HashMap::default(),
            totals: HashMap::default(),
            processed: HashMap::default(),
            last_failed_at: None,
        }
    }

    /// The generation that these are changes of.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Records that a saga's state is `new`, where it was `old`.
    pub(super) fn replace(&mut self, saga: &SagaId, old: Option<&Footprint>, new: &SagaState) {
        self.write_rows(saga, old, new);
        let footprint = Footprint::of(new);
        if let Some(old) = old {
            self.sum(old, -1);
        }
        self.sum(&footprint, 1);
        self.last_failed_at = self.last_failed_at.max(new.last_failed_at);
    }

    /// Records that nothing of a saga stands any more, where its state was `old`.
    pub(super) fn remove(&mut self, saga: &SagaId, old: &Footprint) {
        keys::instance(&mut self.key, saga);
        self.rows
            .delete(self.table(ProjectionTable::Instances), &self.key);
        keys::by_order(&mut self.key, &old.order_id, saga);
        self.rows.delete(self.table(ProjectionTable::ByOrder), &self.key);
        keys::by_time(&mut self.key, &old.saga_type, old.status, old.started_at, saga);
        self.rows
            .delete(self.table(ProjectionTable::ByStarted), &self.key);
        keys::by_time(&mut self.key, &old.saga_type, old.status, old.updated_at, saga);
        self.rows
            .delete(self.table(ProjectionTable::ByUpdated), &self.key);
        self.sum(old, -1);
    }

    /// Records that a purged saga of so many deliveries left this behind (or, with -1, came back).
    pub(super) fn purged(&mut self, remains: &Remains, events: u32, sign: i64) {
        self.add(Total::PurgedSagas, sign);
        self.add(Total::PurgedEvents, sign * i64::from(events));
        self.add(Total::Failed, sign * i64::from(remains.failures));
        self.add(Total::Compensated, sign * i64::from(remains.compensations));
        self.add(Total::Duplicates, sign * i64::from(remains.duplicates));
        self.add(Total::Conflicts, sign * i64::from(remains.conflicts));
        for kind in &remains.anomalies {
            self.add(Total::Anomaly(*kind), sign);
        }
        self.add_times(&remains.compensation_times, sign);
        for ((status, step), count) in &remains.processed {
            self.processed(*status, step, sign * i64::from(*count));
        }
        self.last_failed_at = self.last_failed_at.max(remains.last_failed_at);
    }

    /// Records deliveries of a saga that is gone.
    pub(super) fn late<'e>(&mut self, events: impl Iterator<Item = EventRef<'e>>) {
        for event in events {
            self.add(Total::Late, 1);
            if event.status == SagaStatus::Failed {
                self.last_failed_at = self.last_failed_at.max(Some(event.place.recorded_at));
            }
        }
    }

    /// Adds to one sum.
    pub(super) fn add(&mut self, total: Total, by: i64) {
        if by != 0 {
            *self.totals.entry(total).or_default() += by;
        }
    }

    /// Records that `by` events of this step and status came into timelines (or left them).
    pub(super) fn processed(&mut self, status: SagaStatus, step: &Step, by: i64) {
        let status = usize::from(status.tag());
        if let Some(sums) = self.processed.get_mut(step) {
            sums[status] += by;
        } else {
            let mut sums = [0; 5];
            sums[status] = by;
            self.processed.insert(step.clone(), sums);
        }
    }

    fn table(&self, table: ProjectionTable) -> Table {
        Table::Projection(self.generation, table)
    }

    fn write_rows(&mut self, saga: &SagaId, old: Option<&Footprint>, new: &SagaState) {
        keys::instance(&mut self.key, saga);
        let table = self.table(ProjectionTable::Instances);
        self.rows
            .put_with(table, &self.key, |bytes| InstanceRecord::of(new).write(bytes));

        let by_order = self.table(ProjectionTable::ByOrder);
        if old.is_none_or(|old| old.order_id != new.order_id) {
            if let Some(old) = old {
                keys::by_order(&mut self.key, &old.order_id, saga);
                self.rows.delete(by_order, &self.key);
            }
            keys::by_order(&mut self.key, &new.order_id, saga);
            self.rows
                .put_with(by_order, &self.key, |bytes| PresenceRecord.write(bytes));
        }

        let moved = old.is_none_or(|old| old.status != new.status || old.saga_type != new.saga_type);
        if moved || old.is_some_and(|old| old.started_at != new.started_at) {
            let by_started = self.table(ProjectionTable::ByStarted);
            if let Some(old) = old {
                keys::by_time(&mut self.key, &old.saga_type, old.status, old.started_at, saga);
                self.rows.delete(by_started, &self.key);
            }
            keys::by_time(&mut self.key, &new.saga_type, new.status, new.started_at, saga);
            self.rows
                .put_with(by_started, &self.key, |bytes| PresenceRecord.write(bytes));
        }
        if moved
            || old.is_some_and(|old| (old.started_at, old.updated_at) != (new.started_at, new.updated_at))
        {
            let by_updated = self.table(ProjectionTable::ByUpdated);
            if let Some(old) = old {
                keys::by_time(&mut self.key, &old.saga_type, old.status, old.updated_at, saga);
                self.rows.delete(by_updated, &self.key);
            }
            keys::by_time(&mut self.key, &new.saga_type, new.status, new.updated_at, saga);
            let started_at = new.started_at.0;
            self.rows.put_with(by_updated, &self.key, |bytes| {
                UpdatedRecord { started_at }.write(bytes);
            });
        }
    }

    fn sum(&mut self, footprint: &Footprint, sign: i64) {
        let saga_type = self.types.number(&footprint.saga_type);
        if self.trees {
            self.count(
                saga_type,
                footprint.status,
                (footprint.started_at, footprint.updated_at),
                sign,
            );
        }
        let mut add = |total: Total, by: i64| {
            if by != 0 {
                *self.totals.entry(total).or_default() += by * sign;
            }
        };
        add(Total::Type(saga_type), 1);
        add(Total::Active(footprint.status), 1);
        add(Total::Failed, footprint.failures.into());
        add(Total::Compensated, footprint.compensations.into());
        add(Total::Duplicates, footprint.duplicates.into());
        add(Total::Conflicts, footprint.conflicts.into());
        for kind in &footprint.anomalies {
            add(Total::Anomaly(*kind), 1);
        }
        self.add_times(&footprint.compensation_times, sign);
    }

    fn add_times(&mut self, times: &CompensationTimes, sign: i64) {
        for (bucket, count) in &times.counts {
            self.add(
                Total::CompensationBucket(u32::from(*bucket)),
                sign * i64::from(*count),
            );
        }
        let millis = i64::try_from(times.millis).unwrap_or(i64::MAX);
        self.add(Total::CompensationMillis, sign * millis);
    }

    /// Adds `sign` sagas to the cells of both trees that a saga of this type, status, start and last
    /// event lies in.
    pub(super) fn count(&mut self, saga_type: u32, status: SagaStatus, span: (Millis, Millis), sign: i64) {
        let (started_at, updated_at) = span;
        let duration = sign * i64::try_from(updated_at.since(started_at)).unwrap_or(i64::MAX);
        for level in 0..cells::LEVELS {
            let started_cell = cells::cell(level, started_at);
            let mut cell = Cell {
                tree: Tree::Started,
                saga_type,
                status,
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

    /// Takes over the changes of another share of the same window.
    pub(super) fn absorb(&mut self, other: Changes) {
        self.rows.append(&other.rows);
        for (mut cell, by) in other.counts {
            cell.saga_type = self.types.number(other.types.name(cell.saga_type));
            let sum = self.counts.entry(cell).or_default();
            sum.sagas += by.sagas;
            sum.duration_millis += by.duration_millis;
        }
        for (total, by) in other.totals {
            let total = match total {
                Total::Type(number) => Total::Type(self.types.number(other.types.name(number))),
                total => total,
            };
            *self.totals.entry(total).or_default() += by;
        }
        for (step, by) in other.processed {
            let sums = self.processed.entry(step).or_default();
            for (sum, by) in sums.iter_mut().zip(by) {
                *sum += by;
            }
        }
        self.last_failed_at = self.last_failed_at.max(other.last_failed_at);
    }

    /// The changed totals, taken out; names of types by number as in `types`.
    pub(super) fn take_totals(&mut self) -> impl Iterator<Item = (Total, i64)> + use<> {
        let processed = std::mem::take(&mut self.processed)
            .into_iter()
            .flat_map(|(step, sums)| {
                let by_status = SagaStatus::ALL.into_iter().zip(sums);
                by_status
                    .map(move |(status, by)| (Total::Processed(status, step.clone()), by))
                    .collect::<Vec<_>>()
            });
        std::mem::take(&mut self.totals)
            .into_iter()
            .chain(processed)
            .filter(|(_, by)| *by != 0)
    }
}
