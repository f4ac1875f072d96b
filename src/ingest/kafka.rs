//! Records from Kafka: a consumer that assigns itself every partition of the topic, from the offsets
//! that the store holds.
//!
//! librdkafka's own bookkeeping is off: no auto-commit, no offset store, no group membership. It is
//! assigned once and then only added to: a second `assign` would fetch twice, and pausing right
//! after it can lose the offset (librdkafka #2190).

use super::settings::IngestSettings;
use super::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
use crate::domain::{Cut, Millis, Position};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A broker that has said nothing for so long does not count as reachable: fetches are answered
/// every half second even when there is nothing new.
const SILENCE: Duration = Duration::from_secs(10);
/// How often the stored offsets are reported to the broker.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for a broker when the tracker stops.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// Longest wait for an answer about the topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// Watches what librdkafka reports on its own threads.
struct Context {
    topic: String,
    observed: Arc<Mutex<Observed>>,
    commit_refused: AtomicBool,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let reachable = statistics.brokers.values().any(|broker| {
            let silent = Duration::from_micros(u64::try_from(broker.rxidle).unwrap_or(0));
            broker.state == "UP" && silent < SILENCE
        });
        let mut observed = lock(&self.observed);
        observed.reachable = reachable;
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        for partition in topic.partitions.values() {
            let Ok(number) = u32::try_from(partition.partition) else {
                continue;
            };
            observed.partitions = observed.partitions.max(number + 1);
            // What is read is committed, so the end is where the first open transaction begins.
            let end = u64::try_from(partition.ls_offset).or(u64::try_from(partition.hi_offset));
            if let Ok(end) = end {
                observed.ends.set(number, end);
            }
            // librdkafka moves this behind records after it has queued them, and statistics come through the
            // same queue: whoever sees this number has been given the records.
            if let Ok(looked) = u64::try_from(partition.next_offset) {
                observed.looked.set(number, looked);
            }
            if let Ok(low) = u64::try_from(partition.lo_offset) {
                observed.lows.insert(number, low);
            }
        }
    }

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

/// The tracker topic.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Context>>,
    observed: Arc<Mutex<Observed>>,
    topic: String,
    resume_from: BTreeMap<u32, u64>,
    /// Partitions assigned so far: 0 to this, exclusive.
    assigned: u32,
    asked: Option<Instant>,
    reported: (Instant, Cut),
}

impl KafkaSource {
    /// A consumer of the topic that starts each partition where `resume_from` says, others from
    /// their beginning. Does not wait for a broker.
    ///
    /// # Errors
    /// [`SourceError::Fatal`] when librdkafka refuses the configuration.
    pub fn open(
        settings: &IngestSettings,
        resume_from: impl Iterator<Item = (u32, u64)>,
    ) -> Result<Self, SourceError> {
        let observed = Arc::new(Mutex::new(Observed::default()));
        let context = Context {
            topic: settings.topic.clone(),
            observed: observed.clone(),
            commit_refused: AtomicBool::new(false),
        };
        let consumer = settings
            .consumer_config()
            .create_with_context(context)
            .map_err(|e| {
                SourceError::Fatal(format!(
                    "librdkafka refuses the configuration: {e}; see kafka.properties"
                ))
            })?;
        Ok(Self {
            consumer: Arc::new(consumer),
            observed,
            topic: settings.topic.clone(),
            resume_from: resume_from.collect(),
            assigned: 0,
            asked: None,
            reported: (Instant::now(), Cut::default()),
        })
    }

    /// Assigns partitions that are not assigned yet. Before the first time it asks the broker how
    /// many there are, at most once a second; later growth is seen by the client itself.
    fn assign_new(&mut self) -> Result<(), SourceError> {
        if self.assigned == 0 {
            self.ask_partitions();
        }
        let known = lock(&self.observed)
            .partitions
            .max(self.resume_from.keys().last().map_or(0, |last| last + 1));
        if lock(&self.observed).partitions == 0 || known <= self.assigned {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in self.assigned..known {
            let from = self
                .resume_from
                .get(&partition)
                .map_or(Offset::Beginning, |next| {
                    Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX))
                });
            list.add_partition_offset(&self.topic, signed(partition), from)
                .map_err(|e| SourceError::Fatal(format!("partition {partition} cannot be assigned: {e}")))?;
        }
        let result = if self.assigned == 0 {
            self.consumer.assign(&list)
        } else {
            self.consumer.incremental_assign(&list)
        };
        result.map_err(|e| SourceError::Fatal(format!("librdkafka refuses the assignment: {e}")))?;
        tracing::info!(
            topic = self.topic,
            from = self.assigned,
            to = known,
            "partitions assigned"
        );
        self.ask_ends(known);
        self.assigned = known;
        Ok(())
    }

    /// Asks where the new partitions begin and end, so that nobody has to wait for the first
    /// statistics to know whether there is anything to catch up with.
    fn ask_ends(&self, known: u32) {
        for partition in self.assigned..known {
            let answer = self
                .consumer
                .fetch_watermarks(&self.topic, signed(partition), METADATA_TIMEOUT);
            // Without an answer the statistics tell it later.
            let Ok((low, end)) = answer else { return };
            let mut observed = lock(&self.observed);
            if let (Ok(low), Ok(end)) = (u64::try_from(low), u64::try_from(end)) {
                observed.lows.insert(partition, low);
                observed.ends.set(partition, end);
            }
        }
    }

    fn ask_partitions(&mut self) {
        if self.asked.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
            return;
        }
        let answer = self.consumer.fetch_metadata(Some(&self.topic), METADATA_TIMEOUT);
        self.asked = Some(Instant::now());
        let mut observed = lock(&self.observed);
        let found = answer.map(|metadata| {
            metadata
                .topics()
                .first()
                .map_or((0, None), |topic| (topic.partitions().len(), topic.error()))
        });
        match found {
            Ok((count, None)) if count > 0 => {
                observed.reachable = true;
                observed.waiting = None;
                observed.partitions = u32::try_from(count).unwrap_or(u32::MAX);
            }
            Ok(_) => {
                observed.reachable = true;
                observed.waiting = Some(format!(
                    "topic {} does not exist; create it (3 partitions, retention.ms=2592000000), or set kafka.topic",
                    self.topic
                ));
            }
            Err(error) => {
                observed.reachable = false;
                observed.waiting = Some(format!(
                    "no broker answers: {error}; check kafka.bootstrap_servers"
                ));
            }
        }
    }
}

impl Source for KafkaSource {
    fn poll(
        &mut self,
        idle: Duration,
        longest: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        self.assign_new()?;
        let mut deadline: Option<Instant> = None;
        loop {
            let wait = deadline.map_or(idle, |at| at.saturating_duration_since(Instant::now()));
            match self.consumer.poll(wait) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    deadline.get_or_insert_with(|| Instant::now() + longest);
                    let record = RawRecord {
                        position: Position::new(
                            unsigned(message.partition()),
                            message.offset().unsigned_abs(),
                        ),
                        timestamp: message.timestamp().to_millis().map(Millis),
                        key: message.key(),
                        value: message.payload(),
                        headers: RawHeaders::Kafka(&message),
                    };
                    if take(&record) == Taken::Enough {
                        return Ok(());
                    }
                }
                Some(Err(error)) => {
                    report_error(&error)?;
                    return Ok(());
                }
            }
        }
    }

    fn report(&mut self, stored: &Cut) {
        let (at, last) = &self.reported;
        if at.elapsed() < REPORT_EVERY || last == stored {
            return;
        }
        self.commit(stored, CommitMode::Async);
    }

    fn observed(&self) -> Observed {
        lock(&self.observed).clone()
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(Asking {
            consumer: self.consumer.clone(),
            topic: self.topic.clone(),
        })
    }

    fn report_finally(&mut self, stored: &Cut) {
        if self.assigned == 0 || self.reported.1 == *stored || !lock(&self.observed).reachable {
            return;
        }
        // What was seen may be a second old, and a commit that waits has no bound: ask first, with one.
        let answer = self.consumer.fetch_metadata(Some(&self.topic), LAST_ANSWER);
        if answer.is_ok() {
            self.commit(stored, CommitMode::Sync);
        }
    }
}

/// Requests of their own, which need no poll.
struct Asking {
    consumer: Arc<BaseConsumer<Context>>,
    topic: String,
}

impl Asking {
    fn watermarks(&self, partition: u32) -> Option<(i64, i64)> {
        let answer = self
            .consumer
            .fetch_watermarks(&self.topic, signed(partition), METADATA_TIMEOUT);
        answer.ok()
    }
}

impl Broker for Asking {
    fn ask_end(&self, partition: u32) -> Option<u64> {
        let (_, end) = self.watermarks(partition)?;
        u64::try_from(end).ok()
    }

    fn ask_low(&self, partition: u32) -> Option<u64> {
        let (low, _) = self.watermarks(partition)?;
        u64::try_from(low).ok()
    }
}

impl KafkaSource {
    fn commit(&mut self, stored: &Cut, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for (partition, next) in stored.iter() {
            let offset = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
            if list
                .add_partition_offset(&self.topic, signed(partition), offset)
                .is_err()
            {
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::debug!(%error, "offsets not reported");
        }
        self.reported = (Instant::now(), stored.clone());
    }
}

/// Errors of a poll are mostly transient, and librdkafka goes on by itself.
fn report_error(error: &KafkaError) -> Result<(), SourceError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal) => Err(SourceError::Fatal(format!(
            "librdkafka gave up: {error}; restart the tracker"
        ))),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => {
            tracing::error!(%error, "the broker refuses us; grant READ on the topic and the group");
            Ok(())
        }
        _ => {
            tracing::warn!(%error, "poll");
            Ok(())
        }
    }
}

fn lock(observed: &Mutex<Observed>) -> MutexGuard<'_, Observed> {
    observed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

fn unsigned(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or(0)
}
