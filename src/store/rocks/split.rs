//! Where to cut a table so that several threads can scan it in about the same time.

use super::errors::store_error;
use super::read::{View, family};
use super::{Db, engine_key};
use crate::store::{StoreError, Table, TableRange, TableRanges, VisitTable};
use rocksdb::Range;
use std::collections::BTreeSet;

type EngineKey = Vec<u8>;

/// Probes per share. More make shares more even, and cutting dearer.
const PROBES: u64 = 16;

impl TableRanges for View<'_> {
    fn split(&self, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
        split(self.db, table, parts)
    }

    fn scan_range(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.visit_share(range, visit)
    }
}

/// Cuts a table into at most `parts` shares of whole partitions.
///
/// Candidates are the partitions in which files begin and end, and those found by probing evenly
/// between the first and the last key, which also finds rows that are in no file yet. Shares are then
/// made of about the same size on disk.
fn split(db: &Db, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
    let whole = TableRange::whole(table);
    let Some((first, last)) = ends(db, &whole)? else {
        return Ok(vec![whole]);
    };
    let mut candidates = file_ends(db, table)?;
    candidates.extend(probe(db, &whole, &first, &last, parts)?);
    let first_partition = engine_key::prefix_of(&first);
    candidates.retain(|cut| cut.as_slice() > first_partition && cut.as_slice() <= last.as_slice());
    let candidates: Vec<EngineKey> = candidates.into_iter().collect();
    let weights = weights(db, table, &first, &candidates, &last)?;
    Ok(shares(&whole, &candidates, &weights, parts))
}

/// The first and the last key.
fn ends(db: &Db, whole: &TableRange) -> Result<Option<(EngineKey, EngineKey)>, StoreError> {
    let view = View::latest(db);
    let mut rows = view.share(whole)?;
    let first = rows.key().map(<[u8]>::to_vec);
    rows.seek_to_last();
    let last = rows.key().map(<[u8]>::to_vec);
    rows.status().map_err(store_error)?;
    Ok(first.zip(last))
}

/// The partitions in which the table's files begin and end.
fn file_ends(db: &Db, table: Table) -> Result<BTreeSet<EngineKey>, StoreError> {
    let files = db.live_files().map_err(store_error)?;
    let keys = files
        .into_iter()
        .filter(|file| file.column_family_name == table.name())
        .flat_map(|file| [file.start_key, file.end_key]);
    Ok(keys
        .flatten()
        .map(|key| engine_key::prefix_of(&key).to_vec())
        .collect())
}

/// The partitions of the rows that follow evenly spaced keys.
fn probe(
    db: &Db,
    whole: &TableRange,
    first: &[u8],
    last: &[u8],
    parts: usize,
) -> Result<Vec<EngineKey>, StoreError> {
    let view = View::latest(db);
    let mut rows = view.share(whole)?;
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let (low, high) = (number(&first[common..]), number(&last[common..]));
    let probes = PROBES * parts as u64;
    let mut found = Vec::new();
    for step in 1..probes {
        let offset = u128::from(high - low) * u128::from(step) / u128::from(probes);
        let at = low + u64::try_from(offset).unwrap_or(0);
        rows.seek([&first[..common], &at.to_be_bytes()].concat());
        if let Some(key) = rows.key() {
            found.push(engine_key::prefix_of(key).to_vec());
        }
    }
    rows.status().map_err(store_error)?;
    Ok(found)
}

/// The first eight bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

/// About how much lies before each candidate, since the one before it, and behind the last. One more
/// than there are candidates.
fn weights(
    db: &Db,
    table: Table,
    first: &[u8],
    candidates: &[EngineKey],
    last: &[u8],
) -> Result<Vec<u64>, StoreError> {
    let starts = std::iter::once(first).chain(candidates.iter().map(Vec::as_slice));
    let ends = candidates.iter().map(Vec::as_slice).chain(std::iter::once(last));
    let ranges: Vec<Range<'_>> = starts
        .zip(ends)
        .map(|(start, end)| Range::new(start, end))
        .collect();
    let sizes = db.get_approximate_sizes_cf(family(db, table)?, &ranges);
    // Rows that are in no file yet have no size; then every candidate weighs the same.
    Ok(sizes.into_iter().map(|size| size.max(1)).collect())
}

fn shares(whole: &TableRange, candidates: &[EngineKey], weights: &[u64], parts: usize) -> Vec<TableRange> {
    let total: u64 = weights.iter().sum();
    let parts = parts.max(1) as u64;
    let mut shares = vec![whole.clone()];
    let mut before = 0;
    for (cut, weight) in candidates.iter().zip(weights) {
        before += weight;
        if before * parts >= total * shares.len() as u64 && (shares.len() as u64) < parts {
            if let Some(open) = shares.last_mut() {
                open.to = Some(cut.clone());
            }
            shares.push(TableRange {
                table: whole.table,
                from: Some(cut.clone()),
                to: None,
            });
        }
    }
    shares
}
