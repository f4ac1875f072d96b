//! Scans of one partition.

use super::*;
use crate::store::WHOLE;
use std::ops::Bound;

fn every_bound() -> Vec<Bound<&'static [u8]>> {
    let kinds = TRICKY
        .into_iter()
        .flat_map(|sort| [Bound::Included(sort), Bound::Excluded(sort)]);
    std::iter::once(Bound::Unbounded).chain(kinds).collect()
}

fn lies_in(sort: &[u8], range: SortRange<'_>) -> bool {
    let above = match range.0 {
        Bound::Unbounded => true,
        Bound::Included(from) => sort >= from,
        Bound::Excluded(from) => sort > from,
    };
    let below = match range.1 {
        Bound::Unbounded => true,
        Bound::Included(to) => sort <= to,
        Bound::Excluded(to) => sort < to,
    };
    above && below
}

pub(super) fn every_range_visits_what_lies_in_it(store: &dyn Store) {
    for table in [Table::Log, Table::Feed, BY_STARTED, TOTALS] {
        // Neighbours on both sides, so that a scan that leaves its partition finds something.
        for partition in [&b"m"[..], b"m\x00", b"l", b"n"] {
            for sort in TRICKY {
                put(store, table, partition, sort, sort);
            }
        }
    }
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        for table in [Table::Log, Table::Feed, BY_STARTED, TOTALS] {
            every_range_of(store, table);
        }
    }
}

fn every_range_of(store: &dyn Store, table: Table) {
    let mut sorts = TRICKY.map(<[u8]>::to_vec).to_vec();
    sorts.sort();
    for from in every_bound() {
        for to in every_bound() {
            let range = (from, to);
            let mut expected: Vec<_> = sorts.iter().filter(|sort| lies_in(sort, range)).collect();
            for direction in [Direction::Forward, Direction::Reverse] {
                if direction == Direction::Reverse {
                    expected.reverse();
                }
                for limit in [0, 1, 3, usize::MAX] {
                    let found = scan(store, table, b"m", range, direction, limit);
                    let found: Vec<_> = found.iter().map(|(sort, _)| sort).collect();
                    let expected = &expected[..expected.len().min(limit)];
                    assert_eq!(found, expected, "{table:?} {range:?} {direction:?} {limit}");
                }
            }
        }
    }
}

pub(super) fn several_partitions_are_scanned_in_the_order_asked_for(store: &dyn Store) {
    for table in [Table::Log, Table::Feed, TOTALS] {
        for partition in TRICKY {
            for sort in TRICKY.iter().filter(|sort| sort.len() != partition.len()) {
                put(store, table, partition, sort, partition);
            }
        }
    }
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        for table in [Table::Log, Table::Feed, TOTALS] {
            let asked = [&b"ab"[..], b"not there", b"a", b"", b"\xff", b"a"];
            let mut expected = Vec::new();
            for (place, partition) in asked.into_iter().enumerate() {
                let rows = scan(store, table, partition, WHOLE, Direction::Forward, usize::MAX);
                expected.extend(rows.into_iter().map(|(sort, value)| (place, sort, value)));
            }
            for limit in [1, 7, usize::MAX] {
                let mut found = Vec::new();
                let visit = &mut |place: usize, sort: &[u8], value: &[u8]| {
                    found.push((place, sort.to_vec(), value.to_vec()));
                    if found.len() == limit {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                store.scan_partitions(table, &asked, visit).unwrap();
                assert_eq!(found, expected[..limit.min(expected.len())], "{table:?}");
            }
        }
    }
}

pub(super) fn a_scan_stays_in_its_partition(store: &dyn Store) {
    for partition in TRICKY {
        for sort in TRICKY {
            put(store, Table::Log, partition, sort, partition);
        }
    }
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        for partition in TRICKY {
            for direction in [Direction::Forward, Direction::Reverse] {
                let rows = scan(store, Table::Log, partition, WHOLE, direction, usize::MAX);
                assert_eq!(rows.len(), TRICKY.len(), "{partition:?} {direction:?}");
                assert!(
                    rows.iter().all(|(_, value)| value == partition),
                    "{partition:?} {direction:?}"
                );
            }
        }
    }
}

pub(super) fn every_table_is_scanned_in_both_directions(store: &dyn Store) {
    let tables: Vec<Table> = Table::all().filter(|table| *table != Table::Meta).collect();
    for table in &tables {
        for partition in [b"p", b"q", b"r"] {
            for sort in [b"1", b"2", b"3"] {
                put(store, *table, partition, sort, b"");
            }
        }
    }
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        for table in &tables {
            let sorts = |direction| {
                let rows = scan(store, *table, b"q", WHOLE, direction, usize::MAX);
                rows.into_iter()
                    .map(|(sort, _)| sort)
                    .collect::<Vec<_>>()
                    .concat()
            };
            assert_eq!(sorts(Direction::Forward), b"123", "{table:?}");
            assert_eq!(sorts(Direction::Reverse), b"321", "{table:?}");
        }
    }
}

pub(super) fn a_missing_partition_has_no_rows(store: &dyn Store) {
    put(store, Table::Log, b"a", b"s", b"1");
    put(store, Table::Log, b"c", b"s", b"1");
    for flushed in [false, true] {
        if flushed {
            store.flush().unwrap();
        }
        for missing in [&b"b"[..], b"", b"a\x00", b"d"] {
            for direction in [Direction::Forward, Direction::Reverse] {
                assert_eq!(scan(store, Table::Log, missing, WHOLE, direction, usize::MAX), []);
            }
        }
    }
}

pub(super) fn a_visitor_stops_the_scan(store: &dyn Store) {
    for sort in [b"1", b"2", b"3"] {
        put(store, Table::Log, b"p", sort, b"");
    }
    let mut visited = 0;
    let mut stop_at_two = || {
        visited += 1;
        if visited % 2 == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    store
        .scan(
            Table::Log,
            b"p",
            WHOLE,
            Direction::Forward,
            usize::MAX,
            &mut |_, _| stop_at_two(),
        )
        .unwrap();
    store
        .scan_table(Table::Log, &mut |_, _, _| stop_at_two())
        .unwrap();
    assert_eq!(visited, 4);
}

pub(super) fn a_visitor_may_write_to_the_store(store: &dyn Store) {
    for sort in [b"1", b"2", b"3"] {
        put(store, Table::Log, b"p", sort, b"");
    }
    store
        .scan(
            Table::Log,
            b"p",
            WHOLE,
            Direction::Forward,
            usize::MAX,
            &mut |sort, _| {
                put(store, INSTANCES, sort, b"", b"");
                put(store, Table::Log, b"p", &[sort, b"+"].concat(), b"");
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert_eq!(all_rows(store, INSTANCES).len(), 3);
    assert_eq!(all_rows(store, Table::Log).len(), 6);
}
