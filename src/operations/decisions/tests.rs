//! Decisions and status changes over an in-memory store, with an outlet that is a list.

use super::consumer::Reading;
use super::ledger::{Ledger, LedgerError};
use super::*;
use crate::domain::clock::Clock;
use crate::domain::{
    AnomalyKind, Cut, Event, MetadataForm, Millis, OPERATOR_STATUS_CHANGE, Position, SagaDefinitions, SagaId,
    SagaStatus,
};
use crate::pipeline::decode::wire;
use crate::pipeline::ingest::space::{FreeSpace, Gate, Shortage};
use crate::pipeline::kafka::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
use crate::pipeline::kafka::{Message, OutError, Outlet};
use crate::pipeline::projector::{self, Delivery, ProjectorHandle};
use crate::pipeline::registry::{BundledSchema, SchemaSource};
use crate::store::codec::Record as _;
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::records::{DecisionOutcome, DecisionRecord, MetaRecord};
use crate::store::{Batch, Key, SharedStore, StoreError, StoreRead, Table, keys, reads, totals};
use crate::testkit;
use saga_tracker_sdk::publishing::EventIds;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const OPS: &str = "ops";

/// Keeps, of each note, the words under the decision's number.
struct TakesAll;

impl Applier for TakesAll {
    fn kind(&self) -> &'static str {
        "note"
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _held: Option<&DeadLetterGuard<'_>>,
        _store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let mut key = Key::default();
        keys::meta_named(&mut key, "notes", &decided.offset.to_string());
        let value = decided.decision.body["text"].as_str().unwrap_or_default();
        rows.put(Table::Meta, &key, &MetaRecord { value }.to_bytes());
        if value.is_empty() {
            return Ok(Verdict::Refused("a note without text".to_owned()));
        }
        Ok(Verdict::Applied(format!("noted {value}")))
    }
}

fn note(store: &SharedStore, offset: u64) -> Option<String> {
    let mut key = Key::default();
    keys::meta_named(&mut key, "notes", &offset.to_string());
    let value = store.get(Table::Meta, &key).unwrap()?;
    Some(MetaRecord::read(&value).unwrap().value.to_owned())
}

fn ledger(store: &SharedStore) -> Ledger {
    let appliers: Vec<Box<dyn Applier>> = vec![Box::new(TakesAll)];
    Ledger::open(store.clone(), OPS, appliers.into()).unwrap()
}

fn decision(kind: &str, text: &str) -> Vec<u8> {
    json!({
        "version": 1, "kind": kind, "id": format!("d-{kind}-{text}"), "by": "kim", "at": "2026-01-31T09:30:00Z", "reason": "r",
        "body": {"text": text}, "later": true,
    })
    .to_string()
    .into_bytes()
}

fn take(ledger: &mut Ledger, offset: u64, value: Option<&[u8]>) -> Result<(), LedgerError> {
    ledger.take(&RawRecord {
        position: Position::new(0, offset),
        timestamp: Some(Millis(testkit::DAY + offset as i64)),
        key: None,
        value,
        headers: RawHeaders::List(&[]),
    })
}

fn outcomes(store: &SharedStore) -> Vec<(u64, DecisionOutcome, String)> {
    let (all, _) = decisions_from(&**store, 0, 1_000, 100).unwrap();
    all.into_iter()
        .map(|recorded| (recorded.offset, recorded.outcome, recorded.detail))
        .collect()
}

#[test]
fn every_message_is_recorded_and_only_what_holds_takes_effect() {
    use DecisionOutcome::{Applied, Malformed, Refused, Unknown};
    let store = testkit::store();
    let mut ledger = ledger(&store);
    let messages: [Option<Vec<u8>>; 8] = [
        Some(decision("note", "one")),
        Some(decision("note", "")),
        Some(decision("dance", "two")),
        Some(br#"{"version": 2, "kind": "note", "shape": "new"}"#.to_vec()),
        Some(br#"{"version": 1, "kind": "note"}"#.to_vec()),
        Some(b"\xff not json".to_vec()),
        None,
        Some(decision("note", "three")),
    ];
    for (offset, message) in (0..).zip(&messages) {
        take(&mut ledger, offset, message.as_deref()).unwrap();
    }
    let seen: Vec<_> = outcomes(&store)
        .into_iter()
        .map(|(_, outcome, _)| outcome)
        .collect();
    assert_eq!(
        seen,
        [
            Applied, Refused, Unknown, Unknown, Malformed, Malformed, Malformed, Applied
        ]
    );
    assert_eq!(note(&store, 0).as_deref(), Some("one"));
    assert_eq!(note(&store, 1), None, "a refused decision leaves no rows");
    assert_eq!(note(&store, 7).as_deref(), Some("three"));
    let counts = reads::meta_counts(&*store, totals::DECISION_COUNTS).unwrap();
    let counted: Vec<_> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(
        counted,
        [
            ("note applied", 2),
            ("note refused", 1),
            ("other malformed", 3),
            ("other unknown", 2)
        ]
    );
}

#[test]
fn a_decision_counts_once_whatever_became_of_it() {
    use DecisionOutcome::{Applied, Duplicate, Refused};
    let store = testkit::store();
    let mut first = ledger(&store);
    take(&mut first, 0, Some(&decision("note", "one"))).unwrap();
    take(&mut first, 1, Some(&decision("note", ""))).unwrap();
    // A publish that was tried again, a message that somebody copied; also after a restart.
    take(&mut first, 2, Some(&decision("note", "one"))).unwrap();
    let mut again = ledger(&store);
    take(&mut again, 3, Some(&decision("note", "one"))).unwrap();
    take(&mut again, 4, Some(&decision("note", ""))).unwrap();
    let seen: Vec<_> = outcomes(&store)
        .into_iter()
        .map(|(_, outcome, _)| outcome)
        .collect();
    assert_eq!(seen, [Applied, Refused, Duplicate, Duplicate, Duplicate]);
    assert!(
        outcomes(&store)[3].2.contains("at offset 0"),
        "{:?}",
        outcomes(&store)[3]
    );
    assert_eq!((note(&store, 2), note(&store, 3)), (None, None));
    let counts = reads::meta_counts(&*store, totals::DECISION_COUNTS).unwrap();
    assert_eq!(counts.get("note duplicate"), Some(&3));
}

#[test]
fn what_a_decision_says_of_itself_is_bounded() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    let with = |field: &str, text: String| {
        let mut json: serde_json::Value = serde_json::from_slice(&decision("note", "one")).unwrap();
        json[field] = json!(text);
        json.to_string().into_bytes()
    };
    let mut long = decision("note", "one");
    long.resize(MAX_MESSAGE_BYTES + 1, b' ');
    let messages = [
        with("id", String::new()),
        with("id", "x".repeat(201)),
        with("by", "x".repeat(1_001)),
        with("reason", "x".repeat(4_001)),
        with("kind", "x".repeat(201)),
        long,
        "[".repeat(100_000).into_bytes(),
    ];
    for (offset, message) in (0..).zip(&messages) {
        take(&mut ledger, offset, Some(message)).unwrap();
    }
    let seen = outcomes(&store);
    assert_eq!(seen.len(), messages.len());
    let mut key = Key::default();
    keys::decision(&mut key, 5);
    let row = store.get(Table::Decisions, &key).unwrap().unwrap();
    assert_eq!(
        DecisionRecord::read(&row).unwrap().message.len(),
        MAX_MESSAGE_BYTES
    );
    for (offset, outcome, detail) in seen {
        assert_eq!(outcome, DecisionOutcome::Malformed, "{offset}: {detail}");
    }
}

#[test]
fn reading_goes_on_where_the_store_ends_and_recognises_the_topic() {
    let store = testkit::store();
    assert_eq!(ledger(&store).resume_from(), None);
    take(&mut ledger(&store), 0, Some(&decision("note", "one"))).unwrap();
    let mut again = ledger(&store);
    assert_eq!((again.resume_from(), again.next()), (Some(0), 1));
    take(&mut again, 0, Some(&decision("note", "one"))).unwrap();
    assert_eq!(outcomes(&store).len(), 1);
    let other = take(&mut again, 0, Some(&decision("note", "another")));
    assert!(matches!(other, Err(LedgerError::Replaced { .. })), "{other:?}");
    assert!(again.check_end(1).is_ok() && again.check_end(0).is_err());
}

#[test]
fn offsets_that_never_came_are_recorded_as_a_gap() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    take(&mut ledger, 3, Some(&decision("note", "one"))).unwrap();
    take(&mut ledger, 5, Some(&decision("note", "two"))).unwrap();
    let seen = outcomes(&store);
    assert_eq!(
        seen[0],
        (
            0,
            DecisionOutcome::Gap,
            "the broker did not deliver the offsets 0 to 2".to_owned()
        )
    );
    assert_eq!(
        (seen[1].0, seen[2].0, seen[2].1, seen[3].0),
        (3, 4, DecisionOutcome::Gap, 5)
    );
}

#[test]
fn decisions_are_found_page_by_page() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    for offset in 0..7 {
        take(&mut ledger, offset, Some(&decision("note", &offset.to_string()))).unwrap();
    }
    let (mut from, mut seen) = (0, Vec::new());
    while from < 7 {
        let (page, next) = decisions_from(&*store, from, 7, 3).unwrap();
        seen.extend(page.into_iter().map(|recorded| recorded.detail));
        from = next;
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[6], "noted 6");
}

/// Numbers in order.
#[derive(Default)]
struct Counting(AtomicU64);

impl EventIds for Counting {
    fn next(&self) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct At(Millis);

impl Clock for At {
    fn now(&self) -> Millis {
        self.0
    }
}

/// Gives every message to a ledger at once, as a broker and a consumer would.
struct Loopback {
    ledger: Mutex<Ledger>,
    status: Arc<OpsStatus>,
    fails: Option<OutError>,
}

impl Outlet for Loopback {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        assert_eq!((message.topic.as_str(), message.partition), (OPS, Some(0)));
        let mut ledger = self.ledger.lock().unwrap();
        let offset = ledger.next();
        take(&mut ledger, offset, message.value.as_deref()).unwrap();
        self.status.update(|status| status.next = offset + 1);
        Ok(Position::new(0, offset))
    }
}

fn decisions(store: &SharedStore, fails: Option<OutError>) -> Decisions {
    let status = Arc::new(OpsStatus::default());
    Decisions {
        out: Arc::new(Loopback {
            ledger: Mutex::new(ledger(store)),
            status: status.clone(),
            fails,
        }),
        topic: OPS.to_owned(),
        status,
        store: store.clone(),
        clock: Arc::new(At(Millis(testkit::DAY))),
        ids: Arc::new(Counting::default()),
    }
}

fn new(text: &str) -> NewDecision {
    NewDecision {
        kind: "note",
        by: "kim".to_owned(),
        from: "10.0.0.7".to_owned(),
        reason: "because".to_owned(),
        body: json!({ "text": text }),
    }
}

#[test]
fn a_decision_is_made_when_it_has_been_read_back() {
    let store = testkit::store();
    let decisions = decisions(&store, None);
    let made = decisions.make(new("one")).unwrap();
    assert_eq!((made.offset, made.detail.as_str()), (0, "noted one"));
    let (all, _) = decisions_from(&*store, 0, 1, 1).unwrap();
    let kept = all[0].decision.as_ref().unwrap();
    assert_eq!(
        (kept.by.as_str(), kept.from.as_str(), kept.id.as_str()),
        ("kim", "10.0.0.7", "id-0")
    );
    let refused = decisions.make(new(""));
    assert!(matches!(&refused, Err(OpsError::Conflict(why)) if why.to_string() == "a note without text"));
}

#[test]
fn what_was_not_published_is_told_apart_from_what_may_have_been() {
    let store = testkit::store();
    let failing = |error: OutError| decisions(&store, Some(error)).make(new("one")).unwrap_err();
    let gone = failing(OutError::Unreachable("no broker".to_owned()));
    assert_eq!(
        gone.to_string(),
        "Kafka cannot take it now: no broker; nothing was changed"
    );
    let uncertain = failing(OutError::Uncertain("timed out".to_owned()));
    assert!(
        matches!(&uncertain, OpsError::Unsettled(why) if why.to_string().contains("decision id-0")),
        "{uncertain}"
    );
    assert_eq!(outcomes(&store), []);
}

/// A topic of which a test decides what it holds, and what its broker says.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    messages: Vec<Vec<u8>>,
    handed: usize,
    /// Markers of transactions behind the messages, which nobody gets.
    markers: u64,
    observed: Observed,
}

impl Source for Scripted {
    fn poll(
        &mut self,
        _idle: Duration,
        _timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        let mut script = self.0.lock().unwrap();
        while let Some(message) = script.messages.get(script.handed) {
            let taken = take(&RawRecord {
                position: Position::new(0, script.handed as u64),
                timestamp: Some(Millis(testkit::DAY)),
                key: None,
                value: Some(message),
                headers: RawHeaders::List(&[]),
            });
            script.handed += 1;
            if taken == Taken::Enough {
                break;
            }
        }
        drop(script);
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    }

    fn observed(&self) -> Observed {
        self.0.lock().unwrap().observed.clone()
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    fn report(&mut self, _stored: &Cut) {}

    fn report_finally(&mut self, _stored: &Cut) {}
}

impl Broker for Scripted {
    fn ask_end(&self, _partition: u32) -> Option<u64> {
        Some(self.0.lock().unwrap().messages.len() as u64)
    }

    fn ask_low(&self, _partition: u32) -> Option<u64> {
        None
    }
}

impl Scripted {
    fn with(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.0.lock().unwrap();
        change(&mut script);
        if script.observed.partitions > 0 {
            let end = script.messages.len() as u64 + script.markers;
            script.observed.ends = Cut::from_iter([(0, end)]);
        }
    }
}

/// Room that a test sets.
struct Room(AtomicU64);

impl FreeSpace for Room {
    fn free(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst))
    }
}

/// Decisions are read on a thread while this lives.
struct Running {
    topic: Scripted,
    status: Arc<OpsStatus>,
    room: Arc<Room>,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn from(store: &SharedStore, topic: &Scripted, free: u64) -> Self {
        let (status, room) = (
            Arc::new(OpsStatus::default()),
            Arc::new(Room(AtomicU64::new(free))),
        );
        let shutdown = CancellationToken::new();
        let reading = Reading {
            ledger: ledger(store),
            status: status.clone(),
            room: Gate::new("decisions", room.clone(), 1_000, shutdown.clone()),
            clock: Arc::new(At(Millis(testkit::DAY))),
        };
        let mut source = topic.clone();
        let thread = std::thread::spawn(move || reading.consume(&mut source, &mut |_| ()).unwrap());
        Self {
            topic: topic.clone(),
            status,
            room,
            shutdown,
            thread: Some(thread),
        }
    }

    fn wait(&self, what: &str, holds: impl Fn(&OpsSnapshot) -> bool) -> OpsSnapshot {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = self.status.snapshot();
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{what}: {seen:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

#[test]
fn decisions_wait_while_the_disk_is_nearly_full_and_go_on_by_themselves() {
    let (store, topic) = (testkit::store(), Scripted::default());
    topic.with(|script| {
        script.observed.reachable = true;
        script.observed.partitions = 1;
        script.messages = vec![decision("note", "one")];
    });
    let reading = Running::from(&store, &topic, 1_000);
    reading.wait("the first", |status| status.next == 1);
    reading.room.0.store(999, Ordering::SeqCst);
    reading.wait("the shortage", |status| status.shortage.is_some());
    reading
        .topic
        .with(|script| script.messages.push(decision("note", "two")));
    let waiting = reading.wait("the lag", |status| status.lag() == 1);
    assert!(
        waiting
            .waiting
            .is_some_and(|why| why.contains("store.min_free_bytes"))
    );
    // More than the mark, but not yet a quarter more.
    reading.room.0.store(1_249, Ordering::SeqCst);
    let seen = |status: &OpsSnapshot| status.shortage.is_some_and(|short| short.free == 1_249);
    reading.wait("the room to be seen", seen);
    assert_eq!(note(&store, 1), None);
    reading.room.0.store(1_250, Ordering::SeqCst);
    let done = reading.wait("the second", |status| status.next == 2);
    assert_eq!((done.lag(), done.shortage, done.waiting), (0, None, None));
    assert_eq!(note(&store, 1).as_deref(), Some("two"));
}

#[test]
fn since_when_the_topic_is_missing_is_known_until_it_is_there() {
    let (store, topic) = (testkit::store(), Scripted::default());
    let reading = Running::from(&store, &topic, 1_000);
    let broker = |reachable, partitions| {
        topic.with(|script| {
            script.observed.reachable = reachable;
            script.observed.partitions = partitions;
            script.observed.waiting = (partitions == 0).then(|| format!("reachable: {reachable}"));
        });
    };
    let says = |reachable: bool| format!("reachable: {reachable}");
    broker(false, 0);
    let nobody = reading.wait("no broker", |status| status.waiting == Some(says(false)));
    assert_eq!(nobody.missing_since, None, "nobody said that it is missing");
    broker(true, 0);
    let missing = reading.wait("no topic", |status| status.missing_since.is_some());
    assert_eq!(missing.missing_since, Some(Millis(testkit::DAY)));
    assert!(
        missing
            .waiting
            .is_some_and(|why| why.contains("the ops topic does not exist"))
    );
    broker(false, 0);
    let away = reading.wait("no broker again", |status| status.waiting == Some(says(false)));
    assert_eq!(away.missing_since, Some(Millis(testkit::DAY)));
    broker(true, 1);
    reading.wait("the topic", |status| {
        status.missing_since.is_none() && status.end == Some(0)
    });
}

#[test]
fn no_decision_is_published_that_would_not_be_read_here() {
    let store = testkit::store();
    let decisions = decisions(&store, None);
    let shortage = Some(Shortage {
        free: 1,
        minimum: 10,
        resume_at: 12,
    });
    for (short, fatal) in [(shortage, None), (None, Some("the topic went back".to_owned()))] {
        decisions.status.update(|status| {
            status.waiting = Some("no room".to_owned());
            (status.shortage, status.fatal) = (short, fatal);
        });
        let refused = decisions.make(new("one")).unwrap_err();
        assert!(
            matches!(&refused, OpsError::Unreachable(_))
                && refused.to_string().ends_with("; nothing was changed"),
            "{refused}"
        );
        assert_eq!(outcomes(&store), []);
    }
    decisions
        .status
        .update(|status| (status.shortage, status.fatal) = (None, None));
    assert_eq!(decisions.make(new("one")).unwrap().offset, 0);
}

/// A tracker topic whose every message is consumed at once, behind what other services send meanwhile.
struct Topic {
    store: SharedStore,
    projector: ProjectorHandle,
    meanwhile: Mutex<Vec<Event>>,
    published: Mutex<Vec<Message>>,
}

impl Topic {
    fn deliver(&self, events: Vec<Event>) {
        testkit::append(&self.store, &events);
        let after = events
            .iter()
            .map(|event| (event.position.partition, event.position.offset + 1))
            .collect();
        self.projector.deliver(Delivery { events, after }).unwrap();
    }

    fn next(&self, partition: u32) -> u64 {
        let cut = reads::log_cut(&*self.store, testkit::TOPIC).unwrap();
        cut.next(partition)
    }
}

impl Outlet for Topic {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        for mut event in self.meanwhile.lock().unwrap().drain(..) {
            event.position = Position::new(0, self.next(0));
            self.deliver(vec![event]);
        }
        // Where the key leads to when nobody says.
        let partition = message.partition.unwrap_or(0);
        let position = Position::new(partition, self.next(partition));
        let (_, body) = wire::payload(message.value.as_deref()).unwrap();
        let plan = BundledSchema::new().unwrap().plan(1).unwrap();
        let event = plan
            .decode(body)
            .unwrap()
            .into_event(position, Millis(testkit::DAY))
            .unwrap();
        assert_eq!(message.key.as_deref(), Some(event.saga_id.as_str().as_bytes()));
        self.deliver(vec![event]);
        self.published.lock().unwrap().push(message.clone());
        Ok(position)
    }
}

fn event(at: i64, status: SagaStatus) -> Event {
    Event {
        position: Position::new(0, 0),
        arrived_at: Millis(at),
        recorded_at: Millis(at),
        event_timestamp: Millis(at),
        event_id: format!("event-{at}").into(),
        saga_id: "s/1".into(),
        saga_type: "ORDER_CREATION".into(),
        step: "PAYMENT_FAILED".into(),
        status,
        order_id: "o".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

struct Scene {
    topic: Arc<Topic>,
    changer: StatusChanger,
}

/// A failed saga whose last event is at `DAY + 5000`; our clock stands at `DAY + now`.
fn scene(now: i64, meanwhile: Vec<Event>) -> Scene {
    let store = testkit::store();
    let definitions = Arc::new(SagaDefinitions::default());
    let (projector, _) = projector::spawn(
        store.clone(),
        testkit::TOPIC,
        definitions.clone(),
        testkit::settings(1),
    )
    .unwrap();
    let topic = Arc::new(Topic {
        store: store.clone(),
        projector: projector.clone(),
        meanwhile: Mutex::new(meanwhile),
        published: Mutex::default(),
    });
    topic.deliver(vec![event(testkit::DAY + 5_000, SagaStatus::Failed)]);
    let projected = projector.watch();
    assert!(
        projected
            .wait_for(Position::new(0, 0), Duration::from_secs(10))
            .unwrap()
    );
    let changer = StatusChanger {
        store,
        definitions: definitions.into(),
        topic: testkit::TOPIC.to_owned(),
        out: topic.clone(),
        schemas: Arc::new(BundledSchema::new().unwrap()),
        projected,
        clock: Arc::new(At(Millis(testkit::DAY + now))),
        ids: Arc::new(Counting::default()),
    };
    Scene { topic, changer }
}

fn wish(status: SagaStatus, expected: Option<SagaStatus>) -> StatusChangeOrder {
    StatusChangeOrder {
        saga_id: SagaId::from("s/1"),
        status,
        reason: "paid by hand".to_owned(),
        expected,
        operator: "kim".to_owned(),
        origin: "10.0.0.7".to_owned(),
    }
}

fn state(scene: &Scene) -> crate::domain::SagaState {
    let store = &*scene.topic.store;
    let generation = reads::active_generation(store).unwrap();
    reads::instance(store, generation, &"s/1".into())
        .unwrap()
        .unwrap()
}

#[test]
fn a_change_is_an_ordinary_event_that_says_who_and_why() {
    let scene = scene(60_000, vec![]);
    let changed = scene
        .changer
        .change(&wish(SagaStatus::Compensated, Some(SagaStatus::Failed)))
        .unwrap();
    assert_eq!(
        (changed.previous, changed.current),
        (SagaStatus::Failed, SagaStatus::Compensated)
    );
    assert_eq!(changed.updated_at, Millis(testkit::DAY + 60_000));
    let state = state(&scene);
    assert_eq!(state.status, SagaStatus::Compensated);
    assert_eq!(state.last_step.as_str(), OPERATOR_STATUS_CHANGE);
    let cursor = reads::log_cut(&*scene.topic.store, testkit::TOPIC).unwrap();
    let events = reads::deliveries(&*scene.topic.store, &"s/1".into(), &cursor).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(events[1].metadata.as_deref().unwrap()).unwrap();
    assert_eq!(
        (
            &metadata["operator"],
            &metadata["reason"],
            &metadata["expectedStatus"]
        ),
        (&json!("kim"), &json!("paid by hand"), &json!("FAILED"))
    );
    assert_eq!(events[1].producer_service.as_deref(), Some("saga-tracker"));
}

#[test]
fn a_change_stands_behind_the_last_event_even_when_our_clock_is_behind() {
    let scene = scene(-3_600_000, vec![]);
    let changed = scene.changer.change(&wish(SagaStatus::Completed, None)).unwrap();
    assert_eq!(changed.updated_at, Millis(testkit::DAY + 5_001));
    assert_eq!(state(&scene).status, SagaStatus::Completed);
}

#[test]
fn what_would_be_in_vain_is_not_published() {
    let scene = scene(60_000, vec![]);
    for (wish, words) in [
        (
            wish(SagaStatus::Failed, None),
            "the saga is FAILED already; nothing was changed",
        ),
        (
            wish(SagaStatus::Completed, Some(SagaStatus::Started)),
            "the saga is FAILED, not STARTED as expected; nothing was changed",
        ),
    ] {
        let refused = scene.changer.change(&wish).unwrap_err();
        assert!(
            matches!(&refused, OpsError::Conflict(why) if why.to_string() == words),
            "{refused}"
        );
    }
    let unknown = StatusChangeOrder {
        saga_id: "nobody".into(),
        ..wish(SagaStatus::Completed, None)
    };
    assert!(matches!(
        scene.changer.change(&unknown),
        Err(OpsError::NotFound(_))
    ));
    assert_eq!(scene.topic.published.lock().unwrap().len(), 0);
}

#[test]
fn a_change_decided_on_a_status_that_is_gone_is_refused_when_it_is_applied() {
    let compensated = event(testkit::DAY + 6_000, SagaStatus::Compensated);
    let scene = scene(60_000, vec![compensated]);
    let refused = scene
        .changer
        .change(&wish(SagaStatus::Completed, Some(SagaStatus::Failed)))
        .unwrap_err();
    assert!(
        matches!(&refused, OpsError::Conflict(why) if why.to_string().contains("was COMPENSATED when it was applied")),
        "{refused}"
    );
    assert_eq!(scene.topic.published.lock().unwrap().len(), 1);
    let state = state(&scene);
    assert_eq!(state.status, SagaStatus::Compensated);
    assert_eq!(state.anomalies.kept[0].kind, AnomalyKind::OperatorChangeRefused);
}

#[test]
fn a_change_that_another_event_made_first_is_told_as_such() {
    let compensated = event(testkit::DAY + 6_000, SagaStatus::Compensated);
    let scene = scene(60_000, vec![compensated]);
    let refused = scene
        .changer
        .change(&wish(SagaStatus::Compensated, None))
        .unwrap_err();
    assert!(
        matches!(&refused, OpsError::Conflict(why) if why.to_string().contains("COMPENSATED already")),
        "{refused}"
    );
}

/// A saga whose last event has the latest instant of all, in a partition that its key leads to no more.
#[test]
fn changes_take_effect_behind_an_event_of_the_latest_instant() {
    let scene = scene(60_000, vec![]);
    let latest = Millis::LATEST_EVENT.0 - 1;
    let position = Position::new(2, 7);
    scene.topic.deliver(vec![Event {
        position,
        ..event(latest, SagaStatus::Failed)
    }]);
    assert!(
        scene
            .changer
            .projected
            .wait_for(position, Duration::from_secs(10))
            .unwrap()
    );
    for status in [
        SagaStatus::Completed,
        SagaStatus::Compensated,
        SagaStatus::Completed,
    ] {
        let changed = scene.changer.change(&wish(status, None)).unwrap();
        assert_eq!(
            (changed.current, changed.updated_at, changed.position.partition),
            (status, Millis(latest), 2)
        );
        assert_eq!(state(&scene).status, status);
    }
}

#[test]
fn a_change_takes_effect_behind_an_event_of_the_far_future() {
    let scene = scene(60_000, vec![]);
    let future = testkit::DAY + 50 * 365 * 86_400_000;
    let position = Position::new(0, 1);
    scene.topic.deliver(vec![Event {
        position,
        ..event(future, SagaStatus::Failed)
    }]);
    assert!(
        scene
            .changer
            .projected
            .wait_for(position, Duration::from_secs(10))
            .unwrap()
    );
    let changed = scene.changer.change(&wish(SagaStatus::Completed, None)).unwrap();
    assert_eq!(changed.updated_at, Millis(future + 1));
    assert_eq!(state(&scene).status, SagaStatus::Completed);
}

#[test]
fn a_marker_behind_the_last_decision_is_nothing_to_read_once_it_was_looked_for() {
    let (store, topic) = (testkit::store(), Scripted::default());
    topic.with(|script| {
        script.observed.reachable = true;
        script.observed.partitions = 1;
        script.messages = vec![decision("note", "one")];
        script.markers = 1;
    });
    let reading = Running::from(&store, &topic, 1_000);
    reading.wait("the lag", |status| (status.next, status.end) == (1, Some(2)));
    reading
        .topic
        .with(|script| script.observed.looked = Cut::from_iter([(0, 2)]));
    reading.wait("its end", |status| (status.next, status.end) == (1, Some(1)));
}
