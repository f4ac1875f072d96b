//! The thread that reads the ops topic, from the offset that the store holds.

use super::decision::Applier;
use super::ledger::{Ledger, LedgerError, OPS_PARTITION, counts};
use super::status::OpsStatus;
use crate::domain::Cut;
use crate::domain::clock::SharedClock;
use crate::failpoint;
use crate::pipeline::ingest::space::{FreeSpace, Gate, Shortage};
use crate::pipeline::kafka::source::{Broker, RawRecord, Source, SourceError, Taken};
use crate::pipeline::kafka::{KafkaSettings, KafkaSource, OPS_TOPIC, create_ops_topic};
use crate::store::SharedStore;
#[cfg(test)]
use crate::store::StoreError;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a poll waits when there is nothing: the granularity of shutdown.
const POLL_TIMEOUT: Duration = Duration::from_millis(200);
/// Creating the topic is tried again so often.
const CREATE_INTERVAL: Duration = Duration::from_secs(30);
/// Decisions go on down to the low-water mark divided by this: purges are decisions, and make room.
const BELOW_THE_MARK: u64 = 2;

/// Everything that reading decisions needs.
pub struct Consumer {
    /// The store.
    pub store: SharedStore,
    /// How to reach Kafka, and the ops topic.
    pub settings: KafkaSettings,
    /// What decisions do, by kind.
    pub appliers: Vec<Box<dyn Applier>>,
    /// Where to tell what is going on.
    pub status: Arc<OpsStatus>,
    /// Room on the disk under the store.
    pub space: Arc<dyn FreeSpace>,
    /// The clock, for the status only.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Why reading ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsumeError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Consumer {
    /// Starts reading on a thread of its own. It ends on shutdown, or when it cannot go on, which the
    /// status then says.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("ops".to_owned()).spawn(move || {
            let status = self.status.clone();
            if let Err(error) = self.run() {
                tracing::error!(%error, "decisions are no longer read; everything else goes on");
                status.update(|status| status.fatal = Some(error.to_string()));
            }
        })
    }

    fn run(self) -> Result<(), ConsumeError> {
        let topic = self.settings.ops_topic.clone();
        let appliers: Arc<[Box<dyn Applier>]> = self.appliers.into();
        let ledger = Ledger::open(self.store, &topic, appliers).map_err(LedgerError::from)?;
        let settings = KafkaSettings {
            topic: topic.clone(),
            ..self.settings.clone()
        };
        let minimum = self.space.min_free_bytes() / BELOW_THE_MARK;
        let reading = Reading {
            ledger,
            status: self.status,
            room: Gate::new("decisions", self.space, minimum, self.shutdown),
            clock: self.clock,
        };
        let mut source = KafkaSource::open(&settings, reading.resume_from().into_iter())?;
        let mut tried: Option<Instant> = None;
        reading.consume(&mut source, &mut |reachable| {
            if reachable
                && self.settings.create_ops_topic
                && tried.is_none_or(|at| at.elapsed() > CREATE_INTERVAL)
            {
                tried = Some(Instant::now());
                create_ops_topic(&self.settings, &topic);
            }
        })
    }
}

/// The loop, apart from where records come from.
pub(crate) struct Reading {
    pub(super) ledger: Ledger,
    pub(super) status: Arc<OpsStatus>,
    pub(super) room: Gate,
    pub(super) clock: SharedClock,
}

impl Reading {
    /// Where to resume reading the partition that counts.
    pub(crate) fn resume_from(&self) -> Option<(u32, u64)> {
        let resume = self.ledger.resume_from();
        resume.map(|offset| (OPS_PARTITION, offset))
    }

    /// Reads until shutdown. `missing` is called while the topic does not exist.
    pub(super) fn consume(
        mut self,
        source: &mut dyn Source,
        missing: &mut dyn FnMut(bool),
    ) -> Result<(), ConsumeError> {
        self.status.update(|status| status.next = self.ledger.next());
        while self.step(source, missing)? {}
        Ok(())
    }

    /// Takes what one poll gives and tells what is seen. Whether to go on.
    pub(crate) fn step(
        &mut self,
        source: &mut dyn Source,
        missing: &mut dyn FnMut(bool),
    ) -> Result<bool, ConsumeError> {
        failpoint::pass("thread.ops");
        let broker = source.broker();
        if self.waits_for_room(&*broker) {
            return Ok(false);
        }
        let mut failed = None;
        source.poll(
            POLL_TIMEOUT,
            POLL_TIMEOUT,
            &mut |record| match self.take(record) {
                Ok(()) => Taken::Next,
                Err(error) => {
                    failed = Some(error);
                    Taken::Enough
                }
            },
        )?;
        if let Some(error) = failed.take() {
            return Err(error.into());
        }
        let observed = source.observed();
        let known = observed.partitions > 0;
        let end = observed.ends.next(OPS_PARTITION);
        // The client's view may be older than what it delivered: only the broker's word counts.
        if known
            && self.ledger.check_end(end).is_err()
            && let Some(end) = broker.ask_end(OPS_PARTITION)
        {
            self.ledger.check_end(end)?;
        }
        let absent = observed.reachable && !known;
        let now = self.clock.now();
        self.status.update(|status| {
            match (absent, observed.reachable) {
                (true, _) => _ = status.missing_since.get_or_insert(now),
                (false, true) => status.missing_since = None,
                // Nobody says anything about the topic now.
                (false, false) => {}
            }
            // Markers of transactions at the end are nothing to read.
            let seen = observed.ends_for(&Cut::from_iter([(OPS_PARTITION, status.next)]));
            status.end = known.then_some(seen.next(OPS_PARTITION).max(status.next));
            status.waiting = match (&observed.waiting, absent) {
                (Some(_), true) => Some(format!(
                    "the ops topic does not exist; create it ({OPS_TOPIC}), or set kafka.create_ops_topic"
                )),
                (why, _) => why.clone().or_else(|| observed.held_up.clone()),
            };
        });
        if absent {
            missing(observed.reachable);
        }
        Ok(true)
    }

    /// Waits while the disk is nearly full: each message read is a write. Whether it is time to end.
    fn waits_for_room(&mut self, broker: &dyn Broker) -> bool {
        let Self { room, status, .. } = self;
        room.wait(|_, shortage| {
            status.update(|status| match &shortage {
                Some(shortage) => {
                    status.shortage = Some(*shortage);
                    status.waiting = Some(short_of_room(shortage));
                }
                None if status.shortage.take().is_some() => status.waiting = None,
                None => {}
            });
            // Keeps the lag true: what the client sees by itself arrives with polls.
            if shortage.is_some()
                && let Some(end) = broker.ask_end(OPS_PARTITION)
            {
                status.update(|status| status.end = Some(end.max(status.next)));
            }
        })
    }

    fn take(&mut self, record: &RawRecord<'_>) -> Result<(), LedgerError> {
        if !counts(record.position) {
            tracing::warn!(
                position = %record.position,
                "a message outside partition 0 of the ops topic has no place in the order of decisions; ignored"
            );
            return Ok(());
        }
        self.ledger.take(record)?;
        let next = self.ledger.next();
        self.status.update(|status| status.next = next);
        Ok(())
    }
}

fn short_of_room(shortage: &Shortage) -> String {
    format!(
        "the disk under the store is nearly full: {} bytes are free, less than half of store.min_free_bytes ({}); \
         decisions wait and are read on by themselves when {} are free",
        shortage.free, shortage.minimum, shortage.resume_at
    )
}

#[cfg(test)]
impl Consumer {
    /// What reads the topic, for one who drives it step by step.
    pub(crate) fn stepped(self) -> Result<Reading, StoreError> {
        let ledger = Ledger::open(self.store, &self.settings.ops_topic, self.appliers.into())?;
        self.status.update(|status| status.next = ledger.next());
        Ok(Reading {
            ledger,
            status: self.status,
            room: Gate::new("decisions", self.space, 0, self.shutdown),
            clock: self.clock,
        })
    }
}
