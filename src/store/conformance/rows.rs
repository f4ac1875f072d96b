//! Single rows, batches and snapshots.

use super::*;
use std::thread;

pub(super) fn a_row_is_read_as_it_was_written(store: &dyn Store) {
    for partition in TRICKY {
        for sort in TRICKY {
            put(
                store,
                Table::Log,
                partition,
                sort,
                &[partition, b"|", sort].concat(),
            );
        }
    }
    for partition in TRICKY {
        for sort in TRICKY {
            assert_eq!(
                get(store, Table::Log, partition, sort),
                Some([partition, b"|", sort].concat())
            );
        }
    }
}

pub(super) fn a_row_that_was_never_written_is_missing(store: &dyn Store) {
    put(store, INSTANCES, b"saga", b"", b"1");
    assert_eq!(get(store, INSTANCES, b"sag", b""), None);
    assert_eq!(get(store, INSTANCES, b"saga", b"a"), None);
    assert_eq!(get(store, INSTANCES, b"sagas", b""), None);
}

pub(super) fn a_row_is_overwritten(store: &dyn Store) {
    put(store, INSTANCES, b"saga", b"", b"1");
    put(store, INSTANCES, b"saga", b"", b"2");
    assert_eq!(get(store, INSTANCES, b"saga", b"").as_deref(), Some(&b"2"[..]));
    assert_eq!(all_rows(store, INSTANCES).len(), 1);
}

pub(super) fn a_deleted_row_is_missing(store: &dyn Store) {
    put(store, INSTANCES, b"saga", b"", b"1");
    delete(store, INSTANCES, b"saga", b"");
    delete(store, INSTANCES, b"never there", b"");
    assert_eq!(get(store, INSTANCES, b"saga", b""), None);
    assert_eq!(all_rows(store, INSTANCES), []);
}

pub(super) fn tables_share_no_rows(store: &dyn Store) {
    for table in Table::all().filter(|table| *table != Table::Meta) {
        put(store, table, b"p", b"s", table.name().as_bytes());
    }
    for table in Table::all().filter(|table| *table != Table::Meta) {
        let row = (b"p".to_vec(), b"s".to_vec(), table.name().as_bytes().to_vec());
        assert_eq!(all_rows(store, table), [row]);
    }
}

pub(super) fn empty_keys_and_values_are_keys_and_values(store: &dyn Store) {
    put(store, Table::Log, b"", b"", b"");
    assert_eq!(get(store, Table::Log, b"", b"").as_deref(), Some(&b""[..]));
    assert_eq!(all_rows(store, Table::Log), [(vec![], vec![], vec![])]);
}

pub(super) fn writes_of_a_batch_to_one_row_apply_in_order(store: &dyn Store) {
    let (kept, gone) = (Key::new(b"p", b"kept"), Key::new(b"p", b"gone"));
    for sorted in [false, true] {
        let mut batch = Batch::new();
        batch.put(TOTALS, &gone, b"1");
        batch.delete(TOTALS, &kept);
        batch.put(TOTALS, &kept, b"1");
        batch.delete(TOTALS, &gone);
        batch.put(TOTALS, &kept, b"2");
        if sorted {
            batch.sort();
        }
        store.write(&batch, Durability::Process).unwrap();
        assert_eq!(store.get(TOTALS, &kept).unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(store.get(TOTALS, &gone).unwrap(), None);
    }
}

pub(super) fn a_batch_appended_to_another_applies_behind_it(store: &dyn Store) {
    let (both, second) = (Key::new(b"p", b"both"), Key::new(b"q", b""));
    let mut batch = Batch::new();
    batch.put(TOTALS, &both, b"first");
    let mut more = Batch::new();
    more.put(INSTANCES, &second, b"second");
    more.delete(TOTALS, &Key::new(b"never", b"there"));
    more.put(TOTALS, &both, b"second");
    batch.append(&more);
    store.write(&batch, Durability::Process).unwrap();
    for (table, key) in [(TOTALS, &both), (INSTANCES, &second)] {
        assert_eq!(store.get(table, key).unwrap().as_deref(), Some(&b"second"[..]));
    }
}

pub(super) fn a_batch_over_several_tables_is_seen_whole_or_not_at_all(store: &dyn Store) {
    const WRITES: u32 = 300;
    let tables = [Table::Log, Table::Feed, INSTANCES];
    let key = Key::new(b"p", b"s");
    thread::scope(|threads| {
        threads.spawn(|| {
            for number in 1..=WRITES {
                let mut batch = Batch::new();
                for table in tables {
                    batch.put(table, &key, &number.to_be_bytes());
                }
                store.write(&batch, Durability::Process).unwrap();
            }
        });
        loop {
            let snapshot = store.snapshot();
            let seen = tables.map(|table| snapshot.get(table, &key).unwrap());
            assert!(seen.iter().all(|value| *value == seen[0]), "{seen:?}");
            if seen[0].as_deref() == Some(&WRITES.to_be_bytes()[..]) {
                break;
            }
        }
    });
}

pub(super) fn an_empty_batch_changes_nothing(store: &dyn Store) {
    put(store, Table::Log, b"p", b"s", b"1");
    store.write(&Batch::new(), Durability::Power).unwrap();
    assert_eq!(all_rows(store, Table::Log).len(), 1);
}

pub(super) fn several_keys_are_answered_in_their_order(store: &dyn Store) {
    for number in 0..100u8 {
        put(store, INSTANCES, &[number], b"", &[number]);
    }
    let asked = [7, 200, 3, 3, 99, 0, 255, 50];
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        let keys = asked.map(|number| Key::new(&[number], b""));
        let expected = asked.map(|number| (number < 100).then(|| vec![number]));
        assert_eq!(store.multi_get(INSTANCES, &keys).unwrap(), expected);
        assert_eq!(store.snapshot().multi_get(INSTANCES, &keys).unwrap(), expected);
        assert_eq!(
            store.multi_get(INSTANCES, &[]).unwrap(),
            Vec::<Option<Vec<u8>>>::new()
        );
    }
}

pub(super) fn every_durability_is_visible_at_once(store: &dyn Store) {
    for (sort, durability) in [Durability::Process, Durability::Power, Durability::None]
        .into_iter()
        .enumerate()
    {
        let key = Key::new(b"p", &[u8::try_from(sort).unwrap()]);
        let mut batch = Batch::new();
        batch.put(BY_STARTED, &key, b"1");
        store.write(&batch, durability).unwrap();
        assert!(store.get(BY_STARTED, &key).unwrap().is_some());
    }
    store.sync().unwrap();
    store.flush().unwrap();
    assert_eq!(all_rows(store, BY_STARTED).len(), 3);
}

pub(super) fn a_snapshot_sees_no_later_write(store: &dyn Store) {
    put(store, Table::Log, b"p", b"changed", b"old");
    put(store, Table::Log, b"p", b"deleted", b"old");
    let snapshot = store.snapshot();
    let before = all_rows(&*snapshot, Table::Log);
    put(store, Table::Log, b"p", b"changed", b"new");
    put(store, Table::Log, b"p", b"added", b"new");
    put(store, Table::Log, b"q", b"added", b"new");
    delete(store, Table::Log, b"p", b"deleted");
    store.flush().unwrap();

    assert_eq!(all_rows(&*snapshot, Table::Log), before);
    assert_eq!(
        get(&*snapshot, Table::Log, b"p", b"changed").as_deref(),
        Some(&b"old"[..])
    );
    assert_eq!(get(&*snapshot, Table::Log, b"p", b"added"), None);
    let keys = [Key::new(b"p", b"deleted"), Key::new(b"q", b"added")];
    assert_eq!(
        snapshot.multi_get(Table::Log, &keys).unwrap(),
        [Some(b"old".to_vec()), None]
    );
    let rows = scan(
        &*snapshot,
        Table::Log,
        b"p",
        crate::store::WHOLE,
        Direction::Reverse,
        10,
    );
    assert_eq!(rows.len(), 2);

    assert_eq!(
        get(store, Table::Log, b"p", b"changed").as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(all_rows(store, Table::Log).len(), 3);
}

pub(super) fn a_snapshot_is_read_by_several_threads(store: &dyn Store) {
    for number in 0..100u8 {
        put(store, Table::Log, &[number], b"", &[number]);
    }
    let snapshot = store.snapshot();
    let shares = split(store, Table::Log, 4).unwrap();
    let rows: usize = thread::scope(|threads| {
        let reads: Vec<_> = shares
            .iter()
            .map(|range| threads.spawn(|| share(&*snapshot, range).len()))
            .collect();
        reads.into_iter().map(|read| read.join().unwrap()).sum()
    });
    assert_eq!(rows, 100);
}
