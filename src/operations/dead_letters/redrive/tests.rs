//! Redrives over a topic in memory: what is published is consumed as ingest does it.

mod cancelling;
mod catching_up;
mod kept;
mod outcomes;
mod pacing;

use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::{Cut, Millis, OPERATOR_STATUS_CHANGE, SharedDefinitions};
use crate::operations::dead_letters::announce::{Announcement, announce};
use crate::operations::dead_letters::testing;
use crate::operations::dead_letters::{
    Change, Consumption, DeadLetterFilter, EventEdit, PredictedOutcome, RedriveOutcome,
};
use crate::operations::decisions::{NewDecision, OpsError};
use crate::pipeline::decode::{DecodePlan, wire};
use crate::pipeline::ingest::writer::{Admission, Writer};
use crate::pipeline::kafka::source::{RawHeaders, RawRecord};
use crate::pipeline::kafka::{Message, OutError};
use crate::pipeline::projector::catch_up_offline;
use crate::pipeline::registry::{BundledSchema, SchemaError, SchemaSource};
use crate::store::counting::CountingStore;
use crate::store::dead_letters::{self, ValueHash};
use crate::store::memory::MemoryStore;
use crate::store::records::RedriveLetterRecord;
use crate::store::{Batch, Durability, Key, Table, keys, reads};
use crate::testkit::{TOPIC, settings};
use jiff::Timestamp;
use saga_tracker_sdk::contract::{SagaEvent, SagaStatus, SagaType};
use saga_tracker_sdk::encoding::Encoder;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A topic of one partition, and the store that it is consumed into.
struct Topic {
    store: SharedStore,
    memory: Arc<MemoryStore>,
    /// Writes that a power failure could have taken when something was published.
    at_risk: AtomicU64,
    records: Mutex<Vec<Message>>,
    consumed: AtomicUsize,
    consumption: Consumption,
    /// Publishes fail so often.
    away: AtomicUsize,
    /// Publishes so often without saying so.
    silent: AtomicUsize,
    /// What is published is not consumed.
    held: AtomicBool,
    /// Decisions made so far.
    decided: AtomicU64,
}

impl Topic {
    fn new() -> Arc<Self> {
        let memory = Arc::new(MemoryStore::new());
        Arc::new(Self {
            store: memory.clone(),
            memory,
            at_risk: AtomicU64::new(0),
            records: Mutex::default(),
            consumed: AtomicUsize::new(0),
            consumption: Consumption::default(),
            away: AtomicUsize::new(0),
            silent: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            decided: AtomicU64::new(0),
        })
    }

    fn put(&self, key: &str, value: Option<Vec<u8>>, headers: Vec<(String, Option<Vec<u8>>)>) -> Position {
        let mut records = self.records.lock().unwrap();
        records.push(Message {
            topic: TOPIC.to_owned(),
            partition: None,
            key: Some(key.as_bytes().to_vec()),
            value,
            headers,
        });
        Position::new(0, records.len() as u64 - 1)
    }

    /// Says that a letter will come back with that value.
    fn announce(&self, letter: Position, value: &[u8]) {
        let letters = [(letter, ValueHash::of(Some(value)))];
        let announcement = Announcement {
            by: "kim",
            origin: "test",
            why: "test",
            letters: &letters,
        };
        announce(&announcement, &testing::topics(TOPIC, "dlt"), self).unwrap();
    }

    /// Consumes what was just published, unless it is held; then its end is known.
    fn published(&self) {
        if !self.held.load(Ordering::Relaxed) {
            return self.consume();
        }
        let end = self.records.lock().unwrap().len() as u64;
        let end = [(0, end)].into_iter().collect();
        self.consumption.ingest.update(|status| status.end = end);
    }

    /// What was held is consumed, and so is what comes.
    fn release(&self) {
        self.held.store(false, Ordering::Relaxed);
        self.consume();
    }

    /// Consumes what is new, and folds it.
    fn consume(&self) {
        let schemas = BundledSchema::new().unwrap();
        let mut writer = Writer::open(self.store.clone(), TOPIC).unwrap();
        let records = self.records.lock().unwrap().clone();
        for (offset, record) in records
            .iter()
            .enumerate()
            .skip(self.consumed.load(Ordering::Relaxed))
        {
            let raw = RawRecord {
                position: Position::new(0, offset as u64),
                timestamp: Some(Millis(1_763_600_000_000)),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: RawHeaders::List(&record.headers),
            };
            let Admission::New { arrived_at } = writer.admit(&raw).unwrap() else {
                panic!("offset {offset} is known");
            };
            let outcome = match wire::payload(raw.value) {
                Ok((id, body)) => schemas.plan(id).unwrap().event(body, raw.position, arrived_at),
                Err(defect) => Err(defect.into()),
            };
            writer.account(&raw, arrived_at, None, outcome);
        }
        writer.write().unwrap();
        self.consumed.store(records.len(), Ordering::Relaxed);
        catch_up_offline(&self.store, TOPIC, &Arc::default(), &settings(1)).unwrap();
        let end: Cut = [(0, records.len() as u64)].into_iter().collect();
        self.consumption.ops.update(|status| status.end = Some(0));
        self.consumption.ingest.update(|status| {
            status.last_contact = Some(Millis(1));
            status.answered = 1;
            status.next = end.clone();
            status.end = end;
        });
    }
}

/// Decisions take effect at once, as where the ops topic is read to its end.
impl Deciding for Topic {
    fn decide(&self, new: NewDecision) -> Result<u64, OpsError> {
        let appliers = testing::appliers(TOPIC, "dlt");
        let offset = self.decided.fetch_add(1, Ordering::Relaxed);
        testing::apply(&self.store, &appliers, offset, &new);
        Ok(offset)
    }
}

impl Outlet for Topic {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        let take = |left: &AtomicUsize| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
        };
        if take(&self.away) {
            return Err(OutError::Unreachable("away".to_owned()));
        }
        let key = String::from_utf8(message.key.clone().unwrap()).unwrap();
        let at = self.put(&key, message.value.clone(), message.headers.clone());
        if take(&self.silent) {
            self.published();
            return Err(OutError::Uncertain("no word".to_owned()));
        }
        self.published();
        Ok(at)
    }

    fn publish_all(&self, messages: &[Message]) -> Vec<Result<Position, OutError>> {
        self.at_risk.fetch_max(self.memory.unsynced(), Ordering::Relaxed);
        messages.iter().map(|message| self.publish(message)).collect()
    }
}

fn encoded(event_id: &str, saga: &str, step: &str, status: SagaStatus, at: i64) -> Vec<u8> {
    let instant = Timestamp::from_millisecond(at).unwrap();
    let event = SagaEvent {
        event_id: event_id.to_owned(),
        event_timestamp: instant,
        saga_id: saga.to_owned(),
        saga_type: SagaType::OrderCreation,
        step: step.to_owned(),
        status,
        order_id: "o".to_owned(),
        metadata: None,
        recorded_at: instant,
    };
    Encoder::published().unwrap().encode(&event, 1).unwrap()
}

const AT: i64 = 1_763_600_000_000;

/// The same event, unreadable because its first byte is wrong.
fn spoiled(event_id: &str, saga: &str, step: &str, status: SagaStatus, at: i64) -> Vec<u8> {
    let mut value = encoded(event_id, saga, step, status, at);
    value.remove(0);
    value
}

fn redrives(topic: &Arc<Topic>, shutdown: &CancellationToken) -> Redrives {
    redrives_with(topic, Arc::new(BundledSchema::new().unwrap()), shutdown)
}

fn redrives_with(
    topic: &Arc<Topic>,
    schemas: Arc<dyn SchemaSource>,
    shutdown: &CancellationToken,
) -> Redrives {
    let clock: SharedClock = Arc::new(SystemClock);
    Redrives::new(RedriveParts {
        sources: Sources {
            store: topic.store.clone(),
            schemas,
            topics: testing::topics(TOPIC, "dlt"),
        },
        definitions: SharedDefinitions::default(),
        out: topic.clone(),
        deciding: topic.clone(),
        consumption: topic.consumption.clone(),
        audit: Audit::new(topic.store.clone(), clock.clone()),
        replay_events: 1_000,
        clock,
        shutdown: shutdown.clone(),
    })
}

fn order(letters: Vec<Position>, change: Change, dry_run: bool) -> RedriveOrder {
    RedriveOrder {
        letters,
        chosen_by: serde_json::json!({}),
        change,
        per_second: None,
        dry_run,
        by: "kim".to_owned(),
        origin: "test".to_owned(),
        why: None,
    }
}

/// Works the order off, and tells what became of each letter.
fn worked(topic: &Arc<Topic>, order: &RedriveOrder) -> Vec<RedriveItem> {
    let shutdown = CancellationToken::new();
    let redrives = redrives(topic, &shutdown);
    let asked = redrives.ask(order).unwrap();
    let thread = redrives.spawn().unwrap();
    let ended = redrives
        .wait_for(asked.number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    assert!(ended.ended_at.is_some(), "{ended:?}");
    redrives
        .items(asked.number, None, usize::MAX, Stop::default())
        .unwrap()
}

/// Puts the wire format's first byte, and the id, before what is left of it.
fn reframed() -> Change {
    // The body begins behind the four bytes of the id that are left: only whole values can be given.
    Change {
        event: Some(EventEdit {
            event_id: Some("e-1".to_owned()),
            saga_id: Some("s".to_owned()),
            saga_type: Some("ORDER_CREATION".to_owned()),
            step: Some("ORDER_CONFIRMED".to_owned()),
            status: Some("COMPLETED".to_owned()),
            order_id: Some("o".to_owned()),
            recorded_at: Some(Timestamp::from_millisecond(AT + 5).unwrap()),
            ..EventEdit::default()
        }),
        ..Change::default()
    }
}

fn with_one_letter() -> (Arc<Topic>, Position) {
    let topic = Topic::new();
    topic.put(
        "s",
        Some(encoded("e-0", "s", "ORDER_CREATED", SagaStatus::Started, AT)),
        Vec::new(),
    );
    let value = spoiled("e-1", "s", "ORDER_CONFIRMED", SagaStatus::Completed, AT + 5);
    let letter = topic.put("s", Some(value), vec![("trace".to_owned(), Some(b"x".to_vec()))]);
    topic.consume();
    (topic, letter)
}

#[test]
fn a_dry_run_tells_and_publishes_nothing() {
    let (topic, letter) = with_one_letter();
    let items = worked(&topic, &order(vec![letter], reframed(), true));
    let RedriveResult::Forecast(forecast) = &items[0].result else {
        panic!("{items:?}");
    };
    assert_eq!(forecast.outlook, PredictedOutcome::Applied);
    let status = |standing: &Option<crate::operations::dead_letters::Standing>| {
        standing.as_ref().map(|s| s.status.clone())
    };
    assert_eq!(status(&forecast.before).as_deref(), Some("STARTED"));
    assert_eq!(status(&forecast.after).as_deref(), Some("COMPLETED"));
    assert_eq!(topic.records.lock().unwrap().len(), 2);
    let undecodable = worked(&topic, &order(vec![letter], Change::default(), true));
    let RedriveResult::Forecast(forecast) = &undecodable[0].result else {
        panic!("{undecodable:?}");
    };
    assert_eq!(forecast.outlook, PredictedOutcome::Undecodable);
}

#[test]
fn a_letter_comes_back_marked_and_is_published_once() {
    let (topic, letter) = with_one_letter();
    let items = worked(&topic, &order(vec![letter], reframed(), false));
    assert_eq!(
        items[0].result,
        RedriveResult::Came(Position::new(0, 2), RedriveOutcome::Applied("s".into()))
    );
    let published = topic.records.lock().unwrap()[2].clone();
    assert_eq!(published.headers[0].0, "trace");
    assert_eq!(published.headers.len(), 4);
    let items = worked(&topic, &order(vec![letter], reframed(), false));
    assert!(matches!(items[0].result, RedriveResult::Skipped(_)), "{items:?}");
    assert_eq!(topic.records.lock().unwrap().len(), 3);
}

#[test]
fn what_kafka_did_not_answer_for_is_found_out_before_it_is_published_again() {
    let (topic, letter) = with_one_letter();
    topic.away.store(1, Ordering::Relaxed);
    topic.silent.store(1, Ordering::Relaxed);
    let items = worked(&topic, &order(vec![letter], reframed(), false));
    assert_eq!(
        items[0].result,
        RedriveResult::Came(Position::new(0, 2), RedriveOutcome::Applied("s".into()))
    );
    assert_eq!(topic.records.lock().unwrap().len(), 3, "published once");
}

/// A topic with that many letters, each of which only needs a schema id.
fn with_letters(count: usize) -> (Arc<Topic>, Vec<Position>, Change) {
    let topic = Topic::new();
    let letters = (0..count).map(|n| {
        // Its first byte is that of no wire format, and the rest is the body.
        topic.put("k", Some(mended(n)[5..].to_vec()), Vec::new())
    });
    let letters = letters.collect();
    topic.consume();
    let change = Change {
        schema_id: Some(1),
        ..Change::default()
    };
    (topic, letters, change)
}

/// The event that letter `n` of [`with_letters`] should have been.
fn mended(n: usize) -> Vec<u8> {
    encoded(
        &format!("e-{n}"),
        &format!("s{n}"),
        "STEP",
        SagaStatus::Started,
        AT,
    )
}

/// The first letters of [`with_letters`] are in the topic again, as a redrive publishes them.
fn come_back(topic: &Topic, letters: &[Position]) {
    put_back(topic, letters);
    topic.consume();
}

/// The same, and nobody has consumed them.
fn put_back(topic: &Topic, letters: &[Position]) {
    let topics = testing::topics(TOPIC, "dlt");
    for (n, letter) in letters.iter().enumerate() {
        let headers = topics.headers_of(*letter);
        let headers = headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
        let value = mended(n);
        topic.announce(*letter, &value);
        topic.put("k", Some(value), headers.to_vec());
    }
}

#[test]
fn letters_that_were_being_published_at_a_crash_are_settled_by_their_marks() {
    let (topic, letters, change) = with_letters(250);
    let asked = {
        let redrives = redrives(&topic, &CancellationToken::new());
        redrives.ask(&order(letters.clone(), change, false)).unwrap()
    };
    // As a crash leaves it: some sending and published, some sending and not.
    let sending = letters[..20]
        .iter()
        .map(|letter| (*letter, RedriveLetterRecord::Sending));
    tally::settle(&topic.store, asked.number, sending, Durability::Process).unwrap();
    come_back(&topic, &letters[..10]);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let thread = redrives.spawn().unwrap();
    let ended = redrives
        .wait_for(asked.number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!((ended.sent, ended.waiting, ended.refused), (250, 0, 0));
    assert_eq!(
        topic.records.lock().unwrap().len(),
        500,
        "each was published once"
    );
    let counts = dead_letters::counts(&*topic.store.snapshot()).unwrap();
    let redriven: u64 = counts.values().map(|counts| counts.redriven).sum();
    let open: u64 = counts.values().map(|counts| counts.open).sum();
    assert_eq!((redriven, open), (250, 0));
    let cursor = reads::cursor(&*topic.store, reads::active_generation(&*topic.store).unwrap()).unwrap();
    for n in 0..250 {
        let saga = format!("s{n}").into();
        assert_eq!(reads::deliveries(&*topic.store, &saga, &cursor).unwrap().len(), 1);
    }
    let filter = DeadLetterFilter {
        state: Some(dead_letters::DeadLetterState::Open),
        ..DeadLetterFilter::default()
    };
    assert_eq!(redrives.dead_letter_query().choose(&filter, 9).unwrap(), []);
}

fn open_letters(topic: &Topic) -> u64 {
    let counts = dead_letters::counts(&*topic.store.snapshot()).unwrap();
    counts.values().map(|counts| counts.open).sum()
}

/// A topic with a letter that is an event as it is, as where its schema was not known then.
fn with_a_readable_letter(step: &str) -> (Arc<Topic>, Position) {
    let topic = Topic::new();
    topic.consume();
    let value = encoded("e-1", "s", step, SagaStatus::Completed, AT + 5);
    let letter = Position::new(0, 0);
    testing::put_letter(&topic.store, TOPIC, letter, Some(&value));
    // What stood at its offset.
    topic.put("s", None, Vec::new());
    topic.consumed.store(1, Ordering::Relaxed);
    topic.consume();
    (topic, letter)
}

/// A registry that is away for so many questions.
struct Flapping {
    away: AtomicUsize,
    bundled: BundledSchema,
}

impl SchemaSource for Flapping {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        let away = |left: usize| left.checked_sub(1);
        if self
            .away
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, away)
            .is_ok()
        {
            return Err(SchemaError::Unavailable("try again".to_owned()));
        }
        self.bundled.plan(id)
    }
}

#[test]
fn letters_wait_for_a_registry_that_is_away_and_none_is_refused() {
    let (topic, letter) = with_a_readable_letter("ORDER_CONFIRMED");
    let shutdown = CancellationToken::new();
    let redrives = redrives_with(
        &topic,
        Arc::new(Flapping {
            away: AtomicUsize::new(1),
            bundled: BundledSchema::new().unwrap(),
        }),
        &shutdown,
    );
    let asked = redrives
        .ask(&order(vec![letter], Change::default(), false))
        .unwrap();
    let thread = redrives.spawn().unwrap();
    let ended = redrives
        .wait_for(asked.number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!((ended.sent, ended.refused), (1, 0), "{ended:?}");
}

/// Whoever asks on for the letters behind waits for each of them in vain.
#[test]
fn letters_behind_one_that_waits_for_the_registry_wait_too() {
    let topic = Topic::new();
    topic.consume();
    for offset in 0..2 {
        let (id, saga) = (format!("e-{offset}"), format!("s-{offset}"));
        let value = encoded(&id, &saga, "ORDER_CONFIRMED", SagaStatus::Completed, AT + 5);
        testing::put_letter(&topic.store, TOPIC, Position::new(0, offset), Some(&value));
        topic.put("s", None, Vec::new());
    }
    topic.consumed.store(2, Ordering::Relaxed);
    topic.consume();
    let shutdown = CancellationToken::new();
    let schemas = Arc::new(Flapping {
        away: AtomicUsize::new(1),
        bundled: BundledSchema::new().unwrap(),
    });
    let redrives = redrives_with(&topic, schemas, &shutdown);
    let letters = (0..2).map(|offset| Position::new(0, offset)).collect();
    let asked = redrives.ask(&order(letters, Change::default(), false)).unwrap();
    let thread = redrives.spawn().unwrap();
    redrives.wait_for(asked.number, Duration::from_secs(30)).unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    let items = redrives.items(asked.number, None, 2, Stop::default()).unwrap();
    let came = items.iter().map(|item| match &item.result {
        RedriveResult::Came(at, _) => at.offset,
        other => panic!("{other:?}"),
    });
    assert_eq!(came.collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn only_what_a_redrive_changed_is_announced() {
    let (topic, letter) = with_a_readable_letter("ORDER_CONFIRMED");
    worked(&topic, &order(vec![letter], Change::default(), false));
    assert_eq!(
        (open_letters(&topic), topic.decided.load(Ordering::Relaxed)),
        (0, 0)
    );
    let (topic, letter) = with_one_letter();
    worked(&topic, &order(vec![letter], reframed(), false));
    assert_eq!(
        (open_letters(&topic), topic.decided.load(Ordering::Relaxed)),
        (0, 1)
    );
}

#[test]
fn three_headers_that_anybody_can_write_settle_no_letter() {
    let (topic, letter) = with_one_letter();
    let headers = testing::topics(TOPIC, "dlt").headers_of(letter);
    let headers = headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
    let value = encoded("e-1", "s", "ORDER_CONFIRMED", SagaStatus::Completed, AT + 5);
    topic.put("s", Some(value.clone()), headers.to_vec());
    topic.consume();
    assert_eq!(open_letters(&topic), 1);
    assert_eq!(
        redrives(&topic, &CancellationToken::new())
            .dead_letter_query()
            .show(letter)
            .unwrap()
            .history
            .len(),
        1
    );
    // Said before or after, by a replica of ours, it counts.
    topic.announce(letter, &value);
    assert_eq!(open_letters(&topic), 0);
}

#[test]
fn events_that_only_operators_cause_are_not_redriven() {
    let (topic, letter) = with_a_readable_letter(OPERATOR_STATUS_CHANGE);
    let items = worked(&topic, &order(vec![letter], Change::default(), false));
    assert!(
        matches!(&items[0].result, RedriveResult::Refused(why) if why.contains("reserved")),
        "{items:?}"
    );
    let (topic, letter) = with_one_letter();
    let mut change = reframed();
    change.event.as_mut().unwrap().step = Some(OPERATOR_STATUS_CHANGE.to_owned());
    let items = worked(&topic, &order(vec![letter], change.clone(), false));
    assert!(matches!(items[0].result, RedriveResult::Refused(_)), "{items:?}");
    let value = encoded("e-1", "s", OPERATOR_STATUS_CHANGE, SagaStatus::Completed, AT + 5);
    let bytes = Change {
        value: Some(value),
        ..Change::default()
    };
    let items = worked(&topic, &order(vec![letter], bytes, false));
    assert!(matches!(items[0].result, RedriveResult::Refused(_)), "{items:?}");
    let items = worked(&topic, &order(vec![letter], change, true));
    assert!(
        matches!(&items[0].result, RedriveResult::Forecast(told) if told.outlook == PredictedOutcome::Reserved),
        "{items:?}"
    );
    assert_eq!(topic.records.lock().unwrap().len(), 2, "nothing was published");
}

/// What is published survives a power failure, so what is known of it before has to as well: otherwise it
/// would be published again.
#[test]
fn that_letters_are_being_published_is_on_disk_before_they_are() {
    let (topic, letter) = with_one_letter();
    assert!(topic.memory.unsynced() > 0);
    worked(&topic, &order(vec![letter], reframed(), false));
    assert_eq!(
        (open_letters(&topic), topic.at_risk.load(Ordering::Relaxed)),
        (0, 0)
    );
}

#[test]
fn an_id_that_cannot_be_looked_for_now_leaves_the_dead_letters_to_be_replayed() {
    let (topic, letter) = with_one_letter();
    // Two letters of one event: the second is readable, and nobody has decided anything of the first.
    let redrives = {
        let mut parts = Arc::try_unwrap(redrives(&topic, &CancellationToken::new()).inner)
            .unwrap_or_else(|_| panic!("nobody else has it"))
            .parts;
        parts.replay_events = 0;
        Redrives::new(parts)
    };
    let mut rows = Batch::new();
    let mut key = Key::default();
    keys::letter_by_event(&mut key, "e-1", letter);
    rows.put_with(Table::LettersByEvent, &key, |bytes| bytes.push(1));
    topic.store.write(&rows, Durability::Process).unwrap();
    let order = crate::operations::dead_letters::ReplayOrder {
        event_ids: vec!["e-1".to_owned(), "e-0".to_owned()],
        saga_ids: Vec::new(),
        dry_run: true,
        by: "kim".to_owned(),
        origin: "test".to_owned(),
    };
    let gone = CancellationToken::new();
    let shutdown = redrives.inner.parts.shutdown.clone();
    let thread = redrives.spawn().unwrap();
    let results = redrives.replay_events(&order, &gone).unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    let failed = crate::operations::dead_letters::ReplayStatus::Failed;
    assert!(results[0].message.contains("dead letter"), "{results:?}");
    assert_eq!(results[1].status, failed);
    assert!(results[1].message.contains("sagaIds"), "{results:?}");
    gone.cancel();
    assert!(
        redrives.replay_events(&order, &gone).is_err(),
        "nobody waits for it"
    );
}
