//! Many rows at once: sorted here and written as table files of their own, which RocksDB takes over as
//! they are. Such rows are never in the write-ahead log nor in a memtable, and are not written out a
//! second time.

use super::errors::store_error;
use super::read::family;
use super::settings::RocksSettings;
use super::{Db, Shared, engine_key, options};
use crate::store::{Batch, Op, StoreError, Table};
use rocksdb::{IngestExternalFileOptions, SstFileWriter, properties};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Where files are written before RocksDB takes them over, in the store's directory.
const FOLDER: &str = "loading";
/// So many files of a table may wait to be merged; RocksDB slows all writers down at twenty.
const MAX_WAITING_FILES: u64 = 12;
/// How long a load waits for them at most. More files only make writers slow, not wrong.
const TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Writes files and hands them over.
pub(super) struct Loader {
    folder: PathBuf,
    next: AtomicU64,
}

impl Loader {
    /// For the store in `path`, which must be held: removes what a crash left.
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let folder = path.join(FOLDER);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk(&folder, &error)),
            _ => Ok(Self {
                folder,
                next: AtomicU64::new(0),
            }),
        }
    }

    /// Applies the batch, each table's writes together.
    pub(super) fn load(
        &self,
        db: &Db,
        (settings, shared): (&RocksSettings, &Shared),
        writers: &RwLock<()>,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        fs::create_dir_all(&self.folder).map_err(|error| disk(&self.folder, &error))?;
        for table in batch.tables() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let file = self.folder.join(format!("{number}.sst"));
            let options = options::table(table, settings, shared);
            let written = write(&options, &file, || {
                batch.iter().filter(move |op| op.table == table)
            });
            let taken = written.and_then(|()| {
                wait_for_merges(db, table)?;
                let _turn = writers.read().unwrap_or_else(PoisonError::into_inner);
                let mut options = IngestExternalFileOptions::default();
                options.set_move_files(true);
                db.ingest_external_file_cf_opts(family(db, table)?, &options, vec![&file])
                    .map_err(store_error)
            });
            if taken.is_err() {
                // What was not taken over is nobody's; the next start removes it otherwise.
                let _gone = fs::remove_file(&file);
            }
            taken?;
        }
        Ok(())
    }
}

/// Writes one table's part of a batch into a file, in the order of keys.
fn write<'b, I: Iterator<Item = Op<'b>>>(
    options: &rocksdb::Options,
    file: &Path,
    ops: impl Fn() -> I,
) -> Result<(), StoreError> {
    let mut out = SstFileWriter::create(options);
    out.open(file).map_err(store_error)?;
    let mut put = |key: &[u8], value: Option<&[u8]>| {
        let written = match value {
            Some(value) => out.put(key, value),
            None => out.delete(key),
        };
        written.map_err(store_error)
    };
    // Rows that were made in the order of another table are in order already.
    if in_order(ops()) {
        let mut key = Vec::new();
        for op in ops() {
            key.clear();
            engine_key::join(op.partition, op.sort, &mut key);
            put(&key, op.value)?;
        }
    } else {
        let (rows, bytes) = ops().fold((0, 0), |(rows, bytes), op| {
            (rows + 1, bytes + op.partition.len() + op.sort.len())
        });
        let mut keys = Keys {
            bytes: Vec::with_capacity(bytes + rows * 4),
            rows: Vec::with_capacity(rows),
        };
        ops().for_each(|op| keys.add(&op));
        keys.visit_sorted(put)?;
    }
    out.finish().map_err(store_error)
}

/// Whether each key comes after the one before it.
fn in_order<'b>(ops: impl Iterator<Item = Op<'b>>) -> bool {
    let (mut last, mut key) = (Vec::new(), Vec::new());
    for op in ops {
        key.clear();
        engine_key::join(op.partition, op.sort, &mut key);
        // The first one comes after nothing: no key is empty.
        if key <= last {
            return false;
        }
        std::mem::swap(&mut last, &mut key);
    }
    true
}

/// Writes with their engine keys, to be put in order.
struct Keys<'b> {
    bytes: Vec<u8>,
    rows: Vec<Row<'b>>,
}

struct Row<'b> {
    first: u64,
    start: usize,
    end: usize,
    value: Option<&'b [u8]>,
}

impl<'b> Keys<'b> {
    fn add(&mut self, op: &Op<'b>) {
        let start = self.bytes.len();
        engine_key::join(op.partition, op.sort, &mut self.bytes);
        self.rows.push(Row {
            first: first_bytes(&self.bytes[start..]),
            start,
            end: self.bytes.len(),
            value: op.value,
        });
    }

    /// Of several writes to one row only the last, as if they had been applied in turn.
    fn visit_sorted(
        mut self,
        mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let bytes = self.bytes;
        let key = |row: &Row<'_>| &bytes[row.start..row.end];
        // Rows were added in the order in which their keys lie.
        self.rows.sort_unstable_by(|a, b| {
            let by_first = a.first.cmp(&b.first);
            by_first
                .then_with(|| key(a).cmp(key(b)))
                .then_with(|| a.start.cmp(&b.start))
        });
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            if rows.peek().is_none_or(|next| key(next) != key(row)) {
                visit(key(row), row.value)?;
            }
        }
        Ok(())
    }
}

/// The first eight bytes as a number; a shorter key sorts as if zeros followed.
fn first_bytes(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = key.len().min(8);
    first[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(first)
}

fn wait_for_merges(db: &Db, table: Table) -> Result<(), StoreError> {
    let family = family(db, table)?;
    let started = Instant::now();
    while started.elapsed() < TIMEOUT {
        let waiting = db
            .property_int_value_cf(family, properties::num_files_at_level(0))
            .map_err(store_error)?;
        if waiting.is_none_or(|files| files < MAX_WAITING_FILES) {
            break;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

fn disk(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Disk(format!("{}: {error}", path.display()))
}
