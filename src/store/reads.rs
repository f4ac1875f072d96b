//! Typed reads: rows of single tables as what they stand for.

use super::codec::Record;
use super::records::{InstanceRecord, LogRecord, MetaRecord, OffsetRecord, TotalRecord};
use super::{
    Batch, Generation, Key, ProjectionTable, Scan, StoreError, StoreRead, Table, WHOLE, keys, totals,
};
use crate::domain::{Cut, Event, InForce, SagaDefinitions, SagaId, SagaState, TimelineKey};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

impl From<keys::KeyError> for StoreError {
    fn from(error: keys::KeyError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Scans a part of what the log holds of a saga, with a visitor that may fail.
///
/// # Errors
/// The engine's error, or the visitor's first.
pub fn try_scan_saga(
    store: &dyn StoreRead,
    saga: &SagaId,
    range: super::SortRange<'_>,
    visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let partition = saga.as_str().as_bytes();
    Scan::of(Table::Log, partition).range(range).each(store, visit)
}

/// Runs a table scan whose visitor may fail.
///
/// # Errors
/// The engine's error, or the visitor's first.
pub fn try_scan_table(
    snapshot: &dyn StoreRead,
    table: Table,
    mut visit: impl FnMut(&[u8], &[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut failed = None;
    snapshot.scan_table(
        table,
        &mut |partition, sort, value| match visit(partition, sort, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// All deliveries of a saga's events that lie inside the cut, in the order of the log.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn deliveries(store: &dyn StoreRead, saga: &SagaId, within: &Cut) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    try_scan_saga(store, saga, WHOLE, |sort, value| {
        let at = keys::parse_log_sort(sort)?;
        if within.contains(at.position) {
            events.push(event(saga, at, value)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(events)
}

/// The row of a delivery that must be in the log.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or is not there.
pub fn log_row(store: &dyn StoreRead, saga: &SagaId, place: TimelineKey) -> Result<Vec<u8>, StoreError> {
    let mut key = Key::default();
    keys::log(&mut key, saga, place);
    let row = store.get(Table::Log, &key)?;
    row.ok_or_else(|| not_in_log(saga, place))
}

/// The rows of deliveries that must be in the log, in their order.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or one is not there.
pub fn log_rows(
    store: &dyn StoreRead,
    deliveries: &[(&SagaId, TimelineKey)],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys: Vec<Key> = deliveries
        .iter()
        .map(|(saga, place)| {
            let mut key = Key::default();
            keys::log(&mut key, saga, *place);
            key
        })
        .collect();
    let rows = store.multi_get(Table::Log, &keys)?.into_iter();
    rows.zip(deliveries)
        .map(|(row, (saga, place))| row.ok_or_else(|| not_in_log(saga, *place)))
        .collect()
}

fn not_in_log(saga: &SagaId, place: TimelineKey) -> StoreError {
    StoreError::Corrupt(format!(
        "log: saga {saga} has no event at {}, which its timeline or the feed names",
        place.position
    ))
}

/// The event of a row of the log.
///
/// # Errors
/// [`StoreError`] when the value is damaged or of another format.
pub fn event(saga: &SagaId, at: TimelineKey, value: &[u8]) -> Result<Event, StoreError> {
    LogRecord::read(value)?.event(saga, at)
}

/// The state of a saga in a generation of projections.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn instance(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
) -> Result<Option<SagaState>, StoreError> {
    let mut key = Key::default();
    keys::instance(&mut key, saga);
    store
        .get(Table::Projection(generation, ProjectionTable::Instances), &key)?
        .map(|value| InstanceRecord::read(&value)?.state())
        .transpose()
}

/// The states of several sagas, in their order.
///
/// # Errors
/// [`StoreError`] when one cannot be read.
pub fn instances(
    store: &dyn StoreRead,
    generation: Generation,
    sagas: &[SagaId],
) -> Result<Vec<Option<SagaState>>, StoreError> {
    let keys: Vec<Key> = sagas
        .iter()
        .map(|saga| {
            let mut key = Key::default();
            keys::instance(&mut key, saga);
            key
        })
        .collect();
    store
        .multi_get(Table::Projection(generation, ProjectionTable::Instances), &keys)?
        .into_iter()
        .map(|value| {
            value
                .map(|value| InstanceRecord::read(&value)?.state())
                .transpose()
        })
        .collect()
}

/// A setting of the store itself.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn meta(store: &dyn StoreRead, name: &str) -> Result<Option<String>, StoreError> {
    let mut key = Key::default();
    keys::meta(&mut key, name);
    store
        .get(Table::Meta, &key)?
        .map(|value| Ok(MetaRecord::read(&value)?.value.to_owned()))
        .transpose()
}

/// A named family of counts of the store itself.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn meta_counts(store: &dyn StoreRead, name: &str) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    Scan::of(Table::Meta, name.as_bytes()).each(store, |member, value| {
        let count = u64::try_from(TotalRecord::read(value)?.value).unwrap_or(0);
        counts.insert(keys::parse_text("meta", member)?.to_owned(), count);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}

/// One of a named family of counts; 0 when it was never counted.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn meta_count(store: &dyn StoreRead, name: &str, member: &str) -> Result<u64, StoreError> {
    let mut key = Key::default();
    keys::meta_named(&mut key, name, member);
    let value = store.get(Table::Meta, &key)?;
    let count = value.map(|value| TotalRecord::read(&value)).transpose()?;
    Ok(count.map_or(0, |count| u64::try_from(count.value).unwrap_or(0)))
}

/// Adds one of a named family of counts to a batch.
pub fn put_meta_count(batch: &mut Batch, name: &str, member: &str, count: u64) {
    let mut key = Key::default();
    keys::meta_named(&mut key, name, member);
    let value = i64::try_from(count).unwrap_or(i64::MAX);
    batch.put_with(Table::Meta, &key, |bytes| TotalRecord { value }.write(bytes));
}

/// Adds a setting of the store itself to a batch.
pub fn put_meta(batch: &mut Batch, name: &str, value: &str) {
    let mut key = Key::default();
    keys::meta(&mut key, name);
    batch.put_with(Table::Meta, &key, |bytes| MetaRecord { value }.write(bytes));
}

/// The generation of projections that serves.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn active_generation(store: &dyn StoreRead) -> Result<Generation, StoreError> {
    match meta(store, totals::ACTIVE_GENERATION)?.as_deref() {
        None | Some("a") => Ok(Generation::A),
        Some("b") => Ok(Generation::B),
        Some(other) => Err(StoreError::Corrupt(format!("meta: active generation {other:?}"))),
    }
}

/// Adds the choice of the serving generation to a batch.
pub fn put_active_generation(batch: &mut Batch, generation: Generation) {
    put_meta(batch, totals::ACTIVE_GENERATION, generation.name());
}

/// The rules of the fold that a generation of projections is made under; `None` while nothing is in it.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn fold_rules(store: &dyn StoreRead, generation: Generation) -> Result<Option<String>, StoreError> {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::FOLD_RULES, generation.name());
    store
        .get(Table::Meta, &key)?
        .map(|value| Ok(MetaRecord::read(&value)?.value.to_owned()))
        .transpose()
}

/// The definitions that a generation of projections is the fold under: those in force, unless it is made under other
/// rules, as it is from a change of the definitions on until it is rebuilt. Those are read once, not for each call.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn definitions_of(
    store: &dyn StoreRead,
    generation: Generation,
    in_force: &InForce,
) -> Result<Arc<SagaDefinitions>, StoreError> {
    match fold_rules(store, generation)? {
        Some(rules) => in_force
            .under(&rules)
            .map_err(|error| StoreError::Corrupt(format!("meta: {error}"))),
        None => Ok(in_force.definitions.clone()),
    }
}

/// Adds the rules that a generation is made under to a batch. They belong into the same write as its
/// first rows.
pub fn put_fold_rules(batch: &mut Batch, generation: Generation, rules: &str) {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::FOLD_RULES, generation.name());
    batch.put_with(Table::Meta, &key, |bytes| {
        MetaRecord { value: rules }.write(bytes);
    });
}

/// Adds to a batch that a generation is made under no rules: nothing is in it.
pub fn delete_fold_rules(batch: &mut Batch, generation: Generation) {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::FOLD_RULES, generation.name());
    batch.delete(Table::Meta, &key);
}

/// The cut that a generation of projections is the fold of.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn cursor(store: &dyn StoreRead, generation: Generation) -> Result<Cut, StoreError> {
    let mut cut = Cut::default();
    numbered_totals(store, generation, totals::CURSOR, |partition, next| {
        cut.set(partition, u64::try_from(next).unwrap_or(0));
    })?;
    Ok(cut)
}

/// Adds a generation's cursor to a batch. Of a partition of which nothing is inside it there is no row, whether
/// or not it was ever seen.
pub fn put_cursor(batch: &mut Batch, generation: Generation, cut: &Cut) {
    let mut key = Key::default();
    for (partition, next) in cut.iter().filter(|(_, next)| *next > 0) {
        keys::total_numbered(&mut key, totals::CURSOR, partition);
        let value = i64::try_from(next).unwrap_or(i64::MAX);
        batch.put_with(
            Table::Projection(generation, ProjectionTable::Totals),
            &key,
            |bytes| {
                TotalRecord { value }.write(bytes);
            },
        );
    }
}

/// Visits a numbered family of totals.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn numbered_totals(
    store: &dyn StoreRead,
    generation: Generation,
    name: &str,
    mut visit: impl FnMut(u32, i64),
) -> Result<(), StoreError> {
    totals_of(store, generation, name, |sort, value| {
        visit(keys::parse_partition_number(sort)?, value);
        Ok(())
    })
}

/// Visits a family of totals by their sort keys.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or the visitor's.
pub fn totals_of(
    store: &dyn StoreRead,
    generation: Generation,
    name: &str,
    mut visit: impl FnMut(&[u8], i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let table = Table::Projection(generation, ProjectionTable::Totals);
    Scan::of(table, name.as_bytes()).each(store, |sort, value| {
        visit(sort, TotalRecord::read(value)?.value)?;
        Ok(ControlFlow::Continue(()))
    })
}

/// Some sums of a family by their sort keys, in their order; 0 for what was never counted.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn totals_at(
    store: &dyn StoreRead,
    generation: Generation,
    name: &str,
    members: &[Box<[u8]>],
) -> Result<Vec<i64>, StoreError> {
    let keys: Vec<Key> = members
        .iter()
        .map(|member| Key::new(name.as_bytes(), member))
        .collect();
    sums_at(
        store,
        Table::Projection(generation, ProjectionTable::Totals),
        &keys,
    )
}

/// The sums under some keys, in their order; 0 where there is none.
pub(super) fn sums_at(store: &dyn StoreRead, table: Table, keys: &[Key]) -> Result<Vec<i64>, StoreError> {
    let values = store.multi_get(table, keys)?.into_iter();
    let sum = |value: Option<Vec<u8>>| match value {
        Some(value) => TotalRecord::read(&value).map(|record| record.value),
        None => Ok(0),
    };
    values.map(sum).collect()
}

/// One sum; 0 when it was never counted.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn total(store: &dyn StoreRead, generation: Generation, name: &str) -> Result<i64, StoreError> {
    let mut key = Key::default();
    keys::total(&mut key, name);
    Ok(store
        .get(Table::Projection(generation, ProjectionTable::Totals), &key)?
        .map(|value| TotalRecord::read(&value))
        .transpose()?
        .map_or(0, |record| record.value))
}

/// Where consumption of each partition of a topic resumes.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn offsets(store: &dyn StoreRead, topic: &str) -> Result<Vec<(u32, OffsetRecord)>, StoreError> {
    let mut rows = Vec::new();
    Scan::of(Table::Offsets, topic.as_bytes()).each(store, |sort, value| {
        rows.push((keys::parse_partition_number(sort)?, OffsetRecord::read(value)?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

/// The cut that the log holds all of: everything before the stored offsets.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn log_cut(store: &dyn StoreRead, topic: &str) -> Result<Cut, StoreError> {
    Ok(offsets(store, topic)?
        .into_iter()
        .map(|(partition, row)| (partition, row.next))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use crate::testkit;

    #[test]
    fn the_rules_from_before_are_not_read_for_each_question() {
        let store = testkit::store();
        let generation = active_generation(&*store).unwrap();
        let ours = InForce::from(Arc::<SagaDefinitions>::default());
        let other =
            SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n").unwrap();
        let mut batch = Batch::new();
        put_fold_rules(&mut batch, generation, &other.fold_rules());
        store.write(&batch, Durability::Process).unwrap();
        let [first, second] = [(); 2].map(|()| definitions_of(&*store, generation, &ours).unwrap());
        assert_eq!(first.fold_rules(), other.fold_rules());
        assert!(Arc::ptr_eq(&first, &second));
    }
}
