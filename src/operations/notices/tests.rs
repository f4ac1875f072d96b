//! What happens is told once it is there, at least once whatever ends in between, and nothing is told that did not
//! happen.

use super::notice::Notice;
use super::outlet::{Outlet, SendError, Target};
use super::teller::{RoundError, Teller};
use super::*;
use crate::domain::clock::Clock;
use crate::domain::{Event, Millis, Position, SagaDefinitions, SagaStatus};
use crate::pipeline::projector::Projector;
use crate::store::codec::Record;
use crate::store::records::{DeadLetterSummaryRecord, OffsetRecord};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, reads};
use crate::testkit::{self, DAY, TOPIC, event_at};
use SagaStatus::{Compensated, Completed, Failed, Started};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

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

impl<F: FnMut(&Notice) -> Result<(), SendError>> Outlet for Receiver<F> {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        (self.0)(notice)
    }
}

/// A store, what is told of it, and what was.
struct World {
    store: SharedStore,
    clock: Arc<TestClock>,
    settings: NoticeSettings,
    status: Arc<NoticeStatus>,
    got: Mutex<Vec<(NoticeEvent, String, serde_json::Value)>>,
}

impl World {
    fn new() -> Self {
        Self {
            store: testkit::store(),
            clock: Arc::new(TestClock(AtomicI64::new(DAY + 1_000))),
            settings: NoticeSettings::default(),
            status: Arc::default(),
            got: Mutex::default(),
        }
    }

    fn notices(&self) -> Notices {
        Notices {
            query: Query::new(self.store.clone(), definitions()).of_topic(TOPIC),
            topics: [TOPIC.to_owned(), "dlt".to_owned()],
            settings: self.settings.clone(),
            status: self.status.clone(),
            clock: self.clock.clone(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Appends and folds events, in one window.
    fn project(&self, events: &[Event]) {
        let generation = reads::active_generation(&*self.store).unwrap();
        let settings = testkit::settings(1);
        let mut projector =
            Projector::open(self.store.clone(), generation, definitions(), &settings).unwrap();
        testkit::append(&self.store, events);
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

    /// A round of a process that begins with it.
    fn round(&self) {
        let notices = self.notices();
        let receiver = Receiver(|notice: &Notice| {
            self.take(notice);
            Ok(())
        });
        Teller::new(&notices, Target::of("https://hook.example/"), receiver)
            .round()
            .unwrap();
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
            keys::by_offset(&mut key, Position::new(1, offset));
            batch.put_with(Table::Letters, &key, |bytes| letter.write(bytes));
        }
        let row = OffsetRecord {
            next: range.end,
            ..OffsetRecord::default()
        };
        keys::offsets(&mut key, TOPIC, 1);
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
        self.store.write(&batch, Durability::Process).unwrap();
    }
}

fn failing(from: u64, sagas: u64) -> Vec<Event> {
    (from..from + sagas)
        .flat_map(|n| {
            let saga = format!("s{n}");
            [
                event_at(&saga, 2 * n, "ORDER_CREATED", Started),
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
    world.clock.0.fetch_add(2 * HOUR, Ordering::Relaxed);
    let notices = world.notices();
    let shutdown = notices.shutdown.clone();
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
    let ended = Teller::new(&notices, Target::of("https://hook.example/"), receiver).round();
    assert!(matches!(ended, Ok(()) | Err(RoundError::Stopped)), "{ended:?}");
    world
}

#[test]
fn a_receiver_that_fails_is_told_again_without_what_it_took() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 5));
    let notices = world.notices();
    let mut calls = 0;
    let receiver = Receiver(|notice: &Notice| {
        calls += 1;
        if calls == 3 {
            return Err(SendError::Failed("503".to_owned()));
        }
        world.take(notice);
        Ok(())
    });
    let mut teller = Teller::new(&notices, Target::of("https://hook.example/"), receiver);
    assert!(
        matches!(teller.round(), Err(RoundError::Untold(_))),
        "the third call fails"
    );
    assert_eq!(world.told(), [failed("s0"), failed("s1")]);
    teller.round().unwrap();
    assert_eq!(world.told(), [failed("s2"), failed("s3"), failed("s4")]);
    let count = |result| {
        world
            .status
            .known()
            .attempts
            .get(&(NoticeEvent::SagaFailed, result))
            .copied()
    };
    assert_eq!(count(NoticeResult::Delivered), Some(5));
    assert_eq!(count(NoticeResult::Failed), Some(1));
}

#[test]
fn a_notice_that_is_refused_for_good_or_too_old_keeps_nothing_back() {
    let world = World::new();
    world.round();
    world.project(&failing(0, 2));
    let notices = world.notices();
    let refusing = Receiver(|_: &Notice| Err(SendError::Refused("400".to_owned())));
    Teller::new(&notices, Target::of("https://hook.example/"), refusing)
        .round()
        .unwrap();
    world.round();
    assert_eq!(world.told(), []);
    world.project(&failing(2, 2));
    world.clock.0.fetch_add(73 * HOUR, Ordering::Relaxed);
    world.round();
    let told = world.told();
    assert!(
        !told.iter().any(|(event, _)| *event == NoticeEvent::SagaFailed),
        "{told:?}"
    );
    let count = |result| {
        world
            .status
            .known()
            .attempts
            .get(&(NoticeEvent::SagaFailed, result))
            .copied()
    };
    assert_eq!(count(NoticeResult::Refused), Some(2));
    assert_eq!(count(NoticeResult::Expired), Some(2));
}

#[test]
fn a_saga_that_is_late_is_told_of_once_and_again_when_it_is_late_again() {
    let world = World::new();
    let events = [event_at("a", 0, "ORDER_CREATED", Started)];
    world.project(&events);
    world.round();
    assert_eq!(world.told(), []);
    world.clock.0.fetch_add(24 * HOUR, Ordering::Relaxed);
    let stuck = [(NoticeEvent::SagaStuck, "a".to_owned())];
    world.round();
    assert_eq!(world.told(), stuck);
    world.round();
    assert_eq!(world.told(), [], "after a restart too");
    let mut ended = event_at("a", 1, "PAYMENT_FAILED", Failed);
    ended.recorded_at = Millis(DAY + 25 * HOUR);
    world.project(&[ended]);
    world.round();
    assert_eq!(world.told(), [failed("a")]);
    world.clock.0.fetch_add(24 * HOUR, Ordering::Relaxed);
    world.round();
    assert_eq!(world.told(), [(NoticeEvent::CompensationOverdue, "a".to_owned())]);
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
    world.settings = NoticeSettings::default();
    world.round();
    assert_eq!(world.told(), []);
    world.project(&failing(2, 1));
    world.round();
    assert_eq!(world.told(), [failed("s2")]);
}

#[test]
fn the_address_of_a_webhook_is_shown_without_what_may_be_a_secret() {
    let target = Target::of("https://user:pw@hook.example:8443/T000/secret?token=x");
    assert_eq!(target.shown, "https://user:********@hook.example:8443");
    assert_ne!(target.key, Target::of("https://hook.example/").key);
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
    let settings = |events: &str| NoticeSettings {
        events: events.to_owned(),
        ..NoticeSettings::default()
    };
    assert_eq!(NoticeSettings::default().events().unwrap().len(), 4);
    let one = settings(" saga.failed , ").events().unwrap();
    assert_eq!(one, BTreeSet::from([NoticeEvent::SagaFailed]));
    assert_eq!(settings("saga.lost").events(), Err("saga.lost".to_owned()));
}
