//! Ingest on a scripted source: what becomes of each offset, and what of a topic that went back.

mod gaps;

use super::origin::DeadLetterTopics;
use super::space::Boundless;
use super::writer::{Admission, Writer};
use super::{Ingest, IngestStatus};
use crate::domain::clock::SystemClock;
use crate::domain::{Cut, Millis, Position, SagaDefinitions, SagaId};
use crate::pipeline::decode::{DecodePlan, wire};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
use crate::pipeline::projector;
use crate::pipeline::query::{LedgerRequest, OffsetsByClass, PartitionLedger, Query};
use crate::pipeline::registry::{BundledSchema, SchemaError, SchemaSource};
use crate::pipeline::verify::digest;
use crate::store::dead_letters::{self, DeadLetterCounts, DeadLetterLock, Happened, Returned, ValueHash};
use crate::store::records::{DeadLetterRecord, DeadLetterSummaryRecord, GapRecord};
use crate::store::{Batch, Durability, Key, ProjectionTable, SharedStore, Table, codec::Record, keys, reads};
use crate::testkit;
use crate::testkit::{Room, TOPIC, differences, settings, store};
use saga_tracker_sdk::contract::{SagaEvent, SagaStatus, SagaType};
use saga_tracker_sdk::encoding::Encoder;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Scripted {
    pub(super) position: Position,
    pub(super) timestamp: i64,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Gives a list, then ends ingest.
struct ListSource {
    records: VecDeque<Scripted>,
    observed: Observed,
    shutdown: CancellationToken,
    reported: Arc<Mutex<Cut>>,
}

impl Source for ListSource {
    fn poll(
        &mut self,
        _idle: Duration,
        _timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        while let Some(record) = self.records.front() {
            let raw = RawRecord {
                position: record.position,
                timestamp: Some(Millis(record.timestamp)),
                key: Some(b"key"),
                value: record.value.as_deref(),
                headers: RawHeaders::List(&record.headers),
            };
            let taken = take(&raw);
            self.records.pop_front();
            if taken == Taken::Enough {
                return Ok(());
            }
        }
        self.shutdown.cancel();
        Ok(())
    }

    fn observed(&self) -> Observed {
        self.observed.clone()
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(Ends(self.observed.clone()))
    }

    fn report(&mut self, _stored: &Cut) {}

    fn report_finally(&mut self, stored: &Cut) {
        self.reported.lock().unwrap().clone_from(stored);
    }
}

struct Ends(Observed);

impl Broker for Ends {
    fn ask_end(&self, partition: u32) -> Option<u64> {
        Some(self.0.ends.next(partition))
    }

    fn ask_low(&self, _: u32) -> Option<u64> {
        None
    }

    fn observed(&self) -> Option<Observed> {
        Some(self.0.clone())
    }
}

pub(super) fn record(partition: u32, offset: u64, saga: &str, status: SagaStatus) -> Scripted {
    let at = 1_763_600_000_000 + i64::try_from(offset).unwrap() * 10;
    let event = SagaEvent {
        event_id: format!("{partition}-{offset}"),
        event_timestamp: jiff::Timestamp::from_millisecond(at).unwrap(),
        saga_id: saga.to_owned(),
        saga_type: SagaType::OrderCreation,
        step: "STEP".to_owned(),
        status,
        order_id: "o".to_owned(),
        metadata: Some(r#"{"traceId":"t"}"#.to_owned()),
        recorded_at: jiff::Timestamp::from_millisecond(at).unwrap(),
    };
    let value = Encoder::published().unwrap().encode(&event, 1).unwrap();
    Scripted {
        position: Position::new(partition, offset),
        timestamp: at,
        value: Some(value),
        headers: Vec::new(),
    }
}

pub(super) fn events(partition: u32, offsets: std::ops::Range<u64>) -> Vec<Scripted> {
    offsets
        .map(|offset| {
            let status = if offset % 5 == 4 {
                SagaStatus::Failed
            } else {
                SagaStatus::InProgress
            };
            record(partition, offset, &format!("s{}", offset % 7), status)
        })
        .collect()
}

pub(super) struct Run {
    status: Arc<IngestStatus>,
    reported: Cut,
}

impl Run {
    fn fatal(&self) -> String {
        self.status.snapshot().fatal.unwrap_or_default()
    }
}

pub(super) fn run_with(
    store: &SharedStore,
    records: Vec<Scripted>,
    limit: usize,
    observed: Observed,
    schemas: Arc<dyn SchemaSource>,
) -> Run {
    let definitions = Arc::new(SagaDefinitions::default());
    let (handle, projector) = projector::spawn(store.clone(), TOPIC, definitions, settings(1)).unwrap();
    let shutdown = CancellationToken::new();
    let status = Arc::new(IngestStatus::default());
    let reported = Arc::default();
    let mut source = ListSource {
        records: records.into(),
        observed,
        shutdown: shutdown.clone(),
        reported: Arc::clone(&reported),
    };
    let ingest = Ingest {
        store: store.clone(),
        settings: KafkaSettings {
            topic: TOPIC.into(),
            max_poll_records: limit,
            ..KafkaSettings::default()
        },
        schemas,
        projector: handle,
        status: status.clone(),
        dead_letters: Arc::default(),
        space: Arc::new(Boundless),
        book: DeadLetterLock::default(),
        clock: Arc::new(SystemClock),
        shutdown,
    };
    let writer = Writer::open(store.clone(), TOPIC).unwrap();
    if let Err(error) = ingest.consume(writer, &mut source) {
        status.update(|status| status.fatal = Some(error.to_string()));
    }
    drop(ingest);
    projector.join().unwrap();
    let reported = reported.lock().unwrap().clone();
    Run { status, reported }
}

fn run(store: &SharedStore, records: Vec<Scripted>) -> Run {
    let ends = records.iter().fold(Cut::default(), |mut ends, record| {
        let Position { partition, offset } = record.position;
        ends.set(partition, ends.next(partition).max(offset + 1));
        ends
    });
    run_with(
        store,
        records,
        10,
        Observed {
            ends,
            ..Observed::default()
        },
        bundled(),
    )
}

pub(super) fn bundled() -> Arc<dyn SchemaSource> {
    Arc::new(BundledSchema::new().unwrap())
}

pub(super) fn letter_counts(store: &SharedStore) -> BTreeMap<String, u64> {
    let counts = dead_letters::counts(&**store).unwrap().into_iter();
    counts.map(|(reason, counts)| (reason, counts.total())).collect()
}

fn gaps(store: &SharedStore) -> Vec<(u64, GapRecord)> {
    let mut gaps = Vec::new();
    reads::try_scan_table(&**store, Table::Gaps, |_, sort, value| {
        gaps.push((keys::parse_offset(sort)?, GapRecord::read(value)?));
        Ok(())
    })
    .unwrap();
    gaps
}

#[test]
fn every_record_is_an_event_or_a_dead_letter_and_both_go_on() {
    let store = store();
    let mut records = events(0, 0..20);
    records.insert(
        7,
        Scripted {
            position: Position::new(1, 0),
            timestamp: 5,
            value: None,
            headers: Vec::new(),
        },
    );
    records.insert(
        9,
        Scripted {
            position: Position::new(1, 1),
            timestamp: 5,
            value: Some(b"\x07junk".to_vec()),
            headers: Vec::new(),
        },
    );
    let ran = run(&store, records);
    assert_eq!(ran.fatal(), "");
    assert_eq!(ran.reported, [(0, 20), (1, 2)].into_iter().collect::<Cut>());
    assert_eq!(differences(&store), Vec::<String>::new());
    assert_eq!(
        letter_counts(&store),
        [("bad_magic".to_owned(), 1), ("tombstone".to_owned(), 1)].into()
    );
    let query = Query::new(store, Arc::new(SagaDefinitions::default()));
    assert_eq!(query.totals().unwrap().processed.values().sum::<u64>(), 20);
}

#[test]
fn the_digest_does_not_depend_on_the_size_of_batches_or_on_restarts() {
    let one = store();
    let records: Vec<Scripted> = (0..3).flat_map(|partition| events(partition, 0..40)).collect();
    run(&one, records.clone());
    let other = store();
    for (partition, chunk) in records.chunks(23).enumerate() {
        run_with(
            &other,
            chunk.to_vec(),
            partition + 1,
            Observed::default(),
            bundled(),
        );
    }
    assert_eq!(digest(&one, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());
}

#[test]
fn a_restart_recognises_the_last_record_and_goes_on_behind_it() {
    let store = store();
    run(&store, events(0, 0..10));
    let ran = run(&store, events(0, 9..15));
    assert_eq!(ran.fatal(), "");
    assert_eq!(differences(&store), Vec::<String>::new());
    assert_eq!(reads::log_cut(&*store, TOPIC).unwrap().next(0), 15);
}

#[test]
fn a_topic_that_holds_another_record_at_the_last_offset_is_refused() {
    let store = store();
    run(&store, events(0, 0..10));
    let before = digest(&store, TOPIC).unwrap();
    let mut records = events(0, 9..15);
    records[0] = record(0, 9, "another", SagaStatus::Started);
    let ran = run(&store, records);
    assert!(
        ran.fatal().contains("the record at offset 9 is another one"),
        "{}",
        ran.fatal()
    );
    assert_eq!(digest(&store, TOPIC).unwrap(), before);
}

#[test]
fn a_topic_that_starts_over_is_refused() {
    let store = store();
    run(&store, events(0, 0..10));
    let before = digest(&store, TOPIC).unwrap();
    let ran = run(&store, events(0, 0..3));
    assert!(ran.fatal().contains("every offset before 10"), "{}", ran.fatal());
    assert_eq!(digest(&store, TOPIC).unwrap(), before);
}

#[test]
fn an_empty_topic_where_there_were_records_is_refused() {
    let store = store();
    run(&store, events(0, 0..10));
    let ends = [(0, 0)].into_iter().collect();
    let ran = run_with(
        &store,
        Vec::new(),
        5,
        Observed {
            ends,
            asked: 1,
            answered: 1,
            ..Observed::default()
        },
        bundled(),
    );
    assert!(ran.fatal().contains("it ends at offset 0"), "{}", ran.fatal());
}

#[test]
fn the_end_is_reached_when_it_shows_in_answers() {
    let end: Cut = [(0, 10), (1, 5)].into_iter().collect();
    let mut seen = super::IngestSnapshot {
        next: end.clone(),
        end,
        projected: Some([(0, 9), (1, 5)].into_iter().collect()),
        asked: 3,
        answered: 3,
        ..super::IngestSnapshot::default()
    };
    assert_eq!(
        seen.lag().collect::<Vec<_>>(),
        [(0, 1), (1, 0)],
        "stored, not folded"
    );
    assert!(!seen.has_reached_end_since(2));
    seen.projected = Some(seen.next.clone());
    assert!(seen.has_reached_end_since(2));
    assert!(
        !seen.has_reached_end_since(3),
        "an older answer says nothing of now"
    );
    seen.unreachable_since = Some(Millis(1));
    assert!(!seen.has_reached_end_since(2), "nobody says where the end is");
}

#[test]
fn arrival_times_never_go_back_within_a_partition() {
    let store = store();
    let mut records = events(0, 0..3);
    records[1].timestamp = 1;
    run(&store, records);
    let cut = reads::log_cut(&*store, TOPIC).unwrap();
    let arrived = |saga: &str| reads::deliveries(&*store, &SagaId::from(saga), &cut).unwrap()[0].arrived_at;
    assert_eq!(arrived("s1"), arrived("s0"));
    assert!(arrived("s2") > arrived("s1"));
}

/// A registry that is down for a while, and then knows nothing of schema 1.
struct Flaky {
    asked: AtomicU32,
    then: Arc<dyn SchemaSource>,
}

impl SchemaSource for Flaky {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(SchemaError::Unavailable("down".to_owned())),
            _ => self.then.plan(id),
        }
    }
}

pub(super) struct KnowsNothing;

impl SchemaSource for KnowsNothing {
    fn plan(&self, _id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        Err(SchemaError::Unknown)
    }
}

#[test]
fn a_registry_that_is_down_is_waited_for_and_costs_no_record() {
    let store = store();
    let flaky = Arc::new(Flaky {
        asked: AtomicU32::new(0),
        then: bundled(),
    });
    let ran = run_with(&store, events(0, 0..10), 100, Observed::default(), flaky);
    assert_eq!(ran.fatal(), "");
    assert_eq!(letter_counts(&store), [].into());
    let query = Query::new(store, Arc::default());
    assert_eq!(query.totals().unwrap().processed.values().sum::<u64>(), 10);
}

#[test]
fn a_schema_that_the_registry_does_not_know_makes_dead_letters() {
    let store = store();
    run_with(
        &store,
        events(0, 0..4),
        100,
        Observed::default(),
        Arc::new(KnowsNothing),
    );
    assert_eq!(letter_counts(&store), [("unknown_schema".to_owned(), 4)].into());
}

/// A record that names a dead letter of the tracker topic as its origin.
pub(super) fn redriven(mut record: Scripted, letter: Position) -> Scripted {
    let topics = DeadLetterTopics {
        topic: TOPIC.to_owned(),
        dlt_topic: String::new(),
    };
    record.headers = topics
        .headers_of(letter)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value.into_bytes())))
        .collect();
    record
}

/// The events of a saga whose third record lacks its end, with that record's bytes.
pub(super) fn with_a_letter() -> Vec<Scripted> {
    let mut records = events(0, 0..6);
    let value = records[2].value.as_mut().unwrap();
    value.truncate(value.len() - 4);
    records
}

#[test]
fn a_letter_is_listed_with_what_could_be_read_of_it() {
    let store = store();
    run(&store, with_a_letter());
    let mut key = Key::default();
    let letter = Position::new(0, 2);
    keys::by_offset(&mut key, letter);
    let row = store.get(Table::Letters, &key).unwrap().unwrap();
    let listed = DeadLetterSummaryRecord::read(&row).unwrap();
    assert_eq!((listed.reason, listed.topic), ("truncated", TOPIC));
    assert_eq!((listed.event_id, listed.saga_id), (Some("0-2"), Some("s2")));
    assert_eq!((listed.step, listed.status), (Some("STEP"), Some("IN_PROGRESS")));
    keys::letter_by_event(&mut key, "0-2", letter);
    assert!(store.get(Table::LettersByEvent, &key).unwrap().is_some());
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn consuming_a_redriven_record_marks_its_letter_in_the_same_write() {
    let store = store();
    let letter = Position::new(0, 2);
    let mut records = with_a_letter();
    records.push(redriven(record(1, 0, "s2", SagaStatus::InProgress), letter));
    records.push(redriven(
        Scripted {
            value: None,
            ..record(1, 1, "s2", SagaStatus::InProgress)
        },
        letter,
    ));
    let value = ValueHash::of(records[records.len() - 2].value.as_deref());
    run(&store, records);
    let mut marks = dead_letters::marks(&*store, letter).unwrap();
    marks.sort_by_key(|mark| mark.by);
    let became: Vec<_> = marks.iter().map(|mark| (mark.by, &mark.what)).collect();
    let logged = Happened::Returned {
        became: Returned::Logged {
            saga_id: "s2".into(),
            recorded_at: Millis(1_763_600_000_000),
        },
        value,
    };
    let again = Happened::Returned {
        became: Returned::DeadLetter {
            reason: "tombstone".to_owned(),
        },
        value: ValueHash::of(None),
    };
    assert_eq!(
        became,
        [(Position::new(1, 0), &logged), (Position::new(1, 1), &again)]
    );
    let one = |open, redriven| DeadLetterCounts {
        open,
        redriven,
        ..DeadLetterCounts::default()
    };
    let counts = |truncated| {
        let all = [("tombstone", one(1, 0)), ("truncated", truncated)];
        all.map(|(reason, counts)| (reason.to_owned(), counts)).into()
    };
    // Neither has the dead letter's value, and nobody said that it would come back otherwise.
    assert_eq!(dead_letters::counts(&*store).unwrap(), counts(one(1, 0)));
    let what = Happened::Announced { value };
    testkit::mark_letter(&store, letter, what);
    assert_eq!(dead_letters::counts(&*store).unwrap(), counts(one(0, 1)));
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn marks_do_not_depend_on_which_partition_is_read_first() {
    let letter = Position::new(0, 2);
    let back = redriven(record(1, 0, "s2", SagaStatus::InProgress), letter);
    let (first, other) = (store(), store());
    run(&first, with_a_letter());
    run(&first, vec![back.clone()]);
    run(&other, vec![back]);
    run(&other, with_a_letter());
    assert_eq!(digest(&first, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());
    assert_eq!(
        dead_letters::counts(&*first).unwrap(),
        dead_letters::counts(&*other).unwrap()
    );
    assert_eq!(differences(&other), Vec::<String>::new());
}

#[test]
fn a_nearly_full_disk_stops_consumption_until_there_is_room_and_nothing_is_lost() {
    let store = store();
    let definitions = Arc::new(SagaDefinitions::default());
    let (handle, projector) = projector::spawn(store.clone(), TOPIC, definitions, settings(1)).unwrap();
    let (status, room) = (Arc::new(IngestStatus::default()), Arc::new(Room::default()));
    let shutdown = CancellationToken::new();
    let mut source = ListSource {
        records: events(0, 0..20).into(),
        observed: Observed {
            partitions: 1,
            ends: [(0, 20)].into_iter().collect(),
            ..Observed::default()
        },
        shutdown: shutdown.clone(),
        reported: Arc::default(),
    };
    let ingest = Ingest {
        store: store.clone(),
        settings: KafkaSettings {
            topic: TOPIC.into(),
            ..KafkaSettings::default()
        },
        schemas: bundled(),
        projector: handle,
        status: status.clone(),
        dead_letters: Arc::default(),
        space: room.clone(),
        book: DeadLetterLock::default(),
        clock: Arc::new(SystemClock),
        shutdown,
    };
    let writer = Writer::open(store.clone(), TOPIC).unwrap();
    let consuming = std::thread::spawn(move || ingest.consume(writer, &mut source).is_ok());
    let wait_for = |what: &dyn Fn() -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !what() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(&|| {
        status
            .snapshot()
            .shortage
            .is_some_and(|shortage| shortage.free == 0)
    });
    // More than the mark, but not yet a quarter more.
    room.0.store(1_100, Ordering::Relaxed);
    wait_for(&|| status.snapshot().free_bytes == Some(1_100));
    let waiting = status.snapshot();
    assert!(waiting.shortage.is_some());
    assert_eq!(waiting.next, Cut::default());
    assert_eq!(waiting.lag().map(|(_, lag)| lag).sum::<u64>(), 20);
    room.0.store(2_000, Ordering::Relaxed);
    assert!(consuming.join().unwrap());
    projector.join().unwrap();
    assert_eq!(status.snapshot().shortage, None);
    assert_eq!(status.snapshot().next, [(0, 20)].into_iter().collect::<Cut>());
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn of_a_record_that_is_too_large_a_part_is_stored_and_its_length_and_hash() {
    let store = store();
    let value = vec![0; 64 << 20];
    let raw = RawRecord {
        position: Position::new(0, 7),
        timestamp: Some(Millis(1_763_600_000_000)),
        key: Some(b"key"),
        value: Some(&value),
        headers: RawHeaders::List(&[]),
    };
    let mut writer = Writer::open(store.clone(), TOPIC).unwrap();
    let Admission::New { arrived_at } = writer.admit(&raw).unwrap() else {
        panic!("it is new");
    };
    let defect = wire::payload(raw.value).unwrap_err();
    writer.account(&raw, arrived_at, None, Err(defect.into()));
    let gathered = writer.gathered_bytes();
    assert!(gathered < 18 << 20, "{gathered}");
    writer.write().unwrap();

    let mut key = Key::default();
    keys::by_offset(&mut key, raw.position);
    let row = store.get(Table::Letters, &key).unwrap().unwrap();
    let listed = DeadLetterSummaryRecord::read(&row).unwrap();
    assert_eq!(listed.bytes, value.len() as u64);
    assert_eq!(listed.value, ValueHash::of(raw.value).0);
    assert!(listed.detail.contains("67108864 bytes"), "{}", listed.detail);
    let row = store.get(Table::DeadLetters, &key).unwrap().unwrap();
    let kept = DeadLetterRecord::read(&row).unwrap().value.unwrap();
    assert_eq!(wire::split(kept).unwrap_err().reason.as_str(), "too_large");
    assert_eq!(differences(&store), [""; 0]);
    // It is recognised when it is read again.
    let again = Writer::open(store, TOPIC).unwrap();
    assert_eq!(again.admit(&raw).unwrap(), Admission::Known);
}
