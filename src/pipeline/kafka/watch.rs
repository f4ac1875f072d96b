//! What the broker says of a topic: how many partitions there are, where they begin and end, and
//! whether anything lies between what was handed over and the end. Asked once a second, on a
//! connection of its own.
//!
//! Not on the consumer's connection: a broker answers the requests of one connection one after the
//! other, so a question waits behind the fetch that waits for records, and the next fetch, and with it
//! the next record, behind the question. And not from the client's statistics: they overtake records
//! that were fetched before them, and pile up while nobody polls. What is consumed is not decided here.

use super::admin;
use super::client::{self, TopicBounds, TopicError, unsigned};
use super::settings::KafkaSettings;
use super::shape::TRACKER_TOPIC;
use super::source::{Broker, Observed, SourceError};
use crate::domain::Cut;
use crate::failpoint;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time between two questions how the topic is cleaned up.
const CLEANUP_EVERY: Duration = Duration::from_secs(300);
/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time to find out whether anything lies before the ends.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for a broker when the tracker stops.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Tells once when the broker does not take our offsets.
#[derive(Default)]
struct Context {
    commit_refused: AtomicBool,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Ok(()) => self.commit_refused.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.commit_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        %error,
                        "the broker refuses to store our offsets for lag tools; consumption is not affected. \
                         If another service is an active member of this group, stop it or set another kafka.group_id"
                    );
                }
            }
        }
    }
}

/// Looks at a topic until it is dropped.
pub(super) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    settings: KafkaSettings,
    topic: String,
    consumer: BaseConsumer<Context>,
    state: Mutex<State>,
    stop: Condvar,
}

#[derive(Default)]
struct State {
    observed: Observed,
    /// Behind the last record that was handed over, per partition.
    handed: Cut,
    /// The consumer has nothing to give now.
    idle: bool,
    stopped: bool,
}

/// What the partitions that answered said, of so many.
type Answer = Result<(u32, TopicBounds), TopicError>;

impl Watch {
    /// Begins to look, at a topic that is consumed from `handed` on. Does not wait for a broker.
    pub(super) fn start(settings: &KafkaSettings, handed: Cut) -> Result<Self, SourceError> {
        let consumer = client::consumer(&settings.watch_config(), Context::default())?;
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            topic: settings.topic.clone(),
            consumer,
            state: Mutex::new(State {
                handed,
                ..State::default()
            }),
            stop: Condvar::new(),
        });
        let theirs = shared.clone();
        let thread = Some(client::spawn("topic-watch", move || theirs.run())?);
        Ok(Self { shared, thread })
    }

    /// What was seen last.
    pub(super) fn observed(&self) -> Observed {
        self.shared.lock().observed.clone()
    }

    /// How many partitions there are; 0 before that is known.
    pub(super) fn partitions(&self) -> u32 {
        self.shared.lock().observed.partitions
    }

    /// Learns how far records have been handed over, and whether there are no more for now.
    pub(super) fn handed(&self, handed: &Cut, idle: bool) {
        let mut state = self.shared.lock();
        state.handed.clone_from(handed);
        state.idle = idle;
    }

    /// Fails when the thread that looks has ended.
    pub(super) fn check(&self) -> Result<(), SourceError> {
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => Err(SourceError::WatchEnded),
        }
    }

    /// A way to ask the broker between two looks.
    pub(super) fn broker(&self) -> Arc<dyn Broker> {
        self.shared.clone()
    }

    /// Tells lag tools how far the store has come.
    pub(super) fn commit(&self, stored: &Cut) {
        self.shared.commit(stored, CommitMode::Async);
    }

    /// The same, and waits for the answer, if a broker is there.
    pub(super) fn commit_finally(&self, stored: &Cut) {
        if !self.shared.lock().observed.reachable {
            return;
        }
        // What was seen may be a second old, and a commit that waits has no bound: ask first, with one.
        let topic = Some(self.shared.topic.as_str());
        if self
            .shared
            .consumer
            .fetch_metadata(topic, LAST_ANSWER_TIMEOUT)
            .is_ok()
        {
            self.shared.commit(stored, CommitMode::Sync);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was told when it happened.
            let _ended = thread.join();
        }
    }
}

impl Broker for Shared {
    fn ask_end(&self, partition: u32) -> Option<u64> {
        self.bounds_of(partition).ok().map(|(_, end)| end)
    }

    fn ask_low(&self, partition: u32) -> Option<u64> {
        self.bounds_of(partition).ok().map(|(low, _)| low)
    }

    fn observed(&self) -> Option<Observed> {
        Some(self.lock().observed.clone())
    }
}

impl Shared {
    fn run(&self) {
        let mut asked_cleanup = None;
        while !self.lock().stopped {
            failpoint::pass("thread.topic-watch");
            self.look();
            self.serve();
            self.ask_cleanup(&mut asked_cleanup);
            let state = self.lock();
            // The loop's condition says whether it was told to stop.
            let _woken = self
                .stop
                .wait_timeout_while(state, INTERVAL, |state| !state.stopped);
        }
    }

    /// Asks now and then whether the topic is compacted, once a broker has told of it. One that does not say
    /// leaves it at what is known.
    fn ask_cleanup(&self, asked: &mut Option<Instant>) {
        let is_early = asked.is_some_and(|at: Instant| at.elapsed() < CLEANUP_EVERY);
        if is_early || self.lock().observed.partitions == 0 {
            return;
        }
        *asked = Some(Instant::now());
        match admin::topic_settings(&self.settings, &self.topic, ANSWER_TIMEOUT) {
            Ok(told) => {
                let policy = told.get("cleanup.policy");
                self.lock().observed.compacted = policy.map(|policy| policy.contains("compact"));
            }
            Err(error) => tracing::debug!(error, "the broker does not say how the topic is cleaned up"),
        }
    }

    /// Takes off the client's queue what it has to tell: answers to commits, errors, log lines.
    fn serve(&self) {
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until && self.consumer.poll(Duration::ZERO).is_some() {}
    }

    fn look(&self) {
        let (handed, idle) = {
            let mut state = self.lock();
            state.observed.asked += 1;
            (state.handed.clone(), state.idle)
        };
        let answer = self.ask();
        let mut looked = Cut::default();
        if let Ok((_, bounds)) = &answer {
            let mut open = TopicBounds::new();
            for (partition, (low, end)) in bounds {
                let from = handed.next(*partition).max(*low);
                if from >= *end {
                    looked.set(*partition, *end);
                } else {
                    open.insert(*partition, (from, *end));
                }
            }
            if idle && !open.is_empty() {
                self.probe(&open, &mut looked);
            }
        }
        self.note(answer, &looked);
    }

    /// Makes an answer known. A look counts as answered when every partition has answered.
    fn note(&self, answer: Answer, looked: &Cut) {
        let mut state = self.lock();
        let observed = &mut state.observed;
        observed.reachable = !matches!(answer, Err(TopicError::NoAnswer(_)));
        match answer {
            Ok((partitions, bounds)) => {
                let whole = bounds.len() == partitions as usize;
                observed.waiting = None;
                observed.lows = bounds.iter().map(|(number, (low, _))| (*number, *low)).collect();
                for (partition, (low, end)) in bounds {
                    observed.begins.entry(partition).or_insert(low);
                    observed.ends.set(partition, end);
                    observed.looked.set(partition, looked.next(partition));
                }
                // New partitions are not consumed before it is known where they end.
                if whole {
                    observed.partitions = observed.partitions.max(partitions);
                    observed.answered = observed.asked;
                }
            }
            // A topic that was there is not waited for: what becomes of it, the consumer says.
            _ if observed.partitions > 0 => {}
            Err(TopicError::NoTopic(_)) => {
                observed.waiting = Some(format!(
                    "topic {} does not exist; create it ({TRACKER_TOPIC}), or set kafka.topic",
                    self.topic
                ));
            }
            Err(error) => observed.waiting = Some(error.to_string()),
        }
    }

    fn ask(&self) -> Answer {
        let count = client::partitions(&self.consumer, &self.topic, ANSWER_TIMEOUT)?;
        let mut bounds = TopicBounds::new();
        for partition in 0..count {
            match self.bounds_of(partition) {
                Ok(found) => _ = bounds.insert(partition, found),
                Err(error) => {
                    tracing::debug!(%error, partition, "no answer about the partition");
                    // One without a leader must not keep the others waiting for long.
                    if self.lock().stopped || bounds.is_empty() {
                        break;
                    }
                }
            }
        }
        Ok((count, bounds))
    }

    fn bounds_of(&self, partition: u32) -> Result<(u64, u64), TopicError> {
        client::partition_bounds(&self.consumer, &self.topic, partition, ANSWER_TIMEOUT)
    }

    /// Reads on from where these partitions are, up to the first record. Where the end comes first there
    /// is none before it, only what nobody gets: markers of transactions, and what they aborted.
    fn probe(&self, from: &TopicBounds, looked: &mut Cut) {
        let next = from
            .iter()
            .map(|(partition, (next, _))| (*partition, client::at(*next)));
        let assigned = client::list(&self.topic, next).and_then(|list| self.consumer.assign(&list));
        if assigned.is_err() {
            return;
        }
        let mut open: BTreeSet<u32> = from.keys().copied().collect();
        let until = Instant::now() + PROBE_TIMEOUT;
        while !open.is_empty() && Instant::now() < until && !self.lock().stopped {
            match self.consumer.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => {
                    use rdkafka::Message as _;
                    _ = open.remove(&unsigned(message.partition()));
                }
                // What ends here is at or behind the end that was known when the partition was assigned.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let partition = unsigned(partition);
                    if open.remove(&partition)
                        && let Some((_, end)) = from.get(&partition)
                    {
                        looked.set(partition, *end);
                    }
                }
                Some(Err(_)) | None => {}
            }
        }
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "kafka client");
        }
    }

    fn commit(&self, stored: &Cut, mode: CommitMode) {
        let next = stored
            .iter()
            .map(|(partition, next)| (partition, client::at(next)));
        let committed = client::list(&self.topic, next).and_then(|list| self.consumer.commit(&list, mode));
        if let Err(error) = committed {
            tracing::debug!(%error, "offsets not reported");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
