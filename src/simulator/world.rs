//! What all replicas share: the topics, the registry, the time, and the dice.

use super::topic::{OPS, Record, TRACKER, Topic};
use crate::domain::Millis;
use crate::domain::clock::Clock;
use crate::pipeline::kafka::Message;
use crate::program::demo::rng::Rng;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When each run begins: 2026-01-01T00:00:00Z.
pub(super) const BEGIN: i64 = 1_767_225_600_000;
pub(super) const SECOND: i64 = 1_000;
pub(super) const HOUR: i64 = 3_600 * SECOND;
pub(super) const DAY: i64 = 24 * HOUR;

/// Shared by everything of one run.
pub(super) struct World {
    tracker: Mutex<Topic>,
    ops: Mutex<Topic>,
    history: Mutex<Vec<Arc<Record>>>,
    rng: Mutex<Rng>,
    weather: Mutex<Weather>,
    now: AtomicI64,
}

/// How well things go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// The broker leaves so many questions in a thousand without an answer.
    pub(super) deaf: u64,
    /// The outlet fails so often in a thousand.
    pub(super) away: u64,
    /// The registry does not answer the next so many times.
    pub(super) registry_down: u64,
    /// The registry knows the second schema.
    pub(super) knows_second: bool,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
}

impl World {
    pub(super) fn new(seed: u64, partitions: usize) -> Arc<Self> {
        Arc::new(Self {
            tracker: Mutex::new(Topic::new(partitions)),
            ops: Mutex::new(Topic::new(1)),
            history: Mutex::default(),
            rng: Mutex::new(Rng::new(seed)),
            weather: Mutex::new(Weather {
                knows_second: true,
                ..Weather::default()
            }),
            now: AtomicI64::new(BEGIN),
        })
    }

    /// The tracker topic.
    pub(super) fn tracker(&self) -> MutexGuard<'_, Topic> {
        lock(&self.tracker)
    }

    /// A topic by its name; other topics go nowhere.
    pub(super) fn topic(&self, name: &str) -> MutexGuard<'_, Topic> {
        lock(if name == OPS { &self.ops } else { &self.tracker })
    }

    /// Appends a message to its topic.
    pub(super) fn publish(&self, message: &Message, timestamp: Millis) -> Arc<Record> {
        let record = self.topic(&message.topic).append(message, timestamp);
        if message.topic == TRACKER {
            lock(&self.history).push(record.clone());
        }
        record
    }

    /// Everything that was ever on the tracker topic.
    pub(super) fn history(&self) -> Vec<Arc<Record>> {
        lock(&self.history).clone()
    }

    /// Dice of one's own, whose throws follow from those before.
    pub(super) fn dice(&self) -> Rng {
        Rng::new(lock(&self.rng).bits())
    }

    /// A place in a list of that length.
    pub(super) fn index(&self, len: usize) -> usize {
        lock(&self.rng).index(len)
    }

    /// One of these.
    pub(super) fn pick<T: Copy, const N: usize>(&self, choices: [T; N]) -> T {
        lock(&self.rng).pick(choices)
    }

    /// One of these, by weight.
    pub(super) fn weighted<T: Copy, const N: usize>(&self, choices: [(u64, T); N]) -> T {
        lock(&self.rng).weighted(choices)
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        lock(&self.rng).below(bound)
    }

    pub(super) fn chance(&self, per_mille: u64) -> bool {
        lock(&self.rng).per_mille(per_mille)
    }

    pub(super) fn weather(&self) -> MutexGuard<'_, Weather> {
        lock(&self.weather)
    }

    /// The true time.
    pub(super) fn now(&self) -> Millis {
        Millis(self.now.load(Ordering::Relaxed))
    }

    /// Milliseconds since the beginning.
    pub(super) fn passed(&self) -> u64 {
        (self.now().0 - BEGIN).unsigned_abs()
    }

    pub(super) fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that may be wrong.
pub(super) struct SkewedClock {
    pub(super) world: Arc<World>,
    pub(super) skew: Arc<AtomicI64>,
}

impl Clock for SkewedClock {
    fn now(&self) -> Millis {
        Millis(self.world.now().0 + self.skew.load(Ordering::Relaxed))
    }
}
