//! Opening a store: first a look without writing, then the real thing.

use super::errors::{open_error, store_error};
use super::options::{self, Shared};
use super::read::View;
use super::settings::RocksSettings;
use super::{Db, FORMAT_VERSION};
use crate::store::codec::Record;
use crate::store::records::MetaRecord;
use crate::store::{Key, StoreError, StoreRead, Table, keys, totals};
use rocksdb::{ColumnFamilyDescriptor, InfoLogger, LogLevel, Options};
use std::path::Path;
use std::{fs, io};

/// RocksDB's own column family; holds nothing.
const DEFAULT: &str = "default";

/// What the look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No store, or one whose creation was interrupted before it was marked as ours.
    Nothing,
    /// A store of this version.
    Store,
}

/// Looks at the directory and refuses, before anything is written, what this version must not touch.
pub(super) fn look(path: &Path, settings: &RocksSettings, shared: &Shared) -> Result<Found, StoreError> {
    if !is_database(path)? {
        return Ok(Found::Nothing);
    }
    let names = tables_in(path)?;
    if !names.iter().any(|name| name == Table::Meta.name())
        && names.iter().any(|name| name != DEFAULT && !is_ours(name))
    {
        return Err(not_a_store(
            path,
            format!("a RocksDB database with the tables {}", names.join(", ")),
        ));
    }
    let db = read_only(path, &names, settings, shared)?;
    match format_version(&db, &names)? {
        Some(FORMAT_VERSION) => {}
        Some(found) => return Err(unknown_version(path, found)),
        None if is_empty(&db, &names)? => return Ok(Found::Nothing),
        None => {
            return Err(not_a_store(
                path,
                "a RocksDB database without our format version".to_owned(),
            ));
        }
    }
    match names.iter().find(|name| *name != DEFAULT && !is_ours(name)) {
        Some(name) => Err(not_a_store(
            path,
            format!("a table {name} that this version does not know"),
        )),
        None => Ok(Found::Store),
    }
}

/// Opens what is there for reading, and leaves no trace of it.
pub(super) fn read_only(
    path: &Path,
    names: &[String],
    settings: &RocksSettings,
    shared: &Shared,
) -> Result<Db, StoreError> {
    let mut database = options::database(settings, shared);
    database.create_if_missing(false);
    database.create_missing_column_families(false);
    database.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Error, |_, _| {}));
    let tables = descriptors(names, settings, shared);
    Db::open_cf_descriptors_read_only(&database, path, tables, false).map_err(|e| open_error(path, e))
}

/// The tables in the directory.
pub(super) fn tables_in(path: &Path) -> Result<Vec<String>, StoreError> {
    Db::list_cf(&Options::default(), path).map_err(|e| open_error(path, e))
}

/// Opens the store, with all its tables; those that are missing are created.
pub(super) fn open(path: &Path, settings: &RocksSettings, shared: &Shared) -> Result<Db, StoreError> {
    let names: Vec<String> = std::iter::once(DEFAULT.to_owned())
        .chain(Table::all().map(|table| table.name().to_owned()))
        .collect();
    let database = options::database(settings, shared);
    let tables = descriptors(&names, settings, shared);
    Db::open_cf_descriptors(&database, path, tables).map_err(|e| open_error(path, e))
}

fn descriptors(names: &[String], settings: &RocksSettings, shared: &Shared) -> Vec<ColumnFamilyDescriptor> {
    let options_of = |name: &str| {
        let table = Table::all().find(|table| table.name() == name);
        table.map_or_else(Options::default, |table| options::table(table, settings, shared))
    };
    names
        .iter()
        .map(|name| ColumnFamilyDescriptor::new(name, options_of(name)))
        .collect()
}

fn is_ours(name: &str) -> bool {
    Table::all().any(|table| table.name() == name)
}

/// Whether the directory holds a database. An error when it holds anything else; what the creation
/// of a database leaves when it is interrupted counts as nothing.
fn is_database(path: &Path) -> Result<bool, StoreError> {
    let disk = |error: io::Error| StoreError::Disk(format!("{}: {error}", path.display()));
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(disk(error)),
    };
    let mut strangers = Vec::new();
    for entry in entries {
        let name = entry.map_err(disk)?.file_name().to_string_lossy().into_owned();
        if name == "CURRENT" {
            return Ok(true);
        }
        if !may_precede_a_database(&name) {
            strangers.push(name);
        }
    }
    match strangers.first() {
        Some(name) => Err(not_a_store(path, format!("other files, e.g. {name}"))),
        None => Ok(false),
    }
}

/// Files that RocksDB makes before `CURRENT`, and the directory that a new file system comes with.
fn may_precede_a_database(name: &str) -> bool {
    let exact = ["LOCK", "IDENTITY", "lost+found"];
    let starts = ["LOG", "MANIFEST-", "OPTIONS-"];
    exact.contains(&name) || starts.iter().any(|start| name.starts_with(start)) || name.ends_with(".dbtmp")
}

fn format_version(db: &Db, names: &[String]) -> Result<Option<u32>, StoreError> {
    if !names.iter().any(|name| name == Table::Meta.name()) {
        return Ok(None);
    }
    let mut key = Key::default();
    keys::meta(&mut key, totals::FORMAT);
    let Some(bytes) = View::latest(db).get(Table::Meta, &key)? else {
        return Ok(None);
    };
    let record = MetaRecord::read(&bytes)?;
    let version = record.value.parse();
    version
        .map(Some)
        .map_err(|_| StoreError::Corrupt(format!("format version \"{}\"", record.value)))
}

fn is_empty(db: &Db, names: &[String]) -> Result<bool, StoreError> {
    for name in names {
        let Some(family) = db.cf_handle(name) else {
            continue;
        };
        let mut rows = db.raw_iterator_cf(family);
        rows.seek_to_first();
        rows.status().map_err(store_error)?;
        if rows.valid() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unknown_version(path: &Path, found: u32) -> StoreError {
    let way_out = if found > FORMAT_VERSION {
        "start the newer saga-tracker that wrote it, or move the directory away and let this one read the topic again"
    } else {
        "upgrade it with the last saga-tracker that reads it, or move the directory away and let this one read the topic again"
    };
    StoreError::UnknownVersion {
        path: path.display().to_string(),
        found,
        expected: FORMAT_VERSION,
        way_out,
    }
}

pub(super) fn not_a_store(path: &Path, detail: String) -> StoreError {
    StoreError::NotAStore {
        path: path.display().to_string(),
        detail,
    }
}
