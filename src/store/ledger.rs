//! Running sums of what offsets came to, by partition and by day of arrival (UTC): `accounted` has what ingest
//! says of every offset, `ledger` what the fold says of those that were logged. Each has a row for a day and
//! one for all days, written with the entries that they count. What an offset came to is not decided here.

use super::codec::Record;
use super::records::{OffsetClass, OffsetCountsRecord};
use super::{Batch, Key, Scan, StoreError, StoreRead, Table, keys};
use crate::domain::Millis;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, RangeInclusive};

/// By how much sums change with a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetSums {
    days: BTreeMap<(u32, i64), OffsetCountsRecord>,
}

impl OffsetSums {
    /// So many offsets of a partition whose records arrived then came to that, or do not any more.
    pub fn add(&mut self, partition: u32, arrived_at: Millis, class: OffsetClass, by: i64) {
        self.add_on(partition, arrived_at.day(), class, by);
    }

    /// The same, of a day.
    pub fn add_on(&mut self, partition: u32, day: i64, class: OffsetClass, by: i64) {
        self.days.entry((partition, day)).or_default().add(class, by);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Takes over what was added to others.
    pub fn absorb(&mut self, other: &mut Self) {
        for (place, counts) in std::mem::take(&mut other.days) {
            self.days.entry(place).or_default().add_all(&counts);
        }
    }

    /// What was added, by partition and day.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, i64), &OffsetCountsRecord)> {
        self.days.iter().map(|(place, counts)| (*place, counts))
    }

    /// Moves what was added into a write, as new values. Nobody else may change the table until it is written.
    ///
    /// # Errors
    /// [`StoreError`] when the stored sums cannot be read.
    pub fn put(&mut self, store: &dyn StoreRead, table: Table, batch: &mut Batch) -> Result<(), StoreError> {
        let mut whole: BTreeMap<u32, OffsetCountsRecord> = BTreeMap::new();
        for ((partition, day), by) in std::mem::take(&mut self.days) {
            whole.entry(partition).or_default().add_all(&by);
            put_row(store, table, (partition, Some(day)), &by, batch)?;
        }
        whole
            .iter()
            .try_for_each(|(partition, by)| put_row(store, table, (*partition, None), by, batch))
    }
}

fn put_row(
    store: &dyn StoreRead,
    table: Table,
    (partition, day): (u32, Option<i64>),
    by: &OffsetCountsRecord,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if by.is_zero() {
        return Ok(());
    }
    let mut counts = counts(store, table, partition, day)?;
    counts.add_all(by);
    let mut key = Key::default();
    keys::ledger(&mut key, partition, day);
    if counts.is_zero() {
        batch.delete(table, &key);
    } else {
        batch.put_with(table, &key, |bytes| counts.write(bytes));
    }
    Ok(())
}

/// What the offsets of a partition came to on a day; without one, on all days.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn counts(
    store: &dyn StoreRead,
    table: Table,
    partition: u32,
    day: Option<i64>,
) -> Result<OffsetCountsRecord, StoreError> {
    let mut key = Key::default();
    keys::ledger(&mut key, partition, day);
    let row = store.get(table, &key)?;
    row.map_or(Ok(OffsetCountsRecord::default()), |row| {
        OffsetCountsRecord::read(&row)
    })
}

/// Visits the days of a partition on which anything arrived, in order.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn each_day(
    store: &dyn StoreRead,
    table: Table,
    partition: u32,
    days: RangeInclusive<i64>,
    mut visit: impl FnMut(i64, OffsetCountsRecord),
) -> Result<(), StoreError> {
    let (mut first, mut last) = (Key::default(), Key::default());
    keys::ledger(&mut first, partition, Some(*days.start()));
    keys::ledger(&mut last, partition, Some(*days.end()));
    let range = (Bound::Included(first.sort()), Bound::Included(last.sort()));
    Scan::of(table, first.partition())
        .range(range)
        .each(store, |sort, value| {
            if let Some(day) = keys::parse_ledger_day(sort)? {
                visit(day, OffsetCountsRecord::read(value)?);
            }
            Ok(ControlFlow::Continue(()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use crate::testkit::{DAY, store};

    fn written(store: &crate::store::SharedStore, added: &[(i64, OffsetClass, i64)]) {
        let (mut sums, mut batch) = (OffsetSums::default(), Batch::new());
        for (at, class, by) in added {
            sums.add(1, Millis(DAY + at), *class, *by);
        }
        sums.put(&**store, Table::Accounted, &mut batch).unwrap();
        assert!(sums.is_empty());
        store.write(&batch, Durability::Process).unwrap();
    }

    #[test]
    fn sums_of_days_and_of_all_days_go_on_over_writes_and_leave_nothing_at_zero() {
        use OffsetClass::{DeadLetter, Logged};
        let store = store();
        let next_day = 24 * 3_600_000;
        written(
            &store,
            &[
                (0, Logged, 1),
                (next_day - 1, Logged, 1),
                (next_day, DeadLetter, 1),
            ],
        );
        written(&store, &[(next_day, DeadLetter, -1), (next_day, Logged, 1)]);
        let of = |day| counts(&*store, Table::Accounted, 1, day).unwrap();
        let today = Millis(DAY).day();
        assert_eq!(of(None).of(Logged), 3);
        assert_eq!(of(None).of(DeadLetter), 0);
        assert_eq!(of(Some(today)).of(Logged), 2);
        assert_eq!(of(Some(today + 1)).of(Logged), 1);
        let mut days = Vec::new();
        each_day(
            &*store,
            Table::Accounted,
            1,
            i64::MIN..=i64::MAX,
            |day, counts| {
                days.push((day - today, counts.of(Logged)));
            },
        )
        .unwrap();
        assert_eq!(days, [(0, 2), (1, 1)]);
        written(&store, &[(0, Logged, -2), (next_day, Logged, -1)]);
        assert!(of(None).is_zero());
        store
            .scan_table(Table::Accounted, &mut |_, sort, _| panic!("{sort:?} is left"))
            .unwrap();
    }
}
