//! The sums of the ledger are what the rows add up to: by partition and day, and over all days.

use super::report::Differences;
use crate::store::codec::Record;
use crate::store::ledger::OffsetSums;
use crate::store::records::{OffsetClass, OffsetCountsRecord};
use crate::store::{KeptTables, ProjectionTable, StoreError, StoreRead, Table, keys, reads};
use std::collections::{BTreeMap, BTreeSet};

/// What the entries of the feed came to, as they were met.
#[derive(Default)]
pub(super) struct Met {
    /// By partition and day of arrival.
    pub(super) sums: OffsetSums,
    /// By partition, dead letters that were removed: when they arrived nobody knows any more.
    pub(super) undated: BTreeMap<u32, i64>,
}

/// A partition, and a day or all of its days.
type Place = (u32, Option<i64>);
type Rows = BTreeMap<Place, OffsetCountsRecord>;

/// Holds the stored sums against what was met, and what the fold says of it against what was logged.
pub(super) fn check(
    store: &dyn StoreRead,
    met: &Met,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let stored = rows(store, Table::Accounted)?;
    let mut wanted = Rows::new();
    for ((partition, day), counts) in met.sums.iter() {
        wanted.entry((partition, Some(day))).or_default().add_all(counts);
        wanted.entry((partition, None)).or_default().add_all(counts);
    }
    for (partition, letters) in &met.undated {
        add_undated(&stored, &mut wanted, *partition, *letters);
    }
    compare(&stored, &wanted, differences);
    let serving = reads::active_generation(store)?;
    if KeptTables::of(store, serving)?.has(ProjectionTable::Ledger) {
        let folded = rows(store, Table::Projection(serving, ProjectionTable::Ledger))?;
        compare_folded(&stored, &folded, differences);
    }
    Ok(())
}

/// Dead letters that were removed count on whatever days the stored sums have more than is there.
fn add_undated(stored: &Rows, wanted: &mut Rows, partition: u32, letters: i64) {
    let class = OffsetClass::DeadLetter;
    let mut left = letters;
    let days = stored.range((partition, Some(i64::MIN))..=(partition, Some(i64::MAX)));
    for (place, counts) in days {
        let there = wanted.get(place).map_or(0, |counts| counts.of(class));
        let more = (counts.of(class) - there).clamp(0, left);
        left -= more;
        wanted.entry(*place).or_default().add(class, more);
    }
    wanted.entry((partition, None)).or_default().add(class, letters);
}

fn compare(stored: &Rows, wanted: &Rows, differences: &mut Differences) {
    let places: BTreeSet<&Place> = stored.keys().chain(wanted.keys()).collect();
    for place in places {
        let [here, there] = [stored, wanted].map(|rows| rows.get(place).copied().unwrap_or_default());
        for class in OffsetClass::ACCOUNTED {
            let (here, there) = (here.of(class), there.of(class));
            if here != there {
                let (class, of) = (class.as_str(), shown(*place));
                differences
                    .add(|| format!("accounted, {of}: {here} are {class}, the rows add up to {there}"));
            }
        }
    }
}

fn compare_folded(stored: &Rows, folded: &Rows, differences: &mut Differences) {
    let places: BTreeSet<&Place> = stored.keys().chain(folded.keys()).collect();
    for place in places {
        let [logged, folded] = [stored, folded].map(|rows| rows.get(place).copied().unwrap_or_default());
        let logged = logged.of(OffsetClass::Logged);
        let folded = folded.sum(&OffsetClass::FOLDED);
        if logged != folded {
            let of = shown(*place);
            differences
                .add(|| format!("ledger, {of}: {logged} offsets were logged, {folded} are in a class"));
        }
    }
}

fn rows(store: &dyn StoreRead, table: Table) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    reads::try_scan_table(store, table, |partition, sort, value| {
        let place = (
            keys::parse_partition_number(partition)?,
            keys::parse_ledger_day(sort)?,
        );
        rows.insert(place, OffsetCountsRecord::read(value)?);
        Ok(())
    })?;
    Ok(rows)
}

fn shown((partition, day): Place) -> String {
    match day {
        Some(day) => format!("partition {partition}, day {day}"),
        None => format!("partition {partition}, all days"),
    }
}
