//! Replays on a store in memory: what was not delivered at first is filled in, and then nobody can
//! tell that it ever was missing.

use super::super::remaining::MAX_EMPTY_POLLS;
use super::super::writer::{Admission, Writer};
use super::*;
use crate::domain::SagaDefinitions;
use crate::pipeline::projector;
use crate::pipeline::registry::BundledSchema;
use crate::pipeline::verify::digest;
use crate::store::VisitRow;
use crate::store::layer::{Layer, Layered};
use crate::testkit::{TOPIC, differences, settings, store};
use proptest::prelude::*;
use saga_tracker_sdk::contract::{SagaEvent, SagaStatus, SagaType};
use saga_tracker_sdk::encoding::Encoder;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

const AT: i64 = 1_763_600_000_000;

fn record(partition: u32, offset: u64) -> OwnedRecord {
    let at = AT + i64::try_from(offset).unwrap() * 10;
    let status = match offset % 4 {
        0 => SagaStatus::Started,
        1 => SagaStatus::InProgress,
        2 => SagaStatus::Failed,
        _ => SagaStatus::Compensated,
    };
    let instant = jiff::Timestamp::from_millisecond(at).unwrap();
    let event = SagaEvent {
        event_id: format!("e-{}", (offset * 7 + u64::from(partition)) % 29),
        event_timestamp: instant,
        saga_id: format!("s{}", offset % 3),
        saga_type: SagaType::OrderCreation,
        step: "STEP".to_owned(),
        status,
        order_id: "o".to_owned(),
        metadata: None,
        recorded_at: instant,
    };
    let mut value = Encoder::published().unwrap().encode(&event, 1).unwrap();
    if offset % 11 == 5 {
        value.truncate(9);
    }
    // Half of those that name a dead letter have its value.
    if offset % 26 == 12 {
        value = record(partition, 5).value.unwrap();
    }
    let headers = if offset % 13 == 12 {
        let topics = DeadLetterTopics {
            topic: TOPIC.to_owned(),
            dlt_topic: String::new(),
        };
        let named = topics.headers_of(Position::new(partition, 5));
        named
            .map(|(name, value)| (name.to_owned(), Some(value.into_bytes())))
            .to_vec()
    } else {
        Vec::new()
    };
    OwnedRecord {
        position: Position::new(partition, offset),
        timestamp: Some(Millis(at)),
        key: Some(b"k".to_vec()),
        value: Some(value),
        headers,
        by_broker: false,
    }
}

fn ingest(store: &SharedStore, records: &[OwnedRecord]) {
    let schemas = BundledSchema::new().unwrap();
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    for chunk in records.chunks(7) {
        for record in chunk {
            let raw = record.raw();
            let Admission::New { arrived_at } = writer.admit(&raw).unwrap() else {
                panic!("known");
            };
            let (id, body) = wire::payload(raw.value).unwrap();
            let outcome = schemas.plan(id).unwrap().event(body, raw.position, arrived_at);
            writer.account(&raw, arrived_at, None, outcome);
        }
        writer.write().unwrap();
    }
    projector::catch_up_offline(store, TOPIC, &Arc::default(), &settings(1)).unwrap();
}

/// Replays chunks of records, as they would come from the topic.
fn replay(store: &SharedStore, chunks: &[Vec<OwnedRecord>]) -> ReplayDone {
    with_replay(store, |replay| {
        let rows = reads::offsets(&**store, TOPIC).unwrap().into_iter().collect();
        let mut done = ReplayDone::default();
        for chunk in chunks {
            replay.take(&rows, chunk.clone(), &mut done).unwrap();
        }
        done
    })
}

fn with_replay<T>(store: &SharedStore, work: impl FnOnce(&Replay) -> T) -> T {
    with_replay_beside(store, &DeadLetterLock::default(), work)
}

/// A replay that shares the account of dead letters and gaps with others.
fn with_replay_beside<T>(store: &SharedStore, book: &DeadLetterLock, work: impl FnOnce(&Replay) -> T) -> T {
    let definitions = Arc::new(SagaDefinitions::default());
    let (projector, thread) = projector::spawn(store.clone(), TOPIC, definitions, settings(1)).unwrap();
    let replay = Replay {
        store: store.clone(),
        settings: KafkaSettings {
            topic: TOPIC.to_owned(),
            ..KafkaSettings::default()
        },
        schemas: Arc::new(BundledSchema::new().unwrap()),
        projector,
        book: book.clone(),
        asked_for: Arc::default(),
        stop: CancellationToken::new(),
    };
    let done = work(&replay);
    drop(replay);
    thread.join().unwrap();
    done
}

fn meta_sums(store: &SharedStore) -> Vec<(String, u64)> {
    let families = [
        totals::GAP_COUNTS,
        totals::GAP_OFFSETS,
        totals::DEAD_LETTER_COUNTS,
        totals::REDRIVEN_COUNTS,
    ];
    let counts = families.map(|family| reads::meta_counts(&**store, family).unwrap());
    counts
        .into_iter()
        .flatten()
        .filter(|(_, count)| *count > 0)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_log_with_gaps_becomes_the_log_without(
        lost in prop::collection::btree_set((0u32..2, 1u64..59), 0..40),
        size in 1usize..30,
    ) {
        let all: Vec<OwnedRecord> = (0..2).flat_map(|p| (0..60).map(move |o| record(p, o))).collect();
        let whole = store();
        ingest(&whole, &all);
        let holed = store();
        let delivered: Vec<OwnedRecord> = all
            .iter()
            .filter(|record| !lost.contains(&(record.position.partition, record.position.offset)))
            .cloned()
            .collect();
        ingest(&holed, &delivered);
        // Some of it, then all of it, then all of it again.
        let some: Vec<OwnedRecord> = all.iter().step_by(3).cloned().collect();
        let first = replay(&holed, &[some]);
        prop_assert_eq!(differences(&holed), Vec::<String>::new());
        let chunks: Vec<Vec<OwnedRecord>> = all.chunks(size).map(<[OwnedRecord]>::to_vec).collect();
        let second = replay(&holed, &chunks);
        prop_assert_eq!(first.filled + second.filled, lost.len() as u64);
        prop_assert_eq!(second.known + second.filled, 120);
        prop_assert_eq!(differences(&holed), Vec::<String>::new());
        prop_assert_eq!(digest(&holed, TOPIC).unwrap(), digest(&whole, TOPIC).unwrap());
        prop_assert_eq!(meta_sums(&holed), meta_sums(&whole));
        let third = replay(&holed, &chunks);
        prop_assert_eq!((third.read, third.known, third.filled), (120, 120, 0));
        prop_assert_eq!(digest(&holed, TOPIC).unwrap(), digest(&whole, TOPIC).unwrap());
    }
}

#[test]
fn what_lies_before_the_start_of_the_store_is_left_alone() {
    let store = store();
    let late: Vec<OwnedRecord> = (10..20).map(|offset| record(0, offset)).collect();
    ingest(&store, &late);
    let before = digest(&store, TOPIC).unwrap();
    let all: Vec<OwnedRecord> = (0..20).map(|offset| record(0, offset)).collect();
    let done = replay(&store, &[all]);
    assert_eq!((done.before_start, done.known, done.filled), (10, 10, 0));
    assert_eq!(digest(&store, TOPIC).unwrap(), before);
}

#[test]
fn what_is_left_of_a_gap_are_its_runs() {
    assert_eq!(remaining(5, 10, &[]), [(5, 10)]);
    assert_eq!(remaining(5, 10, &[5, 6]), [(7, 10)]);
    assert_eq!(remaining(5, 10, &[7]), [(5, 7), (8, 10)]);
    assert_eq!(remaining(5, 10, &[5, 7, 9]), [(6, 7), (8, 9)]);
    assert_eq!(remaining(5, 10, &[5, 6, 7, 8, 9]), []);
}

/// Reads again what a broker gives that says so much, and then nothing any more.
fn read_again(given: Vec<Given>) -> (Result<(), ReplayError>, ReplayDone) {
    let store = store();
    let all: Vec<OwnedRecord> = (0..2).flat_map(|p| (0..6).map(move |o| record(p, o))).collect();
    ingest(&store, &all);
    with_replay(&store, |replay| {
        let rows = reads::offsets(&*store, TOPIC).unwrap().into_iter().collect();
        let (mut left, mut done) = (Remaining::default(), ReplayDone::default());
        for partition in 0..2 {
            left.add(partition, Share { next: 0, end: 6 });
        }
        let mut given = given.into_iter();
        let mut look = || given.next().unwrap_or(Given::Nothing);
        let read = replay.read(&mut look, &rows, left, &mut done, &mut |_| ());
        (read, done)
    })
}

#[test]
fn a_replay_that_the_broker_leaves_half_way_is_no_success() {
    let given = (0..4).map(|offset| Given::Record(record(1, offset)));
    let (read, done) = read_again(given.collect());
    let words = read.unwrap_err().to_string();
    assert!(words.starts_with("incomplete"), "{words}");
    assert!(
        words.contains("partition 0 from offset 0 up to 5, partition 1 from offset 4 up to 5."),
        "{words}"
    );
    // What came before counts.
    assert_eq!((done.read, done.known), (4, 4));
}

#[test]
fn records_are_kept_together_up_to_some_megabytes() {
    let store = store();
    let all: Vec<OwnedRecord> = (0..6).map(|offset| record(0, offset)).collect();
    ingest(&store, &all);
    let large = all.into_iter().map(|record| OwnedRecord {
        value: Some(vec![0; 5 << 20]),
        ..record
    });
    let mut given = large.map(Given::Record);
    let mut told = Vec::new();
    with_replay(&store, |replay| {
        let rows = reads::offsets(&*store, TOPIC).unwrap().into_iter().collect();
        let (mut left, mut done) = (Remaining::default(), ReplayDone::default());
        left.add(0, Share { next: 0, end: 6 });
        let mut look = || given.next().unwrap_or(Given::Nothing);
        let mut tell = |done: ReplayDone| told.push(done.read);
        replay.read(&mut look, &rows, left, &mut done, &mut tell).unwrap();
    });
    assert_eq!(told, [2, 4, 6]);
}

#[test]
fn a_replay_ends_where_the_broker_says_that_there_is_no_more() {
    let mut given: Vec<Given> = (0..7).map(|offset| Given::Record(record(1, offset))).collect();
    // A pause is no end; markers of a transaction are.
    given.extend((1..MAX_EMPTY_POLLS).map(|_| Given::Nothing));
    given.push(Given::Record(record(0, 3)));
    given.push(Given::End(0));
    let (read, done) = read_again(given);
    read.unwrap();
    assert_eq!(done.read, 7);
}

#[test]
fn what_is_filled_in_arrived_when_it_would_have() {
    const DAY: i64 = 86_400_000;
    // In one gap a clock that goes back, a wild one, and some that are a month ahead.
    let gap = [50, 20, 60_000 * DAY, 30, 30 * DAY, 31 * DAY, 29 * DAY, 40];
    let told = (4..11).chain(gap).chain([60, 70]);
    let all: Vec<OwnedRecord> = (0..)
        .zip(told)
        .map(|(offset, at)| OwnedRecord {
            timestamp: Some(Millis(AT + at)),
            ..record(0, offset)
        })
        .collect();
    let (whole, holed) = (store(), store());
    ingest(&whole, &all);
    let delivered = [&all[..7], &all[15..]].concat();
    ingest(&holed, &delivered);
    assert_eq!(replay(&holed, &[all]).filled, 8);
    let tables = |store: &SharedStore| digest(store, TOPIC).unwrap().tables;
    assert_eq!(tables(&holed), tables(&whole));
}

#[test]
fn what_is_not_folded_yet_is_not_filled_in() {
    let store = store();
    let all: Vec<OwnedRecord> = (0..20).map(|offset| record(0, offset)).collect();
    ingest(&store, &all[..10]);
    let before = digest(&store, TOPIC).unwrap();
    let done = replay(&store, std::slice::from_ref(&all));
    assert_eq!((done.known, done.filled), (10, 0));
    assert_eq!(digest(&store, TOPIC).unwrap(), before);
}

#[test]
fn what_is_filled_in_at_the_edge_of_a_bucket_arrived_when_it_would_have() {
    let edge = 1 << keys::FEED_BUCKET_BITS;
    for lost in [edge - 3..edge, edge..edge + 3, edge - 5..edge + 5] {
        // Clocks that go back: these records arrived with the one before them.
        let told = |record: &OwnedRecord| match record.timestamp {
            Some(at) if lost.contains(&record.position.offset) => Some(Millis(at.0 - 50_000)),
            at => at,
        };
        let all: Vec<OwnedRecord> = (edge - 12..edge + 12)
            .map(|offset| record(0, offset))
            .map(|record| OwnedRecord {
                timestamp: told(&record),
                ..record
            })
            .collect();
        let (whole, holed) = (store(), store());
        ingest(&whole, &all);
        let delivered = all
            .iter()
            .filter(|record| !lost.contains(&record.position.offset));
        ingest(&holed, &delivered.cloned().collect::<Vec<_>>());
        let filled = replay(&holed, std::slice::from_ref(&all)).filled;
        assert_eq!(filled, lost.end - lost.start);
        assert_eq!(
            digest(&holed, TOPIC).unwrap(),
            digest(&whole, TOPIC).unwrap(),
            "{lost:?}"
        );
    }
}

/// Tells when gaps were read, and then waits a moment for whoever was told.
struct Interrupting {
    read: mpsc::SyncSender<()>,
    done: Mutex<mpsc::Receiver<()>>,
}

impl Layer for Interrupting {
    const OVER_SNAPSHOTS: bool = false;

    fn scan(
        &self,
        inner: &(impl StoreRead + ?Sized),
        scan: Scan<'_>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        scan.visit(inner, visit)?;
        if scan.table() == Table::Gaps {
            self.read.send(()).unwrap();
            // Nobody comes while what was read is held.
            let _done = self.done.lock().unwrap().recv_timeout(Duration::from_millis(500));
        }
        Ok(())
    }
}

#[test]
fn a_gap_that_is_filled_while_gaps_are_settled_is_filled() {
    let all: Vec<OwnedRecord> = (0..20).map(|offset| record(0, offset)).collect();
    let (whole, holed) = (store(), store());
    ingest(&whole, &all);
    ingest(&holed, &[&all[..5], &all[10..]].concat());
    let book = DeadLetterLock::default();
    let ((read, was_read), (done, is_done)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    let done_there = Mutex::new(is_done);
    let interrupting = Interrupting {
        read,
        done: done_there,
    };
    let interrupted: SharedStore = Arc::new(Layered::over(holed.clone(), interrupting));
    let mut writer = Writer::open(interrupted, TOPIC)
        .unwrap()
        .sharing(book.clone(), "");
    let (beside, account, records) = (holed.clone(), book, all);
    let filling = std::thread::spawn(move || {
        was_read.recv().unwrap();
        with_replay_beside(&beside, &account, |replay| {
            let rows = reads::offsets(&*beside, TOPIC).unwrap().into_iter().collect();
            replay.take(&rows, records, &mut ReplayDone::default()).unwrap();
        });
        done.send(()).unwrap();
    });
    let cut = writer.next();
    writer.settle_gaps(&[(0, 12)].into(), &cut).unwrap();
    filling.join().unwrap();
    assert_eq!(gaps_of(&*holed, 0).unwrap(), []);
    assert_eq!(meta_sums(&holed), meta_sums(&whole));
    assert_eq!(differences(&holed), Vec::<String>::new());
}
