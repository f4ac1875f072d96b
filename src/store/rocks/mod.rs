//! The RocksDB engine: one column family per table, partition and sort key joined into one key.
//!
//! # What survives what
//! Every write is one RocksDB batch. [`Durability::Process`] and [`Durability::Power`] go through the
//! write-ahead log, which all tables share: recovery replays it in order up to the first damage, so
//! after a crash the tables are all as of one moment, whichever of them had been written out before.
//! `Power` also waits until the log, with everything before it, is on the disk.
//!
//! [`Durability::None`] skips the log. Such rows reach the disk when their table happens to be
//! written out, each table for itself (atomic flushes would make every ordinary one write out all
//! tables). After a crash a table holds any subset of them: a build that used `None` is finished
//! only by [`Store::flush`], which writes out every table and syncs the log, and is marked as finished
//! by a `Power` write after it. Whoever finds no mark clears those tables and starts again.
//!
//! Column families are all created when the store is opened and never dropped, so the handle map
//! needs no lock: the single-threaded flavour of the API is the right one, from any thread.

mod checkpoint;
mod clear;
mod engine_key;
mod errors;
mod load;
mod open;
mod options;
mod read;
mod readers;
mod settings;
mod split;
#[cfg(test)]
mod tests;

pub use checkpoint::{ENGINE, HEAD};
pub use settings::RocksSettings;

use super::codec::Record;
use super::records::MetaRecord;
use super::{
    Batch, Checkpoint, Checkpoints, Direction, Durability, Key, SortRange, Store, StoreError, StoreRead,
    Table, TableRange, TableRanges, Usage, VisitPartitions, VisitRow, VisitTable, keys, totals,
};
use errors::store_error;
use load::Loader;
use options::Shared;
use read::{View, family};
use readers::Readers;
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DBWithThreadMode, FlushOptions, SingleThreaded,
    SnapshotWithThreadMode, WriteBatch, WriteOptions, properties,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

type Db = DBWithThreadMode<SingleThreaded>;
type Snapshot<'a> = SnapshotWithThreadMode<'a, Db>;

/// The version of everything this engine writes: tables, keys, records.
const FORMAT_VERSION: u32 = 5;

/// A store in a directory of its own.
pub struct RocksStore {
    db: Db,
    path: PathBuf,
    settings: RocksSettings,
    shared: Shared,
    loader: Loader,
    readers: Readers,
    /// Shared by writers; whoever takes it alone makes them wait.
    writers: RwLock<()>,
}

impl RocksStore {
    /// Opens the store in `path`; creates it when the directory is empty or not there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it open, [`StoreError::UnknownVersion`] and
    /// [`StoreError::NotAStore`] for what this version must not touch (nothing is written then), and
    /// whatever reading it brings to light.
    pub fn open(path: impl AsRef<Path>, settings: &RocksSettings) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let shared = Shared::new(settings);
        let found = open::look(path, settings, &shared)?;
        fs::create_dir_all(path).map_err(|e| StoreError::Disk(format!("{}: {e}", path.display())))?;
        let db = open::open(path, settings, &shared)?;
        let store = Self {
            db,
            loader: Loader::new(path)?,
            readers: Readers::default(),
            path: path.to_owned(),
            settings: settings.clone(),
            shared,
            writers: RwLock::default(),
        };
        if found == open::Found::Nothing {
            store.mark_as_ours()?;
        }
        Ok(store)
    }

    /// Whether `path` holds a store of this version. Changes nothing, and may be asked while another
    /// process has the store open.
    ///
    /// # Errors
    /// As [`RocksStore::open`], but never [`StoreError::Locked`].
    pub fn inspect(path: impl AsRef<Path>, settings: &RocksSettings) -> Result<bool, StoreError> {
        let found = open::look(path.as_ref(), settings, &Shared::new(settings))?;
        Ok(found == open::Found::Store)
    }

    /// Opens a copy that [`Checkpoints::checkpoint`] made, to read only. Changes nothing in its directory.
    ///
    /// # Errors
    /// As [`RocksStore::open`], and [`StoreError::NotAStore`] when there is none.
    pub fn open_copy(path: impl AsRef<Path>) -> Result<Box<dyn StoreRead + Send>, StoreError> {
        checkpoint::open_copy(path.as_ref())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn mark_as_ours(&self) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::meta(&mut key, totals::FORMAT);
        let mut batch = Batch::new();
        let version = FORMAT_VERSION.to_string();
        batch.put(Table::Meta, &key, &MetaRecord { value: &version }.to_bytes());
        self.write(&batch, Durability::Power)
    }

    fn latest(&self) -> View<'_> {
        View::latest(&self.db)
    }

    fn families(&self) -> Result<Vec<&ColumnFamily>, StoreError> {
        Table::all().map(|table| family(&self.db, table)).collect()
    }

    fn flush_tables(&self) -> Result<(), StoreError> {
        let families = self.families()?;
        let families: Vec<&&ColumnFamily> = families.iter().collect();
        self.db
            .flush_cfs_opt(&families, &FlushOptions::default())
            .map_err(store_error)
    }

    fn sum(&self, property: &properties::PropName) -> u64 {
        let families = Table::all().filter_map(|table| self.db.cf_handle(table.name()));
        families
            .filter_map(|family| self.db.property_int_value_cf(family, property).ok().flatten())
            .sum()
    }
}

impl StoreRead for RocksStore {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.latest().get(table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.latest().multi_get(table, keys)
    }

    fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: SortRange<'_>,
        direction: Direction,
        limit: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        self.latest()
            .scan(table, partition, range, direction, limit, visit)
    }

    fn scan_partitions(
        &self,
        table: Table,
        partitions: &[&[u8]],
        visit: &mut VisitPartitions<'_>,
    ) -> Result<(), StoreError> {
        self.latest().scan_partitions(table, partitions, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.latest().scan_table(table, visit)
    }

    fn ranges(&self) -> Option<&dyn TableRanges> {
        Some(self)
    }
}

impl TableRanges for RocksStore {
    fn split(&self, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
        self.latest().split(table, parts)
    }

    fn scan_range(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.latest().scan_range(range, visit)
    }
}

impl Store for RocksStore {
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
        Box::new(View::of_now(&self.db, &self.readers))
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut rows = WriteBatch::with_capacity_bytes(batch.byte_len() + batch.len() * 16);
        let mut key = Vec::with_capacity(128);
        let mut last: Option<(Table, &ColumnFamily)> = None;
        for op in batch.iter() {
            let family = match last {
                Some((table, family)) if table == op.table => family,
                _ => family(&self.db, op.table)?,
            };
            last = Some((op.table, family));
            key.clear();
            engine_key::join(op.partition, op.sort, &mut key);
            match op.value {
                Some(value) => rows.put_cf(family, &key, value),
                None => rows.delete_cf(family, &key),
            }
        }
        let mut options = WriteOptions::default();
        match durability {
            Durability::Process => {}
            Durability::Power => options.set_sync(true),
            Durability::None => options.disable_wal(true),
        }
        let _turn = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        self.db.write_opt(rows, &options).map_err(store_error)
    }

    fn load(&self, batch: &Batch) -> Result<(), StoreError> {
        let options = (&self.settings, &self.shared);
        self.loader.load(&self.db, options, &self.writers, batch)
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        clear::clear(&self.db, &self.readers, &self.settings, table)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.flush_tables()?;
        self.sync()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(store_error)
    }

    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        let family = family(&self.db, table)?;
        self.db.flush_cf(family).map_err(store_error)?;
        let mut options = CompactOptions::default();
        // One thread, beside whatever else has to be merged.
        options.set_exclusive_manual_compaction(false);
        // Without force, files that are at the bottom already keep what was removed from them.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db
            .compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    fn table_bytes(&self, table: Table) -> Result<u64, StoreError> {
        let family = family(&self.db, table)?;
        let bytes = self
            .db
            .property_int_value_cf(family, properties::TOTAL_SST_FILES_SIZE)
            .map_err(store_error)?;
        Ok(bytes.unwrap_or(0))
    }

    fn checkpoints(&self) -> Option<&dyn Checkpoints> {
        Some(self)
    }

    fn usage(&self) -> Usage {
        let log = self.db.cf_handle(Table::Log.name());
        let rows = log.and_then(|log| {
            self.db
                .property_int_value_cf(log, properties::ESTIMATE_NUM_KEYS)
                .ok()
        });
        let memory = self.shared.cache.get_usage() + self.shared.buffers.get_usage();
        Usage {
            disk_bytes: directory_bytes(&self.path),
            memory_bytes: memory as u64 + self.sum(properties::ESTIMATE_TABLE_READERS_MEM),
            log_rows: rows.flatten().unwrap_or(0),
        }
    }
}

impl Checkpoints for RocksStore {
    fn checkpoint(&self, into: &Path) -> Result<Checkpoint, StoreError> {
        // Once while writers go on, which takes its time. RocksDB does it once more, which is quick then:
        // so long writers wait, and nothing is in the log that would have to be copied.
        self.flush_tables()?;
        checkpoint::create(&self.db, &self.writers, into)
    }
}

/// Bytes of the files in a directory. Files may come and go meanwhile.
fn directory_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}
