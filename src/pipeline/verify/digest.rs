//! A digest over everything that a store holds. Two trackers that were fed the same topics have the
//! same digest, whatever their batch sizes, crashes and rebuilds were.
//!
//! Per table: each row is hashed, and the hashes are added up, so that the order of the scan does
//! not matter and the scan can be split. The entry of each table says what goes in, or why nothing does.

use crate::domain::Cut;
use crate::pipeline::projector::{AtRestError, ProjectorHandle, ProjectorSettings};
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterCounts, counts};
use crate::store::records::{OffsetRecord, UNKNOWN_SCHEMA};
use crate::store::stoppable::{self, Stop};
use crate::store::{
    Generation, InDigest, PartOfValue, SharedStore, StoreError, StoreRead, Table, keys, reads, totals,
};
use std::collections::BTreeMap;

/// The digest of a store, and all that decides it: where two stores agree in `topics`, `applied` and
/// `rules`, they agree in the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The cut of the tracker topic that log and projections are of.
    pub at: Cut,
    /// By topic and partition, the next offset to read.
    pub topics: BTreeMap<String, BTreeMap<u32, u64>>,
    /// The next decision whose purge or restore is not done.
    pub applied: u64,
    /// Dead letters of unknown schemas, settled or not: they become events where the registry knows their schemas.
    pub waiting_letters: u64,
    /// The rules of the fold that the projections are made under.
    pub rules: String,
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

/// What the digest takes of a table.
fn part(table: Table, serving: Generation) -> InDigest {
    match table {
        Table::Projection(generation, _) if generation != serving => {
            InDigest::No("nobody is answered from it: it is empty, or being rebuilt")
        }
        table => table.entry().digest,
    }
}

/// The digest of all that a store holds which nobody moves. Projections must be caught up with the log.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn digest(store: &SharedStore, topic: &str) -> Result<Digest, StoreError> {
    digest_of(&*store.snapshot(), topic)
}

/// Makes digests of a running tracker's store.
#[derive(Clone)]
pub struct Digests {
    /// The store.
    pub store: SharedStore,
    /// Who folds it.
    pub projector: ProjectorHandle,
    /// The tracker topic.
    pub topic: String,
    /// How the projector works.
    pub settings: ProjectorSettings,
}

impl Digests {
    /// The digest of a moment at which the projections are the fold of all that the log holds. Reads all state;
    /// ends early when told to.
    ///
    /// # Errors
    /// [`AtRestError`].
    pub fn digest(&self, stop: Stop) -> Result<Digest, AtRestError> {
        let store = stoppable::until(self.store.clone(), stop);
        let look = |store: &dyn StoreRead| digest_of(store, &self.topic);
        Ok(self
            .projector
            .at_rest(&store, &self.topic, &self.settings, look)??)
    }
}

fn digest_of(snapshot: &dyn StoreRead, topic: &str) -> Result<Digest, StoreError> {
    let serving = reads::active_generation(snapshot)?;
    let mut tables = BTreeMap::new();
    let mut all = blake3::Hasher::new();
    for table in Table::all() {
        let of_value = match part(table, serving) {
            InDigest::Whole => None,
            InDigest::Part(of_value) => Some(of_value),
            InDigest::No(_) => continue,
        };
        let name = table.entry().name;
        let hex = table_sum(snapshot, table, of_value)?.to_hex();
        all.update(name.as_bytes()).update(hex.as_bytes());
        tables.insert(name.to_owned(), hex);
    }
    let applied = reads::meta(snapshot, totals::RETENTION_CURSOR)?;
    Ok(Digest {
        at: reads::log_cut(snapshot, topic)?,
        topics: topics(snapshot)?,
        applied: applied.and_then(|next| next.parse().ok()).unwrap_or(0),
        waiting_letters: counts(snapshot)?
            .get(UNKNOWN_SCHEMA)
            .map_or(0, DeadLetterCounts::total),
        rules: reads::fold_rules(snapshot, serving)?.unwrap_or_default(),
        total: all.finalize().to_hex().to_string(),
        tables,
    })
}

/// How far each topic is read.
fn topics(snapshot: &dyn StoreRead) -> Result<BTreeMap<String, BTreeMap<u32, u64>>, StoreError> {
    let mut topics: BTreeMap<String, BTreeMap<u32, u64>> = BTreeMap::new();
    reads::try_scan_table(snapshot, Table::Offsets, |topic, partition, value| {
        let topic = keys::parse_text("offsets", topic)?.to_owned();
        let partition = keys::parse_partition_number(partition)?;
        let next = OffsetRecord::read(value)?.next;
        topics.entry(topic).or_default().insert(partition, next);
        Ok(())
    })?;
    Ok(topics)
}

fn table_sum(
    snapshot: &dyn StoreRead,
    table: Table,
    of_value: Option<PartOfValue>,
) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    reads::try_scan_table(snapshot, table, |partition, sort, value| {
        let mut hasher = blake3::Hasher::new();
        for part in [partition, sort] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        match of_value {
            Some(of_value) => hasher.update(&of_value(value)?),
            None => hasher.update(value),
        };
        sum.add(Sum::of(&hasher.finalize()));
        Ok(())
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests;
