//! What is RocksDB's own: files that outlive the process, and what is found in them.

use super::*;
use crate::store::{Generation, ProjectionTable};
use std::ops::ControlFlow;
use std::time::SystemTime;
use tempfile::TempDir;

const INSTANCES: Table = Table::Projection(Generation::A, ProjectionTable::Instances);

fn open(dir: &TempDir) -> Result<RocksStore, StoreError> {
    RocksStore::open(
        dir.path(),
        &RocksSettings {
            write_buffer_mib: 8,
            ..RocksSettings::default()
        },
    )
}

fn put(store: &RocksStore, table: Table, partition: &[u8], value: &[u8], durability: Durability) {
    let mut batch = Batch::new();
    batch.put(table, &Key::new(partition, b""), value);
    store.write(&batch, durability).unwrap();
}

fn get(store: &RocksStore, table: Table, partition: &[u8]) -> Option<Vec<u8>> {
    store.get(table, &Key::new(partition, b"")).unwrap()
}

fn set_format(store: &RocksStore, value: Option<&str>) {
    let mut key = Key::default();
    keys::meta(&mut key, totals::FORMAT);
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put_with(Table::Meta, &key, |bytes| MetaRecord { value }.write(bytes)),
        None => batch.delete(Table::Meta, &key),
    }
    store.write(&batch, Durability::Power).unwrap();
}

/// Every file with its length and the time of its last change.
fn files(dir: &TempDir) -> Vec<(String, u64, SystemTime)> {
    let mut files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            (
                entry.file_name().into_string().unwrap(),
                about.len(),
                about.modified().unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn rows_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    put(&store, Table::Log, b"process", b"1", Durability::Process);
    put(&store, Table::Log, b"power", b"2", Durability::Power);
    put(&store, INSTANCES, b"none", b"3", Durability::None);
    store.flush().unwrap();
    drop(store);
    let store = open(&dir).unwrap();
    assert_eq!(get(&store, Table::Log, b"process").as_deref(), Some(&b"1"[..]));
    assert_eq!(get(&store, Table::Log, b"power").as_deref(), Some(&b"2"[..]));
    assert_eq!(get(&store, INSTANCES, b"none").as_deref(), Some(&b"3"[..]));
}

fn load(store: &RocksStore, rows: impl Iterator<Item = u32>) {
    let mut batch = Batch::new();
    for row in rows {
        batch.put(INSTANCES, &Key::new(&row.to_be_bytes(), b""), b"value");
    }
    store.load(&batch).unwrap();
}

fn files_at(store: &RocksStore, level: usize) -> u64 {
    let family = store.db.cf_handle(INSTANCES.name()).unwrap();
    let files = properties::num_files_at_level(level);
    store.db.property_int_value_cf(family, files).unwrap().unwrap()
}

#[test]
fn loaded_rows_are_there_after_reopening_and_lie_at_the_bottom() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    for round in 0..2u32 {
        // In the second round the table was filled before.
        store.clear(INSTANCES).unwrap();
        store.reclaim(INSTANCES).unwrap();
        load(&store, (0..1_000).rev());
        load(&store, 1_000..2_000);
        assert_eq!((files_at(&store, 0), files_at(&store, 6)), (0, 2), "{round}");
    }
    store.flush().unwrap();
    drop(store);
    let store = open(&dir).unwrap();
    for row in 0..2_000u32 {
        assert_eq!(
            get(&store, INSTANCES, &row.to_be_bytes()).as_deref(),
            Some(&b"value"[..])
        );
    }
}

#[test]
fn what_a_crash_left_of_a_load_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let folder = dir.path().join("loading");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("7.sst"), b"half").unwrap();
    let store = open(&dir).unwrap();
    assert!(!folder.exists());
    load(&store, 0..10);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_rows_of_the_log_are_counted_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    for number in 0..100u8 {
        put(&store, Table::Log, &[number], b"1", Durability::Process);
    }
    store.flush().unwrap();
    drop(store);
    assert_eq!(open(&dir).unwrap().usage().log_rows, 100);
}

#[test]
fn a_directory_that_is_not_there_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").join("store");
    let store = RocksStore::open(&path, &RocksSettings::default()).unwrap();
    put(&store, Table::Log, b"a", b"1", Durability::Process);
    assert!(path.join("CURRENT").exists());
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    match open(&dir).map(|_| ()) {
        Err(StoreError::Locked { path, .. }) => assert_eq!(path, dir.path().display().to_string()),
        other => panic!("{other:?}"),
    }
    drop(store);
    open(&dir).unwrap();
}

#[test]
fn another_format_version_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    set_format(&store, Some("6"));
    drop(store);
    let before = files(&dir);
    match open(&dir).map(|_| ()) {
        Err(StoreError::UnknownVersion {
            found: 6,
            expected: 5,
            way_out,
            ..
        }) => {
            assert!(way_out.contains("newer saga-tracker"), "{way_out}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(&dir), before);
}

#[test]
fn a_format_version_that_is_no_number_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    set_format(&store, Some("one"));
    drop(store);
    let refused = open(&dir).map(|_| ());
    assert!(matches!(&refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    match open(&dir).map(|_| ()) {
        Err(StoreError::NotAStore { detail, .. }) => assert!(detail.contains("notes.txt"), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(&dir).len(), 1);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for name in ["default", "users"] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = Db::open_cf(&options, dir.path(), [name]).unwrap();
        db.put_cf(db.cf_handle(name).unwrap(), b"theirs", b"1").unwrap();
        drop(db);
        let before = files(&dir);
        let refused = open(&dir).map(|_| ());
        assert!(
            matches!(&refused, Err(StoreError::NotAStore { .. })),
            "{name}: {refused:?}"
        );
        assert_eq!(files(&dir), before, "{name}");
    }
}

#[test]
fn a_creation_that_was_interrupted_is_carried_on() {
    let before_current = tempfile::tempdir().unwrap();
    for name in ["LOCK", "IDENTITY", "MANIFEST-000001", "000001.dbtmp"] {
        fs::write(before_current.path().join(name), "").unwrap();
    }
    let before_tables = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    drop(Db::open(&options, before_tables.path()).unwrap());
    let before_mark = tempfile::tempdir().unwrap();
    set_format(&open(&before_mark).unwrap(), None);

    for dir in [before_current, before_tables, before_mark] {
        let store = open(&dir).unwrap();
        put(&store, Table::Log, b"a", b"1", Durability::Process);
        drop(store);
        let store = open(&dir).unwrap();
        assert_eq!(get(&store, Table::Log, b"a").as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn a_store_with_rows_but_without_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    put(&store, Table::Log, b"a", b"1", Durability::Process);
    set_format(&store, None);
    drop(store);
    let refused = open(&dir).map(|_| ());
    assert!(
        matches!(&refused, Err(StoreError::NotAStore { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_damaged_file_is_reported_and_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    let value = |number: u32| format!("value {number} {number} {number}");
    for number in 0..5000u32 {
        put(
            &store,
            Table::Log,
            &number.to_be_bytes(),
            value(number).as_bytes(),
            Durability::Process,
        );
    }
    store.flush().unwrap();
    drop(store);
    let largest = files(&dir)
        .into_iter()
        .filter(|file| file.0.ends_with(".sst"))
        .max_by_key(|file| file.1);
    let file = dir.path().join(largest.unwrap().0);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    fs::write(&file, bytes).unwrap();

    let store = open(&dir).unwrap();
    let mut served = 0;
    let scanned = store.scan_table(Table::Log, &mut |partition, _, found| {
        let number = u32::from_be_bytes(partition.try_into().unwrap());
        assert_eq!(found, value(number).as_bytes());
        served += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(&scanned, Err(StoreError::Corrupt(_))), "{scanned:?}");
    assert!(served < 5000);
    let refused =
        (0..5000u32).filter(
            |number| match store.get(Table::Log, &Key::new(&number.to_be_bytes(), b"")) {
                Ok(found) => {
                    assert_eq!(found.unwrap(), value(*number).as_bytes());
                    false
                }
                Err(error) => {
                    assert!(matches!(&error, StoreError::Corrupt(_)), "{error:?}");
                    true
                }
            },
        );
    assert!(refused.count() > 0);
}

/// The files of a store that is open, as a killed process would leave them.
fn as_killed(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, ..) in files(dir) {
        fs::copy(dir.path().join(&name), copy.path().join(&name)).unwrap();
    }
    copy
}

#[test]
fn a_torn_write_ahead_log_loses_only_its_end_and_all_tables_agree() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    for number in 0..200u32 {
        let mut batch = Batch::new();
        for table in [Table::Log, Table::Feed, INSTANCES] {
            batch.put(table, &Key::new(&number.to_be_bytes(), b""), b"1");
        }
        store.write(&batch, Durability::Process).unwrap();
        if number == 100 {
            // One table's rows are in a file when the log is cut; the others' are not.
            store
                .db
                .flush_cf(family(&store.db, Table::Feed).unwrap())
                .unwrap();
        }
    }
    for cut in [0, 1, 7, 100, 1000, 3000] {
        let killed = as_killed(&dir);
        let logs = files(&killed).into_iter().filter(|file| file.0.ends_with(".log"));
        let newest = killed.path().join(logs.max_by(|a, b| a.0.cmp(&b.0)).unwrap().0);
        let length = fs::metadata(&newest).unwrap().len();
        fs::OpenOptions::new()
            .write(true)
            .open(&newest)
            .unwrap()
            .set_len(length - cut)
            .unwrap();

        let store = open(&killed).unwrap();
        let count = |table| {
            (0..200u32)
                .filter(|n| get(&store, table, &n.to_be_bytes()).is_some())
                .count()
        };
        let kept = u32::try_from(count(Table::Log)).unwrap();
        assert!((101..=200).contains(&kept), "{kept}");
        assert_eq!(kept == 200, cut == 0, "{kept} rows with {cut} bytes cut off");
        for table in [Table::Log, Table::Feed, INSTANCES] {
            assert!(
                (0..kept).all(|n| get(&store, table, &n.to_be_bytes()).is_some()),
                "{table:?}"
            );
            assert_eq!(count(table), kept as usize, "{table:?}");
        }
    }
}

#[test]
fn settings_have_defaults_and_refuse_unknown_names() {
    assert_eq!(
        toml::from_str::<RocksSettings>("").unwrap(),
        RocksSettings::default()
    );
    let settings: RocksSettings = toml::from_str("block_cache_mib = 7").unwrap();
    assert_eq!(settings.block_cache_mib, 7);
    let refused = toml::from_str::<RocksSettings>("block_cache = 7").unwrap_err();
    assert!(refused.to_string().contains("block_cache"), "{refused}");
}
