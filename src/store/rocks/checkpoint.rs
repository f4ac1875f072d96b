//! Copies of the store as files.
//!
//! Rows in memory are written out first, so that a copy is tables and hardly any write-ahead log: the
//! log would be sent again with every snapshot, tables are sent once. Writers wait while the copy is
//! made, so all tables are as of one moment.

use super::errors::store_error;
use super::open::{self, not_a_store};
use super::options::Shared;
use super::read::View;
use super::{Db, RocksSettings};
use crate::store::{Checkpoint, Direction, Key, Read, SortRange, StoreError, Table, VisitRow, VisitTable};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

/// What manifests call this engine.
pub const ENGINE: &str = "rocksdb";

/// Names the list of files; RocksDB looks for it first.
pub const HEAD: &str = "CURRENT";

pub(super) fn create(db: &Db, writers: &RwLock<()>, into: &Path) -> Result<Checkpoint, StoreError> {
    let checkpoint = rocksdb::checkpoint::Checkpoint::new(db).map_err(store_error)?;
    let waiting = writers.write().unwrap_or_else(PoisonError::into_inner);
    checkpoint.create_checkpoint(into).map_err(store_error)?;
    drop(waiting);
    Ok(Checkpoint {
        engine: ENGINE.to_owned(),
        head: HEAD.to_owned(),
        copy: open_copy(into)?,
    })
}

/// Opens a copy to read only, with little memory.
pub(super) fn open_copy(path: &Path) -> Result<Box<dyn Read + Send>, StoreError> {
    if !path.join(HEAD).exists() {
        return Err(not_a_store(path, format!("no {HEAD}")));
    }
    let settings = RocksSettings {
        block_cache_mib: 8,
        write_buffer_mib: 8,
        max_open_files: 64,
        ..RocksSettings::default()
    };
    let shared = Shared::new(&settings);
    let names = open::tables_in(path)?;
    let db = open::read_only(path, &names, &settings, &shared)?;
    Ok(Box::new(Copy { db, _shared: shared }))
}

/// A copy, as long as someone reads it.
struct Copy {
    db: Db,
    _shared: Shared,
}

impl Copy {
    fn view(&self) -> View<'_> {
        View::latest(&self.db)
    }
}

impl Read for Copy {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.view().get(table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.view().multi_get(table, keys)
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
        self.view().scan(table, partition, range, direction, limit, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.view().scan_table(table, visit)
    }
}
