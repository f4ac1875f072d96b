//! What every engine must do, and what those must that offer more: one list each, instantiated for each
//! engine.

mod copies;
mod model;
mod rows;
mod scans;
mod tables;

use super::memory::MemoryStore;
use super::plain::PlainStore;
use super::rocks::{RocksSettings, RocksStore};
use super::{
    Batch, Direction, Durability, Generation, Key, ProjectionTable, Read, SortRange, Store, Table,
    TableRange, scan_range, split,
};
use std::ops::ControlFlow;

/// What engines of this list must do: a module of tests for each.
macro_rules! behaviours {
    ($list:ident: $($engine:ident),+ => $behaviours:tt) => {
        mod $list {
            $(behaviours!(@$engine $behaviours);)+
        }
    };
    (@$engine:ident { $($room:ident: $($name:ident),+;)+ }) => {
        mod $engine {
            use crate::store::conformance as all;
            $($(
                #[test]
                fn $name() {
                    all::$engine(all::$room::$name);
                }
            )+)+
        }
    };
}

behaviours! { every_engine: memory, rocks, plain => {
    rows:
        a_row_is_read_as_it_was_written,
        a_row_that_was_never_written_is_missing,
        a_row_is_overwritten,
        a_deleted_row_is_missing,
        tables_share_no_rows,
        empty_keys_and_values_are_keys_and_values,
        writes_of_a_batch_to_one_row_apply_in_order,
        a_batch_appended_to_another_applies_behind_it,
        a_batch_over_several_tables_is_seen_whole_or_not_at_all,
        an_empty_batch_changes_nothing,
        several_keys_are_answered_in_their_order,
        every_durability_is_visible_at_once,
        a_snapshot_sees_no_later_write,
        a_snapshot_is_read_by_several_threads;
    scans:
        every_range_visits_what_lies_in_it,
        several_partitions_are_scanned_in_the_order_asked_for,
        a_scan_stays_in_its_partition,
        every_table_is_scanned_in_both_directions,
        a_missing_partition_has_no_rows,
        a_visitor_stops_the_scan,
        a_visitor_may_write_to_the_store;
    tables:
        a_cleared_table_is_empty_and_the_others_are_not,
        a_cleared_table_takes_new_rows,
        a_snapshot_sees_what_was_cleared_after_it,
        an_empty_table_is_cleared_and_split,
        a_split_covers_every_row_once_and_cuts_no_partition,
        a_split_of_one_partition_is_one_share,
        a_reclaimed_table_holds_what_it_held,
        usage_counts_the_log;
    model:
        any_sequence_of_operations_agrees_with_a_naive_model;
} }

behaviours! { engines_that_cut_tables: memory, rocks => {
    tables:
        shares_are_of_similar_size;
} }

behaviours! { engines_of_files: memory, rocks => {
    copies:
        a_copy_is_of_one_moment_and_takes_no_later_write,
        a_copy_needs_a_directory_that_is_not_there,
        copies_made_while_rows_are_written_hold_whole_batches;
} }

behaviours! { engines_without: plain => {
    tables:
        a_table_that_cannot_be_cut_is_one_share;
    copies:
        a_store_that_makes_no_copies_offers_none;
} }

fn memory(behaviour: fn(&dyn Store)) {
    behaviour(&MemoryStore::new());
}

fn rocks(behaviour: fn(&dyn Store)) {
    let directory = tempfile::tempdir().unwrap();
    behaviour(&RocksStore::open(directory.path(), &small()).unwrap());
}

fn plain(behaviour: fn(&dyn Store)) {
    behaviour(&PlainStore::default());
}

/// Settings that keep a test's store small.
fn small() -> RocksSettings {
    RocksSettings {
        block_cache_mib: 4,
        write_buffer_mib: 8,
        max_wal_mib: 8,
        longest_read: std::time::Duration::ZERO,
        ..RocksSettings::default()
    }
}

const INSTANCES: Table = Table::Projection(Generation::A, ProjectionTable::Instances);
const BY_STARTED: Table = Table::Projection(Generation::A, ProjectionTable::ByStarted);
const TOTALS: Table = Table::Projection(Generation::B, ProjectionTable::Totals);

/// Texts that an encoding could confuse with each other.
const TRICKY: [&[u8]; 12] = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"\x00\x01",
    b"\x00\xff",
    b"\x01",
    b"a",
    b"a\x00",
    b"a\x00\x01b",
    b"ab",
    b"\xff",
    b"\xff\xff",
];

fn put(store: &dyn Store, table: Table, partition: &[u8], sort: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(table, &Key::new(partition, sort), value);
    store.write(&batch, Durability::Process).unwrap();
}

fn delete(store: &dyn Store, table: Table, partition: &[u8], sort: &[u8]) {
    let mut batch = Batch::new();
    batch.delete(table, &Key::new(partition, sort));
    store.write(&batch, Durability::Process).unwrap();
}

fn get(store: &dyn Read, table: Table, partition: &[u8], sort: &[u8]) -> Option<Vec<u8>> {
    store.get(table, &Key::new(partition, sort)).unwrap()
}

type Row = (Vec<u8>, Vec<u8>);

fn scan(
    store: &dyn Read,
    table: Table,
    partition: &[u8],
    range: SortRange<'_>,
    direction: Direction,
    limit: usize,
) -> Vec<Row> {
    let mut rows = Vec::new();
    store
        .scan(table, partition, range, direction, limit, &mut |sort, value| {
            rows.push((sort.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

type TableRow = (Vec<u8>, Vec<u8>, Vec<u8>);

fn share(store: &dyn Read, range: &TableRange) -> Vec<TableRow> {
    let mut rows = Vec::new();
    scan_range(store, range, &mut |partition, sort, value| {
        rows.push((partition.to_vec(), sort.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

/// Every row of a table, by partition and sort key.
fn all_rows(store: &dyn Read, table: Table) -> Vec<TableRow> {
    let mut rows = Vec::new();
    store
        .scan_table(table, &mut |partition, sort, value| {
            rows.push((partition.to_vec(), sort.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows.sort();
    rows
}
