//! What a search decides: nothing that a replica would keep that has read everything, by a right clock.

use super::*;
use crate::domain::MetadataForm;
use crate::domain::clock::Clock;
use crate::operations::decisions::Decisions;
use crate::operations::objects::Objects;
use crate::pipeline::kafka::{Message, OutError, Outlet};
use saga_tracker_sdk::publishing::RandomEventIds;

pub(super) const DAYS: i64 = 86_400_000;
pub(super) const NOW: i64 = 1_795_000_000_000;
const OPS: &str = "ops";

struct At(i64);

impl Clock for At {
    fn now(&self) -> Millis {
        Millis(self.0)
    }
}

/// An ops topic of which every message is read at once.
struct Loop {
    store: SharedStore,
    ops: Arc<OpsStatus>,
    said: Arc<Said>,
}

impl Outlet for Loop {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        let value = message.value.as_deref().unwrap();
        if value.len() > 1_000_000 || value.windows(6).any(|word| word == b"poison") {
            return Err(OutError::Refused("it is too large".to_owned()));
        }
        let offset = self.ops.snapshot().next;
        let decision: Decision = serde_json::from_slice(message.value.as_deref().unwrap()).unwrap();
        let mut rows = Batch::new();
        let decided = Decided {
            offset,
            arrived_at: Millis(NOW + i64::try_from(offset).unwrap()),
            decision: &decision,
        };
        let appliers = appliers(TOPIC);
        let purge = appliers.iter().find(|applier| applier.kind() == PURGE).unwrap();
        let applied = purge.apply(decided, None, &*self.store, &mut rows);
        assert!(matches!(applied, Ok(Verdict::Applied(_))), "{applied:?}");
        let topic = Topic::new(vec![]);
        let decisions = vec![decision; usize::try_from(offset).unwrap() + 1];
        let topic = Topic { decisions, ..topic };
        topic.put(&self.store, &mut rows, offset, DecisionOutcome::Applied);
        self.said.set(OPS, 0, 0, offset + 1);
        self.ops.update(|status| status.next = offset + 1);
        Ok(Position::new(0, offset))
    }
}

/// A tracker that decides, of which a test says how far it has read.
pub(super) struct Tracker {
    store: SharedStore,
    said: Arc<Said>,
    pub(super) ops: Arc<OpsStatus>,
    pub(super) status: Arc<RetentionStatus>,
    pub(super) handle: ProjectorHandle,
    threads: Vec<std::thread::JoinHandle<()>>,
    shutdown: CancellationToken,
    pub(super) objects: Option<Objects>,
    pub(super) definitions: SharedDefinitions,
    pub(super) asked_for: Arc<AskedFor>,
    left: Mutex<std::collections::HashMap<SagaId, std::time::Instant>>,
}

impl Tracker {
    pub(super) fn over(store: &SharedStore, said: &Arc<Said>) -> Self {
        let definitions = SharedDefinitions::default();
        let (handle, projecting) = projector::spawn(
            store.clone(),
            TOPIC,
            definitions.get(),
            ProjectorSettings::default(),
        )
        .unwrap();
        let (ops, status): (Arc<OpsStatus>, Arc<RetentionStatus>) = (Arc::default(), Arc::default());
        said.set(OPS, 0, 0, 0);
        let shutdown = CancellationToken::new();
        let asked_for = Arc::<AskedFor>::default();
        let worker = Worker {
            store: store.clone(),
            edge: Edge {
                asked_for: asked_for.clone(),
                ..edge(said, &handle, &ops, &status)
            },
            projector: handle.clone(),
            ops: ops.clone(),
            status: status.clone(),
            space: Arc::new(Boundless),
            configured: Arc::default(),
            definitions: definitions.clone(),
            reclaim_percent: 100,
            shutdown: shutdown.clone(),
        };
        Self {
            store: store.clone(),
            said: said.clone(),
            threads: vec![worker.spawn().unwrap(), projecting],
            ops,
            status,
            handle,
            shutdown,
            objects: None,
            definitions,
            asked_for,
            left: Mutex::default(),
        }
    }

    /// A search now, by a clock that says so.
    pub(super) fn sweep(&self, now: i64) -> Result<Swept, RetentionError> {
        let definitions = self.definitions.clone();
        let settings = RetentionSettings {
            sagas_per_second: 1_000_000,
            ..RetentionSettings::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sweeper = Sweeper {
            query: Query::new(self.store.clone(), definitions.clone()),
            rules: Rules::new(&settings, definitions),
            settings,
            decisions: Decisions {
                out: Arc::new(Loop {
                    store: self.store.clone(),
                    ops: self.ops.clone(),
                    said: self.said.clone(),
                }),
                topic: OPS.to_owned(),
                status: self.ops.clone(),
                store: self.store.clone(),
                clock: Arc::new(At(now)),
                ids: Arc::new(RandomEventIds),
            },
            edge: Edge {
                asked_for: self.asked_for.clone(),
                ..edge(&self.said, &self.handle, &self.ops, &self.status)
            },
            left: Mutex::new(self.left.lock().unwrap().clone()),
            objects: self.objects.clone(),
            runtime: runtime.handle().clone(),
            status: self.status.clone(),
            clock: Arc::new(At(now)),
            shutdown: self.shutdown.clone(),
        };
        let swept = sweeper.sweep();
        self.left
            .lock()
            .unwrap()
            .clone_from(&*sweeper.left.lock().unwrap());
        swept
    }

    pub(super) fn stop(self) {
        self.shutdown.cancel();
        drop(self.handle);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

pub(super) fn event(offset: u64, saga: &str, step: &str, status: SagaStatus, at: i64) -> Event {
    Event {
        position: Position::new(0, offset),
        arrived_at: Millis(at),
        recorded_at: Millis(at),
        event_timestamp: Millis(at),
        event_id: format!("event-{offset}").into(),
        saga_id: saga.into(),
        saga_type: "ORDER_CREATION".into(),
        step: step.into(),
        status,
        order_id: saga.into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

/// What was tried: 200 sagas that were over 91 days ago; much that came since; a refund of each of
/// them, two days ago; something of today. And three that were over then, and are not refunded.
fn tried() -> (Vec<Event>, usize) {
    let mut list = Vec::new();
    for number in 0..203 {
        let id = format!("old-{number:03}");
        list.push((
            id,
            "ORDER_CONFIRMED",
            SagaStatus::Completed,
            NOW - 91 * DAYS - 1_000 + number,
        ));
    }
    let first = list.len();
    for number in 0..3_000 {
        let at = NOW - 90 * DAYS + number * 88 * DAYS / 3_000;
        list.push((
            format!("between-{number}"),
            "ORDER_CREATED",
            SagaStatus::Started,
            at,
        ));
    }
    for number in 0..200 {
        let id = format!("old-{number:03}");
        list.push((
            id,
            "COMPENSATION_PAYMENT",
            SagaStatus::Compensated,
            NOW - 2 * DAYS + number,
        ));
    }
    list.push(("today".to_owned(), "ORDER_CREATED", SagaStatus::Started, NOW));
    let events = (0..).zip(list);
    let events = events.map(|(offset, (id, step, status, at))| event(offset, &id, step, status, at));
    (events.collect(), first)
}

pub(super) fn purged_now(store: &SharedStore, events: &[Event]) -> Vec<SagaId> {
    let ids = sagas(events);
    ids.into_iter().filter(|saga| is_gone(store, saga)).collect()
}

#[test]
fn nothing_is_decided_before_all_is_read_and_nothing_that_was_waiting_is_purged() {
    let (events, first) = tried();
    for read in [first, first + 1_500, first + 3_000, events.len()] {
        for jumped in [0, 90 * DAYS] {
            let store = store();
            project(&store, &events[..read], &[512], 1);
            let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
            let tracker = Tracker::over(&store, &said);
            let swept = tracker.sweep(NOW + jumped);
            if read < events.len() {
                assert!(matches!(&swept, Err(RetentionError::NotAtTheEnd(_))), "{swept:?}");
                assert_eq!(tracker.ops.snapshot().next, 0, "nothing was published");
                // Even if the broker said that this were the end.
                said.set(TOPIC, 0, 0, read as u64);
                assert_eq!(tracker.sweep(NOW + jumped).unwrap().decided, 0);
            } else {
                assert_eq!(swept.unwrap().decided, 3, "clock {jumped} ms ahead");
            }
            let gone = purged_now(&store, &events);
            let names: Vec<&str> = gone.iter().map(SagaId::as_str).collect();
            let expected: &[&str] = if read < events.len() {
                &[]
            } else {
                &["old-200", "old-201", "old-202"]
            };
            assert_eq!(names, expected);
            tracker.stop();
        }
    }
}

#[test]
fn nothing_more_is_decided_while_something_decided_is_not_done() {
    let (events, _) = tried();
    let store = store();
    project(&store, &events, &[512], 1);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let tracker = Tracker::over(&store, &said);
    // A rebuild holds up what is decided; and searches meanwhile decide nothing.
    let rebuilding = tracker.handle.try_no_purges().unwrap();
    for _ in 0..2 {
        let told = tracker.sweep(NOW);
        assert!(matches!(&told, Err(RetentionError::NotAtTheEnd(_))), "{told:?}");
    }
    drop(rebuilding);
    // A message that is not read here yet may be anything.
    said.set(OPS, 0, 0, 1);
    let told = tracker.sweep(NOW);
    assert!(matches!(&told, Err(RetentionError::NotAtTheEnd(_))), "{told:?}");
    said.set(OPS, 0, 0, 0);
    assert_eq!(tracker.ops.snapshot().next, 0);
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 3);
    tracker.stop();
}

#[test]
fn a_topic_that_ends_before_what_was_read_is_another_one() {
    let (events, _) = tried();
    let store = store();
    project(&store, &events, &[512], 1);
    let said = Arc::new(Said::default());
    said.set(TOPIC, 0, 0, 5);
    let tracker = Tracker::over(&store, &said);
    let told = tracker.sweep(NOW);
    assert!(
        matches!(&told, Err(RetentionError::NotAtTheEnd(why)) if why.contains("another topic")),
        "{told:?}"
    );
    tracker.stop();
}

#[test]
fn sagas_of_rare_types_are_due_as_well() {
    let mut events = Vec::new();
    // A thousand types have several sagas each, of today.
    for number in 0..3_150 {
        let mut event = event(number, &format!("s-{number}"), "STEP", SagaStatus::Started, NOW);
        event.saga_type = format!("TYPE_{}", number % 1_050).into();
        events.push(event);
    }
    // And a few of rare ones are not.
    for number in 0..7 {
        let (offset, at) = (3_150 + number, NOW - 400 * DAYS);
        let mut old = event(
            offset,
            &format!("old-{number}"),
            "STEP",
            SagaStatus::Completed,
            at,
        );
        old.saga_type = format!("RARE_{number}").into();
        old.arrived_at = Millis(NOW - 300 * DAYS);
        events.push(old);
    }
    events.push(event(3_157, "last", "STEP", SagaStatus::Started, NOW));
    let store = store();
    project(&store, &events, &[1_000], 1);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let tracker = Tracker::over(&store, &said);
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 7);
    tracker.stop();
}

#[test]
fn odd_ids_and_what_kafka_does_not_take_hold_up_nothing() {
    let mut events = Vec::new();
    let (poison, odd) = ("poison".to_owned(), "\u{1}".repeat(250));
    let ids = (0..900).map(|number| format!("{odd}{number:04}"));
    for (offset, id) in (0..).zip(std::iter::once(poison).chain(ids)) {
        let mut old = event(offset, &id, "STEP", SagaStatus::Completed, NOW - 400 * DAYS);
        // The one that is refused is the first, of a day of its own.
        old.recorded_at = Millis(NOW - (400 + i64::from(offset == 0)) * DAYS);
        events.push(old);
    }
    events.push(event(901, "last", "STEP", SagaStatus::Started, NOW));
    let store = store();
    project(&store, &events, &[100], 1);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let tracker = Tracker::over(&store, &said);
    let told = tracker.sweep(NOW);
    assert!(matches!(&told, Err(RetentionError::Ops(_))), "{told:?}");
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 900);
    tracker.stop();
}
