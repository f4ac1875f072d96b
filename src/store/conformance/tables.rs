//! Whole tables: clearing, splitting, scanning.

use super::*;

fn fill(store: &dyn Store, table: Table) {
    let mut batch = Batch::new();
    for partition in TRICKY {
        for sort in TRICKY {
            batch.put(table, &Key::new(partition, sort), b"1");
        }
    }
    store.write(&batch, Durability::Process).unwrap();
}

pub(super) fn a_cleared_table_is_empty_and_the_others_are_not(store: &dyn Store) {
    for flushed in [false, true] {
        for table in [Table::Log, BY_STARTED] {
            fill(store, table);
        }
        if flushed {
            store.flush().unwrap();
            // Some rows in files, some not.
            put(store, BY_STARTED, b"\xff\xff\xff", b"\xff", b"1");
        }
        store.clear(BY_STARTED).unwrap();
        assert_eq!(all_rows(store, BY_STARTED), []);
        assert_eq!(get(store, BY_STARTED, b"a", b"a"), None);
        assert_eq!(all_rows(store, Table::Log).len(), TRICKY.len() * TRICKY.len());
    }
}

pub(super) fn a_cleared_table_takes_new_rows(store: &dyn Store) {
    fill(store, INSTANCES);
    store.clear(INSTANCES).unwrap();
    put(store, INSTANCES, b"a", b"a", b"2");
    store.flush().unwrap();
    assert_eq!(
        all_rows(store, INSTANCES),
        [(b"a".to_vec(), b"a".to_vec(), b"2".to_vec())]
    );
}

pub(super) fn a_snapshot_sees_what_was_cleared_after_it(store: &dyn Store) {
    // Loaded, so that rows lie where an engine may drop them by the file.
    let mut batch = Batch::new();
    for number in 0..1_000u32 {
        batch.put(INSTANCES, &Key::new(&number.to_be_bytes(), b""), b"old");
    }
    store.load(&batch).unwrap();
    let before = all_rows(store, INSTANCES);
    let snapshot = store.snapshot();
    store.clear(INSTANCES).unwrap();
    assert_eq!(all_rows(store, INSTANCES), []);
    put(store, INSTANCES, &7u32.to_be_bytes(), b"", b"new");
    store.flush().unwrap();
    assert_eq!(all_rows(&*snapshot, INSTANCES), before);
    assert_eq!(
        get(&*snapshot, INSTANCES, &7u32.to_be_bytes(), b"").as_deref(),
        Some(&b"old"[..])
    );
    // Cleared and filled once more, with the same reader still there.
    store.clear(INSTANCES).unwrap();
    store.load(&batch).unwrap();
    store.reclaim(INSTANCES).unwrap();
    assert_eq!(all_rows(&*snapshot, INSTANCES), before);
    drop(snapshot);
    store.clear(INSTANCES).unwrap();
    assert_eq!(all_rows(store, INSTANCES), []);
}

pub(super) fn an_empty_table_is_cleared_and_split(store: &dyn Store) {
    store.clear(Table::Log).unwrap();
    for parts in [0, 1, 8] {
        let shares = split(store, Table::Log, parts).unwrap();
        assert_eq!(shares, [TableRange::whole(Table::Log)]);
    }
}

pub(super) fn a_split_covers_every_row_once_and_cuts_no_partition(store: &dyn Store) {
    for step in ["in memory", "in one file", "in two files", "in both"] {
        match step {
            "in one file" | "in two files" => store.flush().unwrap(),
            _ => fill(store, Table::Log),
        }
        if step == "in one file" {
            put(store, Table::Log, b"z", b"", b"1");
        }
        let expected = all_rows(store, Table::Log);
        for parts in [1, 2, 3, 7, 64] {
            let shares = split(store, Table::Log, parts).unwrap();
            assert!(
                (1..=parts).contains(&shares.len()),
                "{} shares for {parts}",
                shares.len()
            );
            let visited: Vec<Vec<TableRow>> = shares.iter().map(|range| share(store, range)).collect();
            for (index, rows) in visited.iter().enumerate() {
                assert!(
                    rows.is_sorted_by(|a, b| a.0 != b.0 || a.1 < b.1),
                    "a partition in order"
                );
                let others = visited.iter().enumerate().filter(|(other, _)| *other != index);
                for (_, other) in others {
                    assert!(
                        !other.iter().any(|row| rows.iter().any(|mine| mine.0 == row.0)),
                        "a partition is cut"
                    );
                }
            }
            let mut all = visited.concat();
            all.sort();
            assert_eq!(all, expected, "{step}, {parts} parts");
        }
    }
}

pub(super) fn a_split_of_one_partition_is_one_share(store: &dyn Store) {
    for number in 0..1000u32 {
        put(store, Table::Log, b"saga", &number.to_be_bytes(), b"1");
    }
    assert_eq!(split(store, Table::Log, 4).unwrap().len(), 1);
    store.flush().unwrap();
    assert_eq!(split(store, Table::Log, 4).unwrap().len(), 1);
}

pub(super) fn a_table_that_cannot_be_cut_is_one_share(store: &dyn Store) {
    fill(store, Table::Log);
    let snapshot = store.snapshot();
    assert!(store.ranges().is_none() && snapshot.ranges().is_none());
    let shares = split(store, Table::Log, 8).unwrap();
    assert_eq!(shares, [TableRange::whole(Table::Log)]);
    assert_eq!(share(&*snapshot, &shares[0]).len(), TRICKY.len() * TRICKY.len());
}

pub(super) fn shares_are_of_similar_size(store: &dyn Store) {
    const SAGAS: u32 = 4000;
    // Ids as services make them: text in hexadecimal digits, all over the range.
    let mut batch = Batch::new();
    for number in 0..SAGAS {
        let id = format!("{:08x}-saga", number.wrapping_mul(0x9e37_79b9));
        batch.put(Table::Log, &Key::new(id.as_bytes(), b""), &[7; 100]);
    }
    store.write(&batch, Durability::Process).unwrap();
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        let shares = split(store, Table::Log, 4).unwrap();
        let sizes: Vec<usize> = shares.iter().map(|range| share(store, range).len()).collect();
        assert_eq!(sizes.len(), 4, "{sizes:?}");
        assert!(sizes.iter().all(|size| (500..=1700).contains(size)), "{sizes:?}");
    }
}

pub(super) fn usage_counts_the_log(store: &dyn Store) {
    let before = store.usage();
    assert_eq!(before.log_rows, 0);
    for number in 0..100u32 {
        put(store, Table::Log, &number.to_be_bytes(), b"", &[1; 100]);
    }
    store.flush().unwrap();
    let after = store.usage();
    assert_eq!(after.log_rows, 100);
    assert!(after.disk_bytes + after.memory_bytes > before.disk_bytes + before.memory_bytes);
}

pub(super) fn a_reclaimed_table_holds_what_it_held(store: &dyn Store) {
    let value = [7; 1_000];
    for number in 0..2_000u32 {
        put(store, Table::Log, &number.to_be_bytes(), b"s", &value);
    }
    for number in 0..1_900u32 {
        delete(store, Table::Log, &number.to_be_bytes(), b"s");
    }
    let before = all_rows(store, Table::Log);
    store.reclaim(Table::Log).unwrap();
    assert_eq!(all_rows(store, Table::Log), before);
    assert!(store.table_bytes(Table::Log).unwrap() < 300 * 1_000);
    store.reclaim(Table::Gaps).unwrap();
}
