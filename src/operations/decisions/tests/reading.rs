//! Decisions are read on a thread, from a topic that says what a test wants.

use super::*;
use crate::testkit::Room;

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

impl Script {
    /// A broker answers, and one decision is in the topic.
    fn has_one(&mut self) {
        self.observed.reachable = true;
        self.observed.partitions = 1;
        self.messages = vec![decision("note", "one")];
    }
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
    topic.with(|script| script.has_one());
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
fn a_marker_behind_the_last_decision_is_nothing_to_read_once_it_was_looked_for() {
    let (store, topic) = (testkit::store(), Scripted::default());
    topic.with(|script| {
        script.has_one();
        script.markers = 1;
    });
    let reading = Running::from(&store, &topic, 1_000);
    reading.wait("the lag", |status| (status.next, status.end) == (1, Some(2)));
    reading
        .topic
        .with(|script| script.observed.looked = Cut::from_iter([(0, 2)]));
    reading.wait("its end", |status| (status.next, status.end) == (1, Some(1)));
}
