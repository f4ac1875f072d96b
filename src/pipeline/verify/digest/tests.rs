use super::*;
use crate::domain::Position;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, Happened};
use crate::store::records::{DeadLetterSummaryRecord, GapRecord, OffsetClass, OffsetCountsRecord};
use crate::store::{Batch, Durability, Key};
use crate::testkit::{TOPIC, mark_letter, store};

/// A row that its table may hold, as far as the digest looks into it.
fn row(table: Table) -> (Key, Vec<u8>) {
    let mut key = Key::default();
    match table {
        Table::Offsets => {
            keys::offsets(&mut key, "another topic", 3);
            let next = OffsetRecord {
                next: 7,
                ..OffsetRecord::default()
            };
            (key, next.to_bytes())
        }
        Table::Gaps => {
            keys::gap(&mut key, Position::new(1, 2));
            let gap = GapRecord {
                next: 5,
                kind: 0,
                broker_low: 5,
                arrived_at: 0,
            };
            (key, gap.to_bytes())
        }
        Table::Accounted => {
            let mut counts = OffsetCountsRecord::default();
            counts.add(OffsetClass::Logged, 1);
            keys::ledger(&mut key, 1, None);
            (key, counts.to_bytes())
        }
        _ => (Key::new(b"a row", b"of its own"), vec![1]),
    }
}

fn put(store: &SharedStore, table: Table) {
    let (key, value) = row(table);
    let mut batch = Batch::new();
    batch.put(table, &key, &value);
    store.write(&batch, Durability::Process).unwrap();
}

#[test]
fn a_row_of_any_table_changes_the_digest_unless_the_table_is_left_out_by_name() {
    let nothing = digest(&store(), TOPIC).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for table in Table::all() {
        let store = store();
        put(&store, table);
        let found = digest(&store, TOPIC).unwrap();
        let name = table.entry().name;
        match part(table, Generation::A) {
            InDigest::Whole | InDigest::Part(_) => {
                assert_ne!(found.total, nothing.total, "{table:?}");
                assert_ne!(found.tables[name], nothing.tables[name], "{table:?}");
                assert!(names.insert(name), "{name} stands for two tables");
            }
            InDigest::No(why) => {
                assert_eq!(found, nothing, "{table:?}");
                assert!(!why.is_empty());
            }
        }
    }
    assert_eq!(names.len(), nothing.tables.len());
}

#[test]
fn what_the_digest_is_of_is_named_beside_it() {
    let store = store();
    put(&store, Table::Offsets);
    let mut batch = Batch::new();
    reads::put_meta(&mut batch, totals::RETENTION_CURSOR, "12");
    reads::put_fold_rules(&mut batch, Generation::A, "{\"A\":[\"B\"]}");
    store.write(&batch, Durability::Process).unwrap();
    let found = digest(&store, TOPIC).unwrap();
    let read = BTreeMap::from([("another topic".to_owned(), BTreeMap::from([(3, 7)]))]);
    assert_eq!(found.topics, read);
    assert_eq!((found.applied, found.rules.as_str()), (12, "{\"A\":[\"B\"]}"));
}

#[test]
fn a_letter_of_an_unknown_schema_may_become_an_event_even_when_it_is_settled() {
    let (store, letter) = (store(), Position::new(0, 5));
    let listed = DeadLetterSummaryRecord {
        reason: UNKNOWN_SCHEMA,
        ..DeadLetterSummaryRecord::default()
    };
    let (mut key, mut batch) = (Key::default(), Batch::new());
    keys::by_offset(&mut key, letter);
    batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
    let mut changes = DeadLetterChanges::default();
    changes.add_letter(letter, &listed);
    let book = DeadLetterLock::default();
    DeadLetterLock::enter(&book.hold(), &*store, &mut batch, &changes).unwrap();
    store.write(&batch, Durability::Process).unwrap();
    let discarded = Happened::Discarded {
        by: "kim".to_owned(),
        why: "no schema has this id".to_owned(),
    };
    mark_letter(&store, letter, discarded);
    assert_eq!(digest(&store, TOPIC).unwrap().waiting_letters, 1);
}
