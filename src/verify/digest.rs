//! A digest over everything that a store holds. Two trackers that were fed the same topic have the
//! same digest, whatever their batch sizes, crashes and rebuilds were.
//!
//! Per table: each row is hashed, and the hashes are added up, so that the order of the scan does
//! not matter and the scan can be split. Left out, with the reason: `meta` (which generation serves,
//! how far letters are published), `redrives` (who asked this replica for what; what came of it is in
//! `letter_marks`) and `audit` (who asked this replica for anything), which are this replica's own
//! affair; of a gap what the broker still held when it was found.

use crate::domain::Cut;
use crate::store::codec::Record;
use crate::store::records::GapRecord;
use crate::store::{ProjectionTable, Read, SharedStore, StoreError, Table, TableRange, read};
use std::collections::BTreeMap;

/// The digest of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The cut that it is the digest of.
    pub at: Cut,
    /// Over all tables, hexadecimal.
    pub total: String,
    /// Per table, hexadecimal.
    pub tables: BTreeMap<String, String>,
}

/// A sum of row hashes: four lanes of 64 bits, each modulo 2^64.
#[derive(Clone, Copy, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, other: Sum) {
        for (lane, by) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(by);
        }
    }

    fn of(hash: &blake3::Hash) -> Self {
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            *lane = bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        }
        Self(lanes)
    }

    fn to_hex(self) -> String {
        self.0.iter().map(|lane| format!("{lane:016x}")).collect()
    }
}

/// The digest of all that a store holds. Projections must be caught up with the log.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn digest(store: &SharedStore, topic: &str) -> Result<Digest, StoreError> {
    let snapshot = store.snapshot();
    let generation = read::active_generation(&*snapshot)?;
    let evidence = [
        ("log", Table::Log),
        ("feed", Table::Feed),
        ("offsets", Table::Offsets),
        ("dead_letters", Table::DeadLetters),
        ("letters", Table::Letters),
        ("letter_marks", Table::LetterMarks),
        ("letters_by_event", Table::LettersByEvent),
        ("gaps", Table::Gaps),
        ("purged", Table::Purged),
        ("archived", Table::Archived),
        ("holds", Table::Holds),
        ("decisions", Table::Decisions),
    ];
    let projections = [
        ("instances", ProjectionTable::Instances),
        ("timelines", ProjectionTable::Timelines),
        ("by_order", ProjectionTable::ByOrder),
        ("by_started", ProjectionTable::ByStarted),
        ("by_updated", ProjectionTable::ByUpdated),
        ("counts", ProjectionTable::Counts),
        ("totals", ProjectionTable::Totals),
    ]
    .map(|(name, table)| (name, Table::Projection(generation, table)));
    let mut tables = BTreeMap::new();
    let mut all = blake3::Hasher::new();
    for (name, table) in evidence.into_iter().chain(projections) {
        let hex = table_sum(&*snapshot, table)?.to_hex();
        all.update(name.as_bytes()).update(hex.as_bytes());
        tables.insert(name.to_owned(), hex);
    }
    Ok(Digest {
        at: read::log_cut(&*snapshot, topic)?,
        total: all.finalize().to_hex().to_string(),
        tables,
    })
}

fn table_sum(snapshot: &dyn Read, table: Table) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let whole = TableRange {
        table,
        from: None,
        to: None,
    };
    read::try_scan_table(snapshot, &whole, |partition, sort, value| {
        sum.add(Sum::of(&row_hash(table, partition, sort, value)?));
        Ok(())
    })?;
    Ok(sum)
}

fn row_hash(table: Table, partition: &[u8], sort: &[u8], value: &[u8]) -> Result<blake3::Hash, StoreError> {
    let mut hasher = blake3::Hasher::new();
    for part in [partition, sort] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    if table == Table::Gaps {
        hasher.update(&GapRecord::read(value)?.next.to_be_bytes());
    } else {
        hasher.update(value);
    }
    Ok(hasher.finalize())
}
