//! The storage port: partitioned ordered tables, and the layouts of what we keep in them.
//!
//! (table, partition key, sort key) → value. A partition is ordered by sort key; partitions have no
//! order among themselves. This is what RocksDB with concatenated keys, Cassandra, ScyllaDB and
//! DynamoDB share, so nothing above this module may know which of them it talks to, and every read
//! on a request's path is a scan inside one partition. What only some can do they offer beside it
//! ([`Checkpoints`], [`TableRanges`]). What the tables mean is not decided here.

mod batch;
pub mod carried;
pub mod cells;
mod census_records;
pub mod codec;
#[cfg(test)]
mod conformance;
pub mod contradicted;
#[cfg(test)]
pub(crate) mod counting;
mod dead_letter_marks;
mod dead_letter_records;
pub mod dead_letters;
pub mod disk;
mod error;
mod incident_records;
mod intervals;
mod kept;
mod key;
pub mod keys;
pub mod late;
mod late_records;
pub mod layer;
pub mod ledger;
mod ledger_records;
mod letter_states;
pub mod memory;
mod notice_records;
pub mod offsets;
#[cfg(test)]
pub(crate) mod plain;
mod projection_keys;
pub mod purged;
mod purged_records;
mod ranges;
pub mod reads;
pub mod records;
pub mod repeats;
pub mod rocks;
mod scan;
mod state_records;
pub mod stood_in;
pub mod stoppable;
mod table;
#[cfg(test)]
mod tests;
pub mod timelines;
pub mod totals;

pub use batch::{Batch, Op};
pub use error::StoreError;
pub use kept::KeptTables;
pub use keys::Key;
pub use ranges::{TableRange, TableRanges, scan_range, split};
pub use scan::{Scan, until};
pub use table::{
    Access, Generation, InDigest, PartOfValue, ProjectionTable, Proof, Reread, Table, TableEntry,
};

use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

/// How long a write has to last before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of the process; power loss may take back a suffix of such writes, never a
    /// part in the middle, and what is taken back is read from Kafka again.
    Process,
    /// Survives power loss, with everything written before.
    Power,
    /// May vanish until the next [`Store::flush`]. For tables that are built aside and thrown away
    /// when the build is interrupted.
    None,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending sort keys.
    Forward,
    /// Descending sort keys.
    Reverse,
}

/// The part of a partition that a scan visits.
pub type SortRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// All of a partition.
pub const WHOLE: SortRange<'static> = (Bound::Unbounded, Bound::Unbounded);

/// Called with sort key and value; may stop the scan.
pub type VisitRow<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;
/// Called with the place of a partition in a list, sort key and value; may stop the scan.
pub type VisitPartitions<'v> = dyn FnMut(usize, &[u8], &[u8]) -> ControlFlow<()> + 'v;
/// Called with partition key, sort key and value; may stop the scan.
pub type VisitTable<'v> = dyn FnMut(&[u8], &[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Reads. Both a [`Store`] (each call sees the latest) and a snapshot (all calls see one moment) do.
pub trait StoreRead {
    /// The value under a key.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot tell.
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values under several keys, in the keys' order.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot tell.
    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Visits the rows of one partition between two sort keys, in either direction, until the
    /// visitor stops or `limit` rows were visited.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot go on; rows visited before are valid.
    fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: SortRange<'_>,
        direction: Direction,
        limit: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError>;

    /// Visits all rows of several partitions: the partitions in the order given, each one's rows in the
    /// order of their sort keys. Called with the partition's place in `partitions`, sort key and value.
    /// Cheaper than as many scans.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot go on; rows visited before are valid.
    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        let mut stopped = false;
        for (place, partition) in partitions.iter().enumerate() {
            self.scan(
                table,
                partition,
                WHOLE,
                Direction::Forward,
                usize::MAX,
                &mut |sort, value| {
                    let flow = visit(place, sort, value);
                    stopped = flow.is_break();
                    flow
                },
            )?;
            if stopped {
                break;
            }
        }
        Ok(())
    }

    /// Visits every row of a table. All rows of a partition come together, in the order of their sort
    /// keys; partitions come in any order.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot go on.
    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError>;

    /// Shares of a table, for scans side by side, where the engine can cut one. Whoever does not care uses
    /// [`split`] and [`scan_range`].
    fn ranges(&self) -> Option<&dyn TableRanges> {
        None
    }
}

/// A store of partitioned ordered tables.
pub trait Store: StoreRead + Send + Sync + 'static {
    /// A view of one moment. Cheap. Several threads may read it.
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_>;

    /// Applies all of the batch, or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the batch is applied.
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;

    /// Applies a batch table by table: all of one table's writes, or none. They may vanish until the
    /// next [`Store::flush`], as with [`Durability::None`]. Made for megabytes at a time, into tables that are
    /// built aside: dearer per call than [`Store::write`], cheaper per row.
    ///
    /// # Errors
    /// [`StoreError`]; then some tables' writes may be applied and others' not.
    fn load(&self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch, Durability::None)
    }

    /// Removes every row of a table. Not atomic: a crash may leave some, and nobody else may write to the
    /// table meanwhile. Snapshots taken before see all of its rows still; while they are read their room
    /// may stay taken, even after this returned, until the table is cleared again.
    ///
    /// # Errors
    /// [`StoreError`] when the engine refuses.
    fn clear(&self, table: Table) -> Result<(), StoreError>;

    /// Makes everything written so far survive power loss, [`Durability::None`] included.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    fn flush(&self) -> Result<(), StoreError>;

    /// Makes every write so far that was at least [`Durability::Process`] survive power loss.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    fn sync(&self) -> Result<(), StoreError>;

    /// Gives the room of removed and overwritten rows of a table back. Takes as long as reading and
    /// writing the table, and up to [`Store::table_bytes`] more room meanwhile; reads and writes go on.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    fn reclaim(&self, table: Table) -> Result<(), StoreError>;

    /// What a table takes up on disk; 0 where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot tell.
    fn table_bytes(&self, table: Table) -> Result<u64, StoreError>;

    /// Copies of the store as files, where the engine makes them.
    fn checkpoints(&self) -> Option<&dyn Checkpoints> {
        None
    }

    /// What the store takes up, for metrics and `doctor`.
    fn usage(&self) -> Usage;
}

/// What an engine that keeps files of its own on this machine can do beyond a [`Store`].
pub trait Checkpoints {
    /// Makes a consistent copy of the store, of one moment, as files in the directory `into`, which
    /// must not exist and should lie on the store's own disk: what never changes is linked, not
    /// copied. Writes go on meanwhile. The files are never changed by anyone, and a file that two
    /// copies share is the same file in both.
    ///
    /// # Errors
    /// [`StoreError`]; then there may be a part of a copy, which the caller removes.
    fn checkpoint(&self, into: &Path) -> Result<Checkpoint, StoreError>;
}

/// A consistent copy of a store, as files.
pub struct Checkpoint {
    /// Whose files these are.
    pub engine: String,
    /// The file without which the others are no store: whoever puts them somewhere puts it last.
    pub head: String,
    /// The copy, to read: exactly what the files hold.
    pub copy: Box<dyn StoreRead + Send>,
}

/// A store to pass around.
pub type SharedStore = Arc<dyn Store>;

/// What a store takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on disk, all tables.
    pub disk_bytes: u64,
    /// Bytes of memory that the engine holds for caches and unwritten rows.
    pub memory_bytes: u64,
    /// Rows of the log, estimated.
    pub log_rows: u64,
}
