//! What happens is told once it is there, at least once whatever ends in between, and nothing is told that did not
//! happen.

mod late_sagas;

use super::notice::Notice;
use super::sender::{RoundError, Sender};
use super::transport::{SendError, Transport, Webhook};
use super::*;
use crate::domain::clock::Clock;
use crate::domain::{Cut, Event, Millis, Position, SagaDefinitions, SagaStatus};
use crate::pipeline::ingest::IngestStatus;
use crate::pipeline::projector::Projector;
use crate::pipeline::query::Query;
use crate::store::codec::Record;
use crate::store::dead_letters::EXTERNAL;
use crate::store::records::{DeadLetterSummaryRecord, OffsetRecord, TotalRecord};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, reads};
use crate::testkit::{self, DAY, TOPIC, event_at};
use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

const HOUR: i64 = 3_600_000;

const DEFINITIONS: &str = r#"
[types.ORDER_CREATION]
completing_steps = ["ORDER_CONFIRMED"]
compensates = { COMPENSATION_ORDER = "ORDER_CREATED" }
deadline_seconds = 1800
compensation_seconds = 600
"#;

fn definitions() -> Arc<SagaDefinitions> {
    Arc::new(SagaDefinitions::from_toml(DEFINITIONS).unwrap())
}

#[derive(Debug)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// A receiver that does what it is told with what it is sent.
struct Receiver<F>(F);

impl<F: FnMut(&Notice) -> Result<(), SendError>> Transport for Receiver<F> {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        (self.0)(notice)
    }
}

/// A store, what is told of it, and what was.
struct World {
    store: SharedStore,
    clock: Arc<TestClock>,
    settings: WebhookSettings,
    status: Arc<WebhookStatus>,
    ingest: Arc<IngestStatus>,
    got: Mutex<Vec<(NoticeEvent, String, serde_json::Value)>>,
}

impl World {
    fn new() -> Self {
        Self {
            store: testkit::store(),
            clock: Arc::new(TestClock(AtomicI64::new(DAY))),
            settings: WebhookSettings::default(),
            status: Arc::default(),
            ingest: Arc::default(),
            got: Mutex::default(),
        }
    }

    fn webhooks(&self) -> Webhooks {
        Webhooks {
            query: Query::new(self.store.clone(), definitions()).of_topic(TOPIC),
            topics: [TOPIC.to_owned(), "dlt".to_owned()],
            ingest: self.ingest.clone(),
            settings: self.settings.clone(),
            status: self.status.clone(),
            clock: self.clock.clone(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Appends and folds events, in one window.
    fn project(&self, events: &[Event]) {
        testkit::append(&self.store, events);
        self.fold(events);
    }

    /// Folds events that were appended.
    fn fold(&self, events: &[Event]) {
        let generation = reads::active_generation(&*self.store).unwrap();
        let settings = testkit::settings(1);
        let mut projector =
            Projector::open(self.store.clone(), generation, definitions(), &settings).unwrap();
        let cut = testkit::behind(events, projector.cursor().clone());
        projector.advance(events, &cut).unwrap();
    }

    fn take(&self, notice: &Notice) {
        let body = serde_json::from_slice(&notice.body()).unwrap();
        self.got
            .lock()
            .unwrap()
            .push((notice.event, notice.id.clone(), body));
    }

    /// A round of a process that begins with it and knows that it has read all.
    fn round(&self) {
        let webhooks = self.webhooks();
        let receiver = Receiver(|notice: &Notice| {
            self.take(notice);
            Ok(())
        });
        self.sender(&webhooks, receiver).round().unwrap();
    }

    fn sender<F: FnMut(&Notice) -> Result<(), SendError>>(
        &self,
        webhooks: &Webhooks,
        receiver: Receiver<F>,
    ) -> Sender<Receiver<F>> {
        let mut sender = Sender::new(webhooks.clone(), Webhook::of("https://hook.example/"), receiver);
        sender.shown_until();
        self.answer();
        sender
    }

    /// The broker says where the topic ends.
    fn answer(&self) {
        self.ingest.update(|status| {
            status.asked += 1;
            status.answered = status.asked;
        });
    }

    fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn count(&self, event: NoticeEvent, result: NoticeResult) -> u64 {
        let known = self.status.known();
        known.attempts.get(&(event, result)).copied().unwrap_or(0)
    }

    /// The ids of what was told since the time before.
    fn ids(&self) -> Vec<String> {
        let got = std::mem::take(&mut *self.got.lock().unwrap());
        got.into_iter().map(|(_, id, _)| id).collect()
    }

    /// What was told since the last time: the event and the saga or dead letter.
    fn told(&self) -> Vec<(NoticeEvent, String)> {
        let got = std::mem::take(&mut *self.got.lock().unwrap());
        let about = |body: &serde_json::Value| {
            let id = body["saga"]["sagaId"]
                .as_str()
                .or(body["deadLetter"]["id"].as_str());
            id.unwrap_or_default().to_owned()
        };
        got.iter().map(|(event, _, body)| (*event, about(body))).collect()
    }

    fn letters(&self, range: std::ops::Range<u64>) {
        self.letters_of((TOPIC, 1), range);
    }

    /// Dead letters of a partition, which the topic has under a number that tells them from those of the other topic.
    fn letters_of(&self, (topic, partition): (&str, u32), range: std::ops::Range<u64>) {
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for offset in range.clone() {
            let letter = DeadLetterSummaryRecord {
                topic: TOPIC,
                reason: "unknown_status",
                detail: "",
                arrived_at: DAY,
                bytes: 3,
                value: [7; 16],
                event_id: None,
                saga_id: Some("s"),
                saga_type: None,
                step: None,
                status: None,
            };
            keys::by_offset(&mut key, Position::new(partition, offset));
            batch.put_with(Table::Letters, &key, |bytes| letter.write(bytes));
        }
        let row = OffsetRecord {
            next: range.end,
            ..OffsetRecord::default()
        };
        keys::offsets(&mut key, topic, partition & !EXTERNAL);
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
        self.store.write(&batch, Durability::Process).unwrap();
    }
}

fn failing(from: u64, sagas: u64) -> Vec<Event> {
    (from..from + sagas)
        .flat_map(|n| {
            let saga = format!("s{n}");
            [
                event_at(&saga, 2 * n, "ORDER_CREATED", InProgress),
                event_at(&saga, 2 * n + 1, "PAYMENT_FAILED", Failed),
            ]
        })
        .collect()
}

fn failed(saga: &str) -> (NoticeEvent, String) {
    (NoticeEvent::SagaFailed, saga.to_owned())
}

#[test]
fn a_webhook_that_is_new_is_told_what_happens_from_then_on_and_each_of_it_once() {
    let world = World::new();
    world.project(&failing(0, 3));
    world.round();
    assert_eq!(world.told(), []);
    world.project(&failing(3, 3));
    world.round();
    assert_eq!(world.told(), [failed("s3"), failed("s4"), failed("s5")]);
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn what_happens_between_the_start_and_the_first_look_is_told() {
    let world = World::new();
    world.project(&failing(0, 3));
    let webhooks = world.webhooks();
    let receiver = Receiver(|notice: &Notice| {
        world.take(notice);
        Ok(())
    });
    let mut sender = world.sender(&webhooks, receiver);
    webhooks.begin(&sender.cursors).unwrap();
    world.project(&failing(3, 1));
    world.letters(5..6);
    sender.round().unwrap();
    let told = world.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&failed("s3")), "{told:?}");
}

#[test]
fn a_saga_fails_once_by_whatever_brought_it_there() {
    let world = World::new();
    world.round();
    let events = [
        event_at("a", 0, "ORDER_CREATED", Started),
        event_at("a", 1, "STOCK_RESERVATION_FAILED", Failed),
        event_at("a", 2, "PAYMENT_FAILED", Failed),
        event_at("b", 3, "ORDER_CREATED", Started),
        event_at("b", 4, "PAYMENT_FAILED", Failed),
        event_at("b", 5, "COMPENSATION_ORDER", Compensated),
        event_at("c", 6, "ORDER_CONFIRMED", Completed),
    ];
    world.project(&events);
    world.round();
    assert_eq!(world.told(), [failed("a"), failed("b")]);
    // The same event delivered again.
    let mut again = events[1].clone();
    again.position = Position::new(0, 7);
    world.project(&[again]);
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn a_notice_has_the_shape_that_the_contract_says() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 1));
    world.letters(0..1);
    world.round();
    let got = world.got.lock().unwrap();
    let bodies: Vec<_> = got.iter().map(|(_, _, body)| body.clone()).collect();
    assert!(bodies[0]["id"].as_str().unwrap().starts_with("ntc_"));
    let mut saga = bodies[0].clone();
    saga["id"] = "i".into();
    assert_eq!(
        saga,
        serde_json::json!({
            "version": 1, "id": "i", "event": "saga.failed", "at": "2025-11-20T00:00:00.001Z", "topic": TOPIC,
            "saga": {
                "sagaId": "s0", "sagaType": "ORDER_CREATION", "orderId": "order-of-s0", "currentStatus": "FAILED",
                "lastStep": "PAYMENT_FAILED", "failedStep": "PAYMENT_FAILED", "failureReason": null,
                "traceId": null, "awaited": [],
            },
            "deadLetter": null,
        })
    );
    assert_eq!(
        bodies[1]["deadLetter"],
        serde_json::json!({
            "id": "1-0", "reason": "unknown_status", "arrivedAt": "2025-11-20T00:00:00Z", "eventId": null,
            "sagaId": "s", "sagaType": null, "step": null,
        })
    );
}

#[test]
fn dead_letters_that_others_wrote_are_told_as_ours_are() {
    let world = World::new();
    world.round();
    world.letters(0..2);
    world.letters_of(("dlt", EXTERNAL), 0..3);
    world.round();
    let told = world.ids();
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 5, "{told:?}");
    world.round();
    assert_eq!(world.ids(), [""; 0], "each once");
}

#[test]
fn whatever_a_process_ends_behind_all_is_told_and_known_by_its_id() {
    let all: BTreeSet<String> = {
        let world = told_until(usize::MAX);
        let got = world.got.lock().unwrap();
        got.iter().map(|(_, id, _)| id.clone()).collect()
    };
    // Nine sagas that failed and are overdue by then, and five dead letters.
    assert_eq!(all.len(), 9 + 9 + 5);
    for ends in 0..all.len() {
        let world = told_until(ends);
        world.round();
        let got = world.got.lock().unwrap();
        let ids: BTreeSet<String> = got.iter().map(|(_, id, _)| id.clone()).collect();
        assert_eq!(ids, all, "ended behind {ends} notices");
    }
}

/// A world in which a process was told to stop once it had told so many notices: what it told last is not noted.
fn told_until(ends: usize) -> World {
    let world = World::new();
    world.round();
    world.project(&failing(0, 9));
    world.letters(0..5);
    world.wait(2 * HOUR);
    let webhooks = world.webhooks();
    let shutdown = webhooks.shutdown.clone();
    if ends == 0 {
        shutdown.cancel();
    }
    let mut told = 0;
    let receiver = Receiver(|notice: &Notice| {
        world.take(notice);
        told += 1;
        if told == ends {
            shutdown.cancel();
        }
        Ok(())
    });
    let ended = world.sender(&webhooks, receiver).round();
    assert!(matches!(ended, Ok(()) | Err(RoundError::Stopped)), "{ended:?}");
    world
}

#[test]
fn a_receiver_that_fails_is_told_again_without_what_it_took() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 5));
    let webhooks = world.webhooks();
    let mut calls = 0;
    let receiver = Receiver(|notice: &Notice| {
        calls += 1;
        if calls == 3 {
            return Err(SendError::Away("503".to_owned()));
        }
        world.take(notice);
        Ok(())
    });
    let mut sender = world.sender(&webhooks, receiver);
    assert!(
        matches!(sender.round(), Err(RoundError::Untold(_))),
        "the third call fails"
    );
    assert_eq!(world.told(), [failed("s0"), failed("s1")]);
    sender.round().unwrap();
    assert_eq!(world.told(), [failed("s2"), failed("s3"), failed("s4")]);
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Delivered), 5);
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Failed), 1);
}

#[test]
fn a_notice_that_is_refused_for_good_or_too_old_keeps_nothing_back() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 2));
    let webhooks = world.webhooks();
    let refusing = Receiver(|_: &Notice| Err(SendError::Refused("422".to_owned())));
    world.sender(&webhooks, refusing).round().unwrap();
    world.round();
    assert_eq!(world.told(), []);
    world.project(&failing(2, 2));
    world.wait(73 * HOUR);
    world.round();
    let told = world.told();
    assert!(
        !told.iter().any(|(event, _)| *event == NoticeEvent::SagaFailed),
        "{told:?}"
    );
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Refused), 2);
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Expired), 2);
}

#[test]
fn what_fails_of_one_event_keeps_nothing_of_the_others_back_and_none_is_told_twice() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 3));
    world.letters(0..2);
    world.wait(2 * HOUR);
    let webhooks = world.webhooks();
    let receiver = Receiver(|notice: &Notice| {
        if notice.event == NoticeEvent::SagaFailed {
            return Err(SendError::Failed("500".to_owned()));
        }
        world.take(notice);
        Ok(())
    });
    let mut sender = world.sender(&webhooks, receiver);
    for _ in 0..3 {
        assert!(matches!(sender.round(), Err(RoundError::Untold(_))), "it fails");
        world.answer();
    }
    let told: Vec<NoticeEvent> = world.told().into_iter().map(|(event, _)| event).collect();
    let overdue = [NoticeEvent::CompensationOverdue; 3];
    assert_eq!(
        told,
        [overdue.as_slice(), &[NoticeEvent::NewDeadLetter; 2]].concat()
    );
}

#[test]
fn what_expired_or_was_taken_before_one_that_fails_counts_once() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 2));
    let mut young = failing(2, 2);
    for event in &mut young {
        event.arrived_at = Millis(DAY + 72 * HOUR);
    }
    world.project(&young);
    world.wait(73 * HOUR);
    let webhooks = world.webhooks();
    let receiver = Receiver(|notice: &Notice| {
        let body: serde_json::Value = serde_json::from_slice(&notice.body()).unwrap();
        if body["saga"]["sagaId"] == "s3" {
            return Err(SendError::Away("no route".to_owned()));
        }
        world.take(notice);
        Ok(())
    });
    let mut sender = world.sender(&webhooks, receiver);
    for _ in 0..3 {
        assert!(sender.round().is_err(), "s3 is not taken");
    }
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Expired), 2);
    assert_eq!(world.count(NoticeEvent::SagaFailed, NoticeResult::Delivered), 1);
}

#[test]
fn a_notice_that_is_answered_with_a_refusal_again_and_again_is_set_aside_and_one_to_nobody_is_not() {
    for (error, told) in [
        (SendError::Failed("403".to_owned()), vec![failed("s1")]),
        (SendError::Away("no route".to_owned()), vec![]),
    ] {
        let mut world = World::new();
        world.settings.events = "saga.failed".to_owned();
        world.round();
        world.project(&failing(0, 2));
        let webhooks = world.webhooks();
        let receiver = Receiver(|notice: &Notice| {
            let body: serde_json::Value = serde_json::from_slice(&notice.body()).unwrap();
            if body["saga"]["sagaId"] == "s0" {
                return Err(error.clone());
            }
            world.take(notice);
            Ok(())
        });
        let mut sender = world.sender(&webhooks, receiver);
        for _ in 1..sender::MAX_FAILURES {
            assert!(sender.round().is_err(), "it may be taken yet");
        }
        assert_eq!(world.told(), []);
        assert_eq!(sender.round().is_ok(), !told.is_empty());
        assert_eq!(world.told(), told);
        let refused = world.count(NoticeEvent::SagaFailed, NoticeResult::Refused);
        assert_eq!(refused, told.len() as u64);
    }
}

#[test]
fn a_failure_has_one_id_whatever_turns_out_to_have_brought_it() {
    let world = World::new();
    world.round();
    let mut events = [
        event_at("a", 0, "ORDER_CREATED", Started),
        event_at("a", 1, "PAYMENT_FAILED", Failed),
        event_at("a", 2, "STOCK_RESERVATION_FAILED", Failed),
    ];
    events[1].recorded_at = Millis(DAY + 100);
    world.project(&events[..2]);
    world.round();
    let first = world.ids();
    world.project(&events[2..]);
    world.round();
    assert_eq!(world.ids(), first);
}

#[test]
fn a_failure_that_is_compensated_within_one_millisecond_is_told() {
    let world = World::new();
    world.round();
    let mut events = [
        event_at("a", 0, "ORDER_CREATED", Started),
        event_at("a", 1, "PAYMENT_FAILED", Failed),
        event_at("a", 2, "COMPENSATION_ORDER", Compensated),
    ];
    events[2].recorded_at = events[1].recorded_at;
    world.project(&events);
    world.round();
    assert_eq!(world.told(), [failed("a")]);
}

#[test]
fn a_fresh_store_reads_what_was_there_before_and_tells_nothing_of_it() {
    let world = World::new();
    world.wait(HOUR);
    world.round();
    world.project(&failing(0, 2));
    world.letters(0..2);
    let mut since = failing(2, 1);
    for event in &mut since {
        event.arrived_at = Millis(DAY + HOUR);
    }
    world.project(&since);
    world.round();
    let told = world.told();
    assert!(
        !told.iter().any(|(event, _)| *event == NoticeEvent::NewDeadLetter),
        "{told:?}"
    );
    let told = told
        .into_iter()
        .filter(|(event, _)| *event == NoticeEvent::SagaFailed);
    assert_eq!(told.collect::<Vec<_>>(), [failed("s2")]);
}

#[test]
fn what_was_told_before_a_stop_is_not_told_again() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 2));
    let webhooks = world.webhooks();
    let receiver = Receiver(|notice: &Notice| {
        world.take(notice);
        let told = world.got.lock().unwrap().len();
        if told == 2 {
            webhooks.shutdown.cancel();
        }
        Ok(())
    });
    let ended = world.sender(&webhooks, receiver).round();
    assert!(matches!(ended, Err(RoundError::Stopped)), "{ended:?}");
    assert_eq!(world.told(), [failed("s0"), failed("s1")]);
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn what_is_not_wanted_is_not_told_and_once_wanted_begins_anew() {
    let mut world = World::new();
    world.round();
    world.settings.events = "dead_letter.new".to_owned();
    world.project(&failing(0, 2));
    world.letters(0..1);
    world.round();
    assert_eq!(world.told(), [(NoticeEvent::NewDeadLetter, "1-0".to_owned())]);
    world.settings = WebhookSettings::default();
    world.round();
    assert_eq!(world.told(), []);
    world.project(&failing(2, 1));
    world.round();
    assert_eq!(world.told(), [failed("s2")]);
}

#[test]
fn the_address_of_a_webhook_is_shown_without_what_may_be_a_secret() {
    let webhook = Webhook::of("https://user:pw@hook.example:8443/T000/secret?token=x");
    assert_eq!(webhook.shown, "https://********@hook.example:8443");
    assert_eq!(Webhook::of("hook.example/T000/secret").shown, "********");
    assert_ne!(webhook.key, Webhook::of("https://hook.example/").key);
    // Nothing else of the store is touched.
    let world = World::new();
    world.round();
    assert!(
        reads::log_cut(&*world.store, TOPIC)
            .unwrap()
            .iter()
            .next()
            .is_none()
    );
}

#[test]
fn events_are_known_by_the_names_that_options_have() {
    let settings = |events: &str| WebhookSettings {
        events: events.to_owned(),
        ..WebhookSettings::default()
    };
    assert_eq!(WebhookSettings::default().events().unwrap().len(), 4);
    let one = settings(" saga.failed , ").events().unwrap();
    assert_eq!(one, BTreeSet::from([NoticeEvent::SagaFailed]));
    assert_eq!(settings("saga.lost").events(), Err("saga.lost".to_owned()));
}
