//! Sums over all sagas, and over those that were: what statistics and metrics tell.

use super::changes::{Changes, TypeNames};
use super::counters::Counters;
use super::{Change, Footprint, Projection, Rebuilt};
use crate::domain::{
    AnomalyKind, CompensationTimes, DURATION_BUCKETS, EventRef, Millis, OUTCOMES, PurgedSaga, SagaStatus,
    SagaType, StatusPath, Step, bucket_in,
};
use crate::store::codec::Record;
use crate::store::records::TotalRecord;
use crate::store::{Batch, Key, ProjectionTable, StoreError, StoreRead, Table, keys, totals};

pub(super) static PROJECTION: Projection = Projection {
    name: "totals",
    tables: &[ProjectionTable::Totals],
    is_on: |_| true,
    change,
    sums: Some(move_totals),
    rebuilt: Rebuilt::WithSagas,
};

/// Beyond so many remembered totals all are forgotten. They are few unless a producer invents steps.
pub(in crate::pipeline::projector) const REMEMBERED_TOTALS: usize = if cfg!(test) { 4 } else { 20_000 };

/// A sum of the totals table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::pipeline::projector) enum Total {
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
    /// Entries into a status of sagas of a type, by index into [`TypeNames`].
    Entered(u32, SagaStatus),
    /// First entries of such sagas into a status, by how long after their start.
    OutcomeBucket(u32, SagaStatus, u8),
    OutcomeMillis(u32, SagaStatus),
    /// Times between the steps of a pair, by index of its name into [`TypeNames`], and by how long they were.
    EdgeBucket(u32, u8),
    EdgeMillis(u32),
    /// FAILED compensating steps of sagas of a type, by index into [`TypeNames`].
    FailedCompensations(u32),
}

impl Total {
    /// The same, with what another list of types calls the type.
    fn renumbered(self, number: impl FnOnce(u32) -> u32) -> Self {
        match self {
            Self::Type(of) => Self::Type(number(of)),
            Self::Entered(of, status) => Self::Entered(number(of), status),
            Self::OutcomeBucket(of, status, bucket) => Self::OutcomeBucket(number(of), status, bucket),
            Self::OutcomeMillis(of, status) => Self::OutcomeMillis(number(of), status),
            Self::EdgeBucket(of, bucket) => Self::EdgeBucket(number(of), bucket),
            Self::EdgeMillis(of) => Self::EdgeMillis(number(of)),
            Self::FailedCompensations(of) => Self::FailedCompensations(number(of)),
            total => total,
        }
    }
}

/// What a saga adds to the sums by type and status.
struct Outcomes<'p> {
    saga_type: u32,
    path: &'p StatusPath,
    started_at: Millis,
    /// Entries into FAILED and COMPENSATED, however many there were.
    failures: u32,
    compensations: u32,
}

fn change(changes: &mut Changes, change: &Change<'_>) {
    for (footprint, sign) in change.signed() {
        let saga_type = changes.types.number(&footprint.saga_type);
        changes.add(Total::Type(saga_type), sign);
        changes.add(Total::Active(footprint.status), sign);
        changes.add(Total::Failed, sign * i64::from(footprint.failures));
        changes.add(Total::Compensated, sign * i64::from(footprint.compensations));
        changes.add(Total::Duplicates, sign * i64::from(footprint.duplicates));
        changes.add(Total::Conflicts, sign * i64::from(footprint.conflicts));
        for kind in &footprint.anomalies {
            changes.add(Total::Anomaly(*kind), sign);
        }
        changes.add_times(&footprint.compensation_times, sign);
        let failed = i64::from(footprint.failed_compensations);
        changes.add(Total::FailedCompensations(saga_type), sign * failed);
    }
    let after = change.after.map(|(footprint, _)| footprint);
    if change.before.map_or(&[][..], |of| &of.edges) != after.map_or(&[][..], |of| &of.edges) {
        for (footprint, sign) in change.signed() {
            changes.add_edges(&footprint.edges, sign);
        }
    }
    let kept = change
        .before
        .zip(after)
        .is_some_and(|(before, after)| has_same_outcomes(before, after));
    for (footprint, sign) in change.signed().filter(|_| !kept) {
        let outcomes = Outcomes {
            saga_type: changes.types.number(&footprint.saga_type),
            path: &footprint.path,
            started_at: footprint.started_at,
            failures: footprint.failures,
            compensations: footprint.compensations,
        };
        changes.add_outcomes(&outcomes, sign);
    }
    if let Some((_, state)) = change.after {
        changes.last_failed_at = changes.last_failed_at.max(state.last_failed_at);
    }
}

fn has_same_outcomes(before: &Footprint, after: &Footprint) -> bool {
    before.path == after.path
        && before.started_at == after.started_at
        && before.saga_type == after.saga_type
        // Of a path that is not complete these may differ where it does not.
        && (before.failures, before.compensations) == (after.failures, after.compensations)
}

impl Changes {
    fn add_outcomes(&mut self, of: &Outcomes<'_>, sign: i64) {
        let mut entries = of.path.entries();
        entries[usize::from(SagaStatus::Failed.tag())] = of.failures;
        entries[usize::from(SagaStatus::Compensated.tag())] = of.compensations;
        for (status, entered) in SagaStatus::ALL.into_iter().zip(entries) {
            self.add(Total::Entered(of.saga_type, status), sign * i64::from(entered));
        }
        for status in OUTCOMES {
            let Some(at) = of.path.first(status) else {
                continue;
            };
            let millis = at.since(of.started_at);
            let bucket = bucket_in(&DURATION_BUCKETS, millis);
            self.add(Total::OutcomeBucket(of.saga_type, status, bucket), sign);
            let millis = i64::try_from(millis).unwrap_or(i64::MAX);
            self.add(Total::OutcomeMillis(of.saga_type, status), sign * millis);
        }
    }

    fn add_edges(&mut self, edges: &[(Box<str>, u64)], sign: i64) {
        for (edge, millis) in edges {
            let number = self.types.number(&SagaType::new(&**edge));
            self.add(
                Total::EdgeBucket(number, bucket_in(&DURATION_BUCKETS, *millis)),
                sign,
            );
            let millis = i64::try_from(*millis).unwrap_or(i64::MAX);
            self.add(Total::EdgeMillis(number), sign * millis);
        }
    }

    /// Records that a saga was purged (or, with -1, restored).
    pub(in crate::pipeline::projector) fn purged(&mut self, saga: &PurgedSaga, sign: i64) {
        let remains = &saga.remains;
        self.purged_moves(saga, sign);
        self.add(Total::PurgedSagas, sign);
        self.add(Total::PurgedEvents, sign * i64::from(saga.events));
        self.add(Total::Failed, sign * i64::from(remains.failures));
        self.add(Total::Compensated, sign * i64::from(remains.compensations));
        self.add(Total::Duplicates, sign * i64::from(remains.duplicates));
        self.add(Total::Conflicts, sign * i64::from(remains.conflicts));
        for kind in &remains.anomalies {
            self.add(Total::Anomaly(*kind), sign);
        }
        self.add_times(&remains.compensation_times, sign);
        let saga_type = self.types.number(&saga.saga_type);
        let failed = i64::from(remains.failed_compensations);
        self.add(Total::FailedCompensations(saga_type), sign * failed);
        let outcomes = Outcomes {
            saga_type,
            path: &saga.path,
            started_at: saga.started_at,
            failures: remains.failures,
            compensations: remains.compensations,
        };
        self.add_outcomes(&outcomes, sign);
        self.add_edges(&remains.edges, sign);
        for ((status, step), count) in &remains.processed {
            self.processed(*status, step, sign * i64::from(*count));
        }
        self.last_failed_at = self.last_failed_at.max(remains.last_failed_at);
    }

    /// Records deliveries of a saga that is gone.
    pub(in crate::pipeline::projector) fn late<'e>(&mut self, events: impl Iterator<Item = EventRef<'e>>) {
        for event in events {
            self.add(Total::Late, 1);
            self.comes_late((&event).into());
            if event.status == SagaStatus::Failed {
                self.last_failed_at = self.last_failed_at.max(Some(event.place.recorded_at));
            }
        }
    }

    /// Adds to one sum.
    pub(in crate::pipeline::projector) fn add(&mut self, total: Total, by: i64) {
        if by != 0 {
            *self.totals.entry(total).or_default() += by;
        }
    }

    /// Records that `by` events of this step and status came into timelines (or left them).
    pub(in crate::pipeline::projector) fn processed(&mut self, status: SagaStatus, step: &Step, by: i64) {
        let status = usize::from(status.tag());
        if let Some(sums) = self.processed.get_mut(step) {
            sums[status] += by;
        } else {
            let mut sums = [0; 5];
            sums[status] = by;
            self.processed.insert(step.clone(), sums);
        }
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

    /// Takes over the sums of another share of the same window.
    pub(in crate::pipeline::projector) fn absorb_totals(&mut self, other: &mut Changes) {
        for (total, by) in other.totals.drain() {
            let total = total.renumbered(|number| self.types.number(other.types.name(number)));
            *self.totals.entry(total).or_default() += by;
        }
        for (step, by) in other.processed.drain() {
            let sums = self.processed.entry(step).or_default();
            for (sum, by) in sums.iter_mut().zip(by) {
                *sum += by;
            }
        }
        self.last_failed_at = self.last_failed_at.max(other.last_failed_at);
    }

    /// The changed totals, taken out; names of types by number as in `types`.
    fn take_totals(&mut self) -> impl Iterator<Item = (Total, i64)> + use<> {
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

fn move_totals(
    known: &mut Counters,
    store: &dyn StoreRead,
    changes: &mut Changes,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if known.totals.len() > REMEMBERED_TOTALS {
        known.totals.clear();
    }
    let table = Table::Projection(known.target.generation, ProjectionTable::Totals);
    let mut key = Key::default();
    for (total, by) in changes.take_totals() {
        let total = total.renumbered(|number| known.types.number(changes.types.name(number)));
        write_key(&mut key, &total, &known.types);
        let before = match known.totals.get(&total) {
            Some(known) => *known,
            None => stored(store, table, &key)?.unwrap_or_default(),
        };
        let value = before + by;
        if value == 0 {
            batch.delete(table, &key);
        } else {
            batch.put_with(table, &key, |bytes| TotalRecord { value }.write(bytes));
        }
        known.totals.insert(total, value);
    }
    move_last_failed(known, store, changes, batch)
}

fn move_last_failed(
    known: &mut Counters,
    store: &dyn StoreRead,
    changes: &Changes,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let table = Table::Projection(known.target.generation, ProjectionTable::Totals);
    let mut key = Key::default();
    keys::total(&mut key, totals::LAST_FAILED_AT);
    let before = match known.last_failed_at {
        Some(known) => known,
        None => stored(store, table, &key)?.map(Millis),
    };
    let latest = before.max(changes.last_failed_at);
    if let Some(at) = latest.filter(|_| latest != before) {
        batch.put_with(table, &key, |bytes| TotalRecord { value: at.0 }.write(bytes));
    }
    known.last_failed_at = Some(latest);
    Ok(())
}

fn stored(store: &dyn StoreRead, table: Table, key: &Key) -> Result<Option<i64>, StoreError> {
    let value = store.get(table, key)?;
    let record = value.map(|value| TotalRecord::read(&value)).transpose()?;
    Ok(record.map(|record| record.value))
}

fn write_key(key: &mut Key, total: &Total, types: &TypeNames) {
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
        Total::Entered(number, status) => {
            keys::total_of_type(key, totals::ENTERED, types.name(*number).as_str(), *status);
        }
        Total::OutcomeBucket(number, status, bucket) => {
            let saga_type = types.name(*number).as_str();
            keys::total_of_bucket(key, totals::OUTCOME_BUCKETS, saga_type, (*status, *bucket));
        }
        Total::OutcomeMillis(number, status) => {
            keys::total_of_type(key, totals::OUTCOME_MILLIS, types.name(*number).as_str(), *status);
        }
        Total::EdgeBucket(number, bucket) => {
            let edge = types.name(*number).as_str();
            keys::total_named_bucket(key, totals::EDGE_BUCKETS, edge, *bucket);
        }
        Total::EdgeMillis(number) => {
            keys::total_named(key, totals::EDGE_MILLIS, types.name(*number).as_str());
        }
        Total::FailedCompensations(number) => {
            keys::total_named(key, totals::FAILED_COMPENSATIONS, types.name(*number).as_str());
        }
        Total::Anomaly(kind) => keys::total_numbered(key, totals::ANOMALIES, kind.tag().into()),
    }
}
