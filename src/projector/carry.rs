//! Lets counters go on where they were when other projections come to serve. Under other rules a sum may
//! be smaller than it was; who reads it as a counter must not see it fall.

use crate::store::codec::Record;
use crate::store::records::TotalRecord;
use crate::store::{
    Batch, Generation, ProjectionTable, Read, StoreError, Table, TableRange, carried, keys, read, totals,
};
use std::collections::BTreeMap;

/// By name and member.
type Sums = BTreeMap<(Box<[u8]>, Box<[u8]>), i64>;

/// Adds to the batch that makes `fresh` serve what has to be carried over from `old`: so much that no counter
/// falls, and not more, so that going there and back leaves nothing.
pub(super) fn put(
    batch: &mut Batch,
    read: &dyn Read,
    old: Generation,
    fresh: Generation,
) -> Result<(), StoreError> {
    let (before, after) = (sums(read, old)?, sums(read, fresh)?);
    for (name, member) in before.keys().chain(after.keys()) {
        let name_text = keys::parse_text("totals", name)?;
        if totals::GAUGES.contains(&name_text) {
            continue;
        }
        let sum = |sums: &Sums| sums.get(&(name.clone(), member.clone())).copied().unwrap_or(0);
        let carried = carried::carried(read, name_text, member)?;
        let shown = sum(&before) + carried;
        carried::put_carried(batch, name_text, member, (shown - sum(&after)).max(0));
    }
    Ok(())
}

fn sums(read: &dyn Read, generation: Generation) -> Result<Sums, StoreError> {
    let whole = TableRange::whole(Table::Projection(generation, ProjectionTable::Totals));
    let mut sums = Sums::new();
    read::try_scan_table(read, &whole, |name, member, value| {
        let sum = TotalRecord::read(value)?.value;
        sums.insert((name.into(), member.into()), sum);
        Ok(())
    })?;
    Ok(sums)
}
