//! Offsets that were not delivered: recorded, told apart, and never passed over in silence.

use super::*;

#[test]
fn offsets_that_were_passed_over_are_a_recorded_gap() {
    let store = store();
    let mut records = events(0, 0..5);
    records.extend(events(0, 8..10));
    records.extend(events(1, 3..5));
    let lows = [(0, 8)].into();
    run_with(
        &store,
        records,
        100,
        Observed {
            lows,
            ..Observed::default()
        },
        bundled(),
    );
    let found = gaps(&store);
    assert_eq!(
        found.len(),
        1,
        "a partition's first record is its start, not a gap: {found:?}"
    );
    assert_eq!((found[0].0, found[0].1.next, found[0].1.kind), (5, 8, 0));
    assert_eq!(differences(&store), Vec::<String>::new());
    let query = Query::new(store.clone(), Arc::default());
    assert_eq!(
        query.gap_counts().unwrap().offsets,
        [("expired".to_owned(), 3)].into()
    );

    run(&store, events(0, 12..13));
    assert_eq!(
        gaps(&store)[1].1.kind,
        2,
        "what the broker still holds was not expired"
    );
}

fn gap_kinds(store: &SharedStore) -> Vec<(u64, u8)> {
    let found = gaps(store);
    found.iter().map(|(first, gap)| (*first, gap.kind)).collect()
}

/// Accounts for these records and writes them, with what is known of the broker's first offset.
fn account(writer: &mut Writer, records: &[Scripted], low: Option<u64>) {
    let plan = bundled().plan(1).unwrap();
    for record in records {
        let raw = RawRecord {
            position: record.position,
            timestamp: Some(Millis(record.timestamp)),
            key: Some(b"key"),
            value: record.value.as_deref(),
            headers: RawHeaders::List(&record.headers),
        };
        let Admission::New { arrived_at } = writer.admit(&raw).unwrap() else {
            panic!("{} is known", record.position);
        };
        let (_, body) = wire::payload(raw.value).unwrap();
        let outcome = plan.event(body, record.position, arrived_at);
        writer.account(&raw, arrived_at, low, outcome);
    }
    writer.write().unwrap();
}

#[test]
fn a_loss_while_running_is_a_loss_once_the_broker_says_so() {
    let store = store();
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    account(&mut writer, &events(0, 0..5), None);
    // The low that is known is from before the outage, and proves nothing of this gap.
    account(&mut writer, &events(0, 8..10), Some(0));
    account(&mut writer, &events(0, 12..13), Some(0));
    let cut = writer.next();
    account(&mut writer, &events(0, 15..16), Some(0));
    // No answer makes nothing harmless for good.
    writer.settle_gaps(&[].into(), &cut).unwrap();
    assert_eq!(gap_kinds(&store), [(5, 2), (10, 2), (13, 2)]);
    writer.settle_gaps(&[(0, 11)].into(), &cut).unwrap();
    assert_eq!(gap_kinds(&store), [(5, 0), (10, 0), (13, 2)]);
    // What is settled is settled: later the broker holds none of it.
    writer.settle_gaps(&[(0, 11)].into(), &writer.next()).unwrap();
    writer.settle_gaps(&[(0, 16)].into(), &writer.next()).unwrap();
    assert_eq!(gap_kinds(&store), [(5, 0), (10, 0), (13, 2)]);
    let query = Query::new(store.clone(), Arc::default());
    assert_eq!(
        query.gap_counts().unwrap().offsets,
        [("expired".to_owned(), 5), ("undelivered".to_owned(), 2)].into()
    );
    assert_eq!(differences(&store), Vec::<String>::new());
}

fn ledger(store: &SharedStore) -> PartitionLedger {
    let query = Query::new(store.clone(), Arc::default()).of_topic(TOPIC);
    let request = LedgerRequest {
        partition: Some(0),
        days: Some(0..=40_000),
    };
    let ledger = query.ledger(&request).unwrap();
    assert_eq!(ledger.partitions.len(), 1);
    ledger.partitions.into_iter().next().unwrap()
}

#[test]
fn gaps_are_told_apart_by_what_is_known_of_the_topic() {
    let store = store();
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    account(&mut writer, &events(0, 0..1), None);
    // One offset: the marker of a transaction. Twenty: nobody knows.
    account(&mut writer, &events(0, 2..3), Some(0));
    account(&mut writer, &events(0, 23..24), Some(0));
    writer.learn(&Observed {
        unreadable: [(0, 25)].into(),
        ..Observed::default()
    });
    account(&mut writer, &events(0, 25..26), Some(0));
    account(&mut writer, &events(0, 27..28), Some(0));
    writer.learn(&Observed {
        compacted: Some(true),
        ..Observed::default()
    });
    account(&mut writer, &events(0, 60..61), Some(0));
    // Known to be gone before it was read.
    account(&mut writer, &events(0, 64..65), Some(63));
    assert_eq!(
        gap_kinds(&store),
        [(1, 2), (3, 1), (24, 1), (26, 2), (28, 3), (61, 0)]
    );
    let found = ledger(&store);
    let wanted = OffsetsByClass {
        pending: 7,
        transaction_marker: 2,
        compaction: 32,
        expired: 3,
        unexplained: 21,
        ..OffsetsByClass::default()
    };
    assert_eq!((found.start, found.next, found.offsets), (0, 65, wanted));
    assert!(!found.is_complete());
    assert_eq!(found.days.into_values().collect::<Vec<_>>(), [wanted]);
    // What turns out to be lost moves over.
    writer.settle_gaps(&[(0, 65)].into(), &writer.next()).unwrap();
    let lost = ledger(&store).offsets;
    assert_eq!((lost.expired, lost.sum()), (58, 65));
    assert_eq!(differences(&store), Vec::<String>::new());
    assert_eq!(ledger(&store).offsets.applied, 7);
    assert!(ledger(&store).is_complete());
}

#[test]
fn what_no_sum_accounts_for_is_unexplained() {
    let store = store();
    run(&store, events(0, 0..5));
    assert!(ledger(&store).is_complete());
    let generation = reads::active_generation(&*store).unwrap();
    let folded = Table::Projection(generation, ProjectionTable::Ledger);
    let (mut rows, mut key) = (Batch::new(), Key::default());
    keys::ledger(&mut key, 0, None);
    rows.delete(Table::Accounted, &key);
    rows.delete(folded, &key);
    store.write(&rows, Durability::Process).unwrap();
    let found = ledger(&store);
    assert_eq!((found.offsets.unexplained, found.is_complete()), (5, false));
}

#[test]
fn a_gap_that_nobody_judged_before_a_crash_is_judged_after_it() {
    let store = store();
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    account(&mut writer, &events(0, 0..5), None);
    account(&mut writer, &events(0, 8..10), None);
    drop(writer);
    run_with(
        &store,
        events(0, 9..12),
        100,
        Observed {
            lows: [(0, 8)].into(),
            asked: 1,
            answered: 1,
            ..Observed::default()
        },
        bundled(),
    );
    assert_eq!(gap_kinds(&store), [(5, 0)]);
    // And never again.
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    account(&mut writer, &events(0, 14..15), Some(8));
    writer.settle_gaps(&[(0, 12)].into(), &writer.next()).unwrap();
    writer.settle_gaps(&[(0, 15)].into(), &writer.next()).unwrap();
    assert_eq!(gap_kinds(&store), [(5, 0), (12, 2)]);
}

#[test]
fn what_expires_before_the_first_record_of_a_partition_was_read_is_a_recorded_loss() {
    let store = store();
    let seen = |low| Observed {
        partitions: 3,
        begins: [(0, 0), (1, 0), (2, low)].into(),
        lows: [(0, 0), (1, 0), (2, low)].into(),
        ends: [(0, 5), (2, low)].into_iter().collect(),
        asked: 1,
        answered: 1,
        ..Observed::default()
    };
    run_with(&store, events(0, 0..5), 100, seen(0), bundled());
    let rows: Vec<_> = reads::offsets(&*store, TOPIC).unwrap();
    let next: Vec<_> = rows.iter().map(|(number, row)| (*number, row.next)).collect();
    assert_eq!(next, [(0, 5), (1, 0), (2, 0)]);
    // It is away while five hundred records come and expire.
    let ran = run_with(&store, events(2, 501..502), 100, seen(501), bundled());
    assert_eq!(ran.fatal(), "");
    let found = gaps(&store);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1.next, found[0].1.kind), (0, 501, 0));
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn a_partition_begins_where_it_was_seen_first_even_when_its_records_come_before_that_is_written() {
    let (store, early) = (store(), store());
    let begins = Observed {
        begins: [(1, 3)].into(),
        ..Observed::default()
    };
    run_with(&store, events(1, 4..6), 100, begins.clone(), bundled());
    let answered = Observed {
        asked: 1,
        answered: 1,
        ..begins.clone()
    };
    run_with(&early, Vec::new(), 100, answered, bundled());
    run_with(&early, events(1, 4..6), 100, begins, bundled());
    assert_eq!(reads::offsets(&*store, TOPIC).unwrap()[0].1.start, 3);
    assert_eq!(digest(&store, TOPIC).unwrap(), digest(&early, TOPIC).unwrap());
    assert_eq!(gap_kinds(&store), [(3, 2)]);
}
