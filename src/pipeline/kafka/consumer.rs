//! Records from Kafka: a consumer that assigns itself every partition of the topic, from the offsets
//! that the store holds.
//!
//! librdkafka's own bookkeeping is off: no auto-commit, no offset store, no group membership. It is
//! assigned once and then only added to: a second `assign` would fetch twice, and pausing right
//! after it can lose the offset (librdkafka #2190). Its connections carry nothing but fetches, its
//! queue nothing but records and errors: questions are asked elsewhere (`watch`).

use super::client;
use super::settings::KafkaSettings;
use super::source::{Broker, Observed, RawRecord, Source, SourceError, Taken};
use super::unreadable::{Unreadable, is_unreadable};
use super::watch::Watch;
use crate::domain::Cut;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientContext, Offset};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A consumer that hands nothing over for so long, although a broker says that there is something, is replaced:
/// after an outage librdkafka's fetches may not go on by themselves. Where the new one gets nothing either, perhaps
/// because the line is slow, the next is given twice as long.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time that one is given.
const MAX_STALL_TIMEOUT: Duration = Duration::from_secs(480);
/// How long the client may take to learn who leads the topic, before it is assigned to.
const LEADERS_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the stored offsets are reported to the broker.
const REPORT_EVERY: Duration = Duration::from_secs(1);

struct Context;

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Context {}

/// The tracker topic.
pub struct KafkaSource {
    settings: KafkaSettings,
    consumer: BaseConsumer<Context>,
    watch: Watch,
    topic: String,
    resume_from: BTreeMap<u32, u64>,
    /// Partitions assigned so far: 0 to this, exclusive.
    assigned: u32,
    /// Behind the last record that was handed over, per partition.
    handed: Cut,
    /// When records were last handed over.
    last: Option<Instant>,
    /// Since when nothing is handed over, although there is something.
    stalled: Option<Instant>,
    /// How long it may be so before the consumer is replaced.
    stall_limit: Duration,
    unreadable: Unreadable,
    /// By partition, behind the last batch that was passed over.
    passed: BTreeMap<u32, u64>,
    reported: (Instant, Cut),
}

impl KafkaSource {
    /// A consumer of the topic that starts each partition where `resume_from` says, others from
    /// their beginning. Does not wait for a broker.
    ///
    /// # Errors
    /// [`SourceError::Start`].
    pub fn open(
        settings: &KafkaSettings,
        resume_from: impl Iterator<Item = (u32, u64)>,
    ) -> Result<Self, SourceError> {
        let resume_from: BTreeMap<u32, u64> = resume_from.collect();
        let handed: Cut = resume_from
            .iter()
            .map(|(number, next)| (*number, *next))
            .collect();
        let watch = Watch::start(settings, handed.clone())?;
        Ok(Self {
            settings: settings.clone(),
            consumer: client::consumer(&settings.consumer_config(), Context)?,
            watch,
            topic: settings.topic.clone(),
            resume_from,
            assigned: 0,
            handed,
            last: None,
            stalled: None,
            stall_limit: STALL_TIMEOUT,
            unreadable: Unreadable::new(settings),
            passed: BTreeMap::new(),
            reported: (Instant::now(), Cut::default()),
        })
    }

    /// Assigns partitions that are not assigned yet, once it is known where they begin and end.
    fn assign_new(&mut self) -> Result<(), SourceError> {
        let seen = self.watch.partitions();
        let stored = self.resume_from.keys().last().map_or(0, |last| last + 1);
        let known = seen.max(stored);
        if seen == 0 || known <= self.assigned {
            return Ok(());
        }
        if self.assigned == 0 {
            self.learn_leaders();
        }
        let new = (self.assigned..known).map(|partition| {
            let resume = self.resume_from.get(&partition);
            (
                partition,
                resume.map_or(Offset::Beginning, |next| client::at(*next)),
            )
        });
        client::list(&self.topic, new)
            .and_then(|list| match self.assigned {
                0 => self.consumer.assign(&list),
                _ => self.consumer.incremental_assign(&list),
            })
            .map_err(SourceError::Assignment)?;
        tracing::info!(
            topic = self.topic,
            from = self.assigned,
            to = known,
            "partitions assigned"
        );
        self.assigned = known;
        Ok(())
    }

    /// A client that is assigned partitions whose leaders it does not know looks for them half a second later.
    fn learn_leaders(&self) {
        if let Err(error) = client::partitions(&self.consumer, &self.topic, LEADERS_TIMEOUT) {
            tracing::debug!(%error, "kafka client");
        }
    }

    /// Hands over what is there; true when there was nothing.
    fn take_all(
        &mut self,
        idle: Duration,
        timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<bool, SourceError> {
        let mut deadline: Option<Instant> = None;
        loop {
            let wait = deadline.map_or(idle, |at| at.saturating_duration_since(Instant::now()));
            match self.consumer.poll(wait) {
                None => return Ok(deadline.is_none()),
                Some(Ok(message)) => {
                    // Records gather since the last time: what comes after a pause need not wait for more.
                    let since = self.last;
                    deadline.get_or_insert_with(|| since.unwrap_or_else(Instant::now) + timeout);
                    let record = RawRecord::of(&message);
                    let taken = take(&record);
                    let position = record.position;
                    self.handed.set(position.partition, position.offset + 1);
                    if taken == Taken::Enough {
                        return Ok(false);
                    }
                }
                Some(Err(error)) if is_unreadable(&error) => {
                    self.unreadable.meet();
                    return Ok(false);
                }
                Some(Err(error)) => {
                    report_error(error)?;
                    return Ok(false);
                }
            }
        }
    }
}

impl KafkaSource {
    /// Whether a broker says that there is something behind what was handed over.
    fn is_behind(&self, observed: &Observed) -> bool {
        let behind = |(partition, end): (u32, u64)| {
            partition < self.assigned
                && self.handed.next(partition) < end
                && observed.looked.next(partition) < end
        };
        observed.reachable && observed.ends.iter().any(behind)
    }

    /// Goes on behind batches that cannot be unpacked, once that is certain; true when there were some.
    fn pass_over(&mut self, now: Instant) -> Result<bool, SourceError> {
        let observed = self.watch.observed();
        let passed = self.unreadable.look(now, &self.handed, &observed);
        for next in &passed {
            self.handed.set(next.partition, next.offset);
            self.passed.insert(next.partition, next.offset);
        }
        if !passed.is_empty() {
            self.replace()?;
        }
        Ok(!passed.is_empty())
    }

    /// Replaces a consumer that has stalled. What it had fetched and not handed over is fetched again.
    fn replace_stalled(&mut self, now: Instant) -> Result<(), SourceError> {
        if !self.is_behind(&self.watch.observed()) {
            self.stalled = None;
            return Ok(());
        }
        let since = *self.stalled.get_or_insert(now);
        if now.duration_since(since) < self.stall_limit {
            return Ok(());
        }
        tracing::warn!(
            topic = self.topic,
            "the broker has records and the client delivers none; it is replaced by a new one"
        );
        self.stall_limit = (self.stall_limit * 2).min(MAX_STALL_TIMEOUT);
        self.replace()
    }

    /// A new client, which goes on behind what was handed over.
    fn replace(&mut self) -> Result<(), SourceError> {
        self.stalled = None;
        self.resume_from = self.handed.iter().collect();
        self.assigned = 0;
        let old = std::mem::replace(
            &mut self.consumer,
            client::consumer(&self.settings.consumer_config(), Context)?,
        );
        // A client that is stuck may take long to end; nobody has to wait for that.
        client::spawn("old-consumer", move || drop(old))?;
        Ok(())
    }
}

impl Source for KafkaSource {
    fn poll(
        &mut self,
        idle: Duration,
        timeout: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        self.watch.check()?;
        self.assign_new()?;
        let before = self.handed.clone();
        let nothing = self.take_all(idle, timeout, take)?;
        let now = Instant::now();
        if !nothing {
            self.last = Some(now);
        }
        self.watch.handed(&self.handed, nothing);
        if self.pass_over(now)? {
            return Ok(());
        }
        if self.handed == before {
            return self.replace_stalled(now);
        }
        self.stalled = None;
        self.stall_limit = STALL_TIMEOUT;
        Ok(())
    }

    fn report(&mut self, stored: &Cut) {
        let (at, last) = &self.reported;
        if at.elapsed() < REPORT_EVERY || last == stored {
            return;
        }
        self.watch.commit(stored);
        self.reported = (Instant::now(), stored.clone());
    }

    fn observed(&self) -> Observed {
        Observed {
            held_up: self.unreadable.words(),
            unreadable: self.passed.clone(),
            ..self.watch.observed()
        }
    }

    fn broker(&self) -> Arc<dyn Broker> {
        self.watch.broker()
    }

    fn report_finally(&mut self, stored: &Cut) {
        if self.assigned > 0 && self.reported.1 != *stored {
            self.watch.commit_finally(stored);
        }
    }
}

/// Errors of a poll are mostly transient, and librdkafka goes on by itself.
fn report_error(error: KafkaError) -> Result<(), SourceError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal) => Err(SourceError::GaveUp(error)),
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

#[cfg(test)]
mod tests;
