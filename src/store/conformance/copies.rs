//! Consistent copies as files.

use super::{BY_STARTED, INSTANCES, Table, all_rows, get, put};
use crate::store::{Batch, Checkpoint, Durability, Key, Store, StoreError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn copy(store: &dyn Store, into: &Path) -> Result<Checkpoint, StoreError> {
    store.checkpoints().unwrap().checkpoint(into)
}

pub(super) fn a_store_that_makes_no_copies_offers_none(store: &dyn Store) {
    assert!(store.checkpoints().is_none());
}

pub(super) fn a_copy_is_of_one_moment_and_takes_no_later_write(store: &dyn Store) {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..500_u32 {
        put(store, Table::Log, b"saga", &number.to_be_bytes(), b"event");
        put(store, INSTANCES, &number.to_be_bytes(), b"", b"state");
    }
    let before = all_rows(store, Table::Log);
    let checkpoint = copy(store, &directory.path().join("copy")).unwrap();
    put(store, Table::Log, b"saga", b"later", b"event");
    put(store, INSTANCES, &7_u32.to_be_bytes(), b"", b"changed");

    assert_eq!(all_rows(&*checkpoint.copy, Table::Log), before);
    assert_eq!(
        get(&*checkpoint.copy, INSTANCES, &7_u32.to_be_bytes(), b"").unwrap(),
        b"state"
    );
    assert!(directory.path().join("copy").join(&checkpoint.head).is_file());
    assert!(!checkpoint.engine.is_empty());
}

pub(super) fn a_copy_needs_a_directory_that_is_not_there(store: &dyn Store) {
    let directory = tempfile::tempdir().unwrap();
    put(store, Table::Log, b"saga", b"1", b"event");
    assert!(copy(store, directory.path()).is_err());
    assert!(copy(store, &directory.path().join("copy")).is_ok());
}

pub(super) fn copies_made_while_rows_are_written_hold_whole_batches(store: &dyn Store) {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0_u32;
            while !done.load(Ordering::Relaxed) {
                let mut batch = Batch::new();
                for table in [Table::Log, Table::Feed, BY_STARTED] {
                    batch.put(table, &Key::new(b"p", &number.to_be_bytes()), &[7; 100]);
                }
                batch.put(
                    Table::Offsets,
                    &Key::new(b"topic", b""),
                    &(number + 1).to_be_bytes(),
                );
                store.write(&batch, Durability::Process).unwrap();
                number += 1;
            }
        });
        let mut last = 0;
        for number in 0..5 {
            while get(store, Table::Offsets, b"topic", b"").is_none_or(|at| at < last_bytes(last + 50)) {
                std::thread::yield_now();
            }
            let checkpoint = copy(store, &directory.path().join(number.to_string())).unwrap();
            let copy = &*checkpoint.copy;
            let at = get(copy, Table::Offsets, b"topic", b"").unwrap();
            last = u32::from_be_bytes(at.try_into().unwrap());
            for table in [Table::Log, Table::Feed, BY_STARTED] {
                assert_eq!(all_rows(copy, table).len(), last as usize, "{table:?}");
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

fn last_bytes(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}
