//! The consumer's thread: poll, decode, account, write, hand over, report.

use super::schema_wait::SchemaWait;
use super::space::{FreeSpace, Gate};
use super::status::IngestStatus;
use super::writer::{Admission, IngestError, Writer};
use crate::domain::clock::SharedClock;
use crate::domain::{Cut, Event, Millis};
use crate::failpoint;
use crate::pipeline::decode::{DecodePlan, Defect, Rejected, wire};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::KafkaSource;
use crate::pipeline::kafka::source::{Broker, Observed, RawRecord, Source, SourceError, Taken};
use crate::pipeline::projector::ProjectorHandle;
use crate::pipeline::registry::{SchemaError, SchemaSource};
use crate::store::SharedStore;
use crate::store::dead_letters::DeadLetterLock;
use crate::wait::{self, Backoff};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A write takes no more bytes than this, however many records are allowed.
const MAX_WRITE_BYTES: usize = 8 << 20;
/// How long a poll waits when there is nothing: the granularity of shutdown and status.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// First and longest wait for a schema registry that does not answer.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// Everything that ingest needs.
pub struct Ingest {
    /// The store.
    pub store: SharedStore,
    /// How it works.
    pub settings: KafkaSettings,
    /// Where writer schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// Who folds what was written.
    pub projector: ProjectorHandle,
    /// Where to tell what is going on.
    pub status: Arc<IngestStatus>,
    /// Told when there are new dead letters.
    pub dead_letters: Arc<Notify>,
    /// Room on the disk under the store.
    pub space: Arc<dyn FreeSpace>,
    /// The account of dead letters, shared with whoever else adds to it.
    pub book: DeadLetterLock,
    /// The clock, for the status only.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

impl Ingest {
    /// Starts ingest on a thread of its own. It ends on shutdown, after what was polled is written,
    /// or when it cannot go on, which the status then says.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || {
                if let Err(error) = self.run() {
                    tracing::error!(%error, "ingest stops; reads go on");
                    self.status
                        .update(|status| status.fatal = Some(error.to_string()));
                }
            })
    }

    fn run(&self) -> Result<(), RunError> {
        self.status.follow(self.projector.watch());
        self.status
            .update(|status| status.started_at = Some(self.clock.now()));
        let writer = Writer::open(self.store.clone(), &self.settings.topic)?
            .sharing(self.book.clone(), &self.settings.dlt_topic);
        self.status.update(|status| status.next = writer.next());
        let mut source = KafkaSource::open(&self.settings, writer.resume_from())?;
        self.consume(writer, &mut source)
    }
}

impl Ingest {
    /// Takes from the source until shutdown.
    pub(super) fn consume(&self, writer: Writer, source: &mut dyn Source) -> Result<(), RunError> {
        Running::new(self, writer, source).consume(source)
    }
}

/// Why ingest ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Projector(#[from] crate::pipeline::projector::ProjectorGone),
}

impl From<crate::store::StoreError> for RunError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Ingest(IngestError::Store(error))
    }
}

/// Ingest at work, on what it is told to work with.
pub(crate) struct Running<I> {
    ingest: I,
    writer: Writer,
    broker: Arc<dyn Broker>,
    room: Gate,
    failed: Option<RunError>,
    mark: Mark,
    schema_wait: SchemaWait,
    /// How long the last write and its handing over took.
    took: Duration,
}

/// What had been accounted for when so many questions had been asked: an answer to a later one can be
/// held against it.
struct Mark {
    asked: u64,
    next: Cut,
}

impl<I: Deref<Target = Ingest>> Running<I> {
    pub(crate) fn new(ingest: I, writer: Writer, source: &dyn Source) -> Self {
        let Ingest { space, shutdown, .. } = &*ingest;
        let minimum = space.min_free_bytes();
        Self {
            room: Gate::new("events", space.clone(), minimum, shutdown.clone()),
            broker: source.broker(),
            failed: None,
            mark: Mark {
                asked: 0,
                next: writer.next(),
            },
            schema_wait: SchemaWait::new(ingest.schemas.unknown_id_timeout()),
            took: Duration::ZERO,
            writer,
            ingest,
        }
    }

    fn consume(&mut self, source: &mut dyn Source) -> Result<(), RunError> {
        while self.step(source)? {}
        self.flush()?;
        source.report_finally(&self.writer.next());
        Ok(())
    }

    /// Takes what one poll gives, writes it and tells what is seen. Whether to go on.
    pub(crate) fn step(&mut self, source: &mut dyn Source) -> Result<bool, RunError> {
        let longest = Duration::from_millis(self.ingest.settings.max_wait_ms);
        let timeout = wait::gathering(self.took, longest);
        failpoint::pass("thread.ingest");
        let observed = source.observed();
        if self.waits_for_room() {
            return Ok(false);
        }
        self.writer.learn(&observed);
        source.poll(POLL_TIMEOUT, timeout, &mut |record| self.take(record, &observed))?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.flush()?;
        self.observe(source)?;
        source.report(&self.writer.next());
        Ok(true)
    }

    /// Waits while the disk is nearly full. Everything taken so far is written; the client keeps its
    /// assignment and its connections, it is only not asked for more. Whether it is time to end.
    fn waits_for_room(&mut self) -> bool {
        let Self {
            ingest, broker, room, ..
        } = self;
        room.wait(|free, shortage| {
            ingest.status.update(|status| {
                status.free_bytes = free;
                status.shortage = shortage;
            });
            if shortage.is_some() {
                ingest.watch_ends(&**broker);
            }
        })
    }

    /// Looks at one record; what it is, is decided here and written with the batch.
    fn take(&mut self, record: &RawRecord<'_>, observed: &Observed) -> Taken {
        match self.try_take(record, observed) {
            Ok(taken) => taken,
            Err(error) => {
                self.failed = Some(error);
                Taken::Enough
            }
        }
    }

    fn try_take(&mut self, record: &RawRecord<'_>, observed: &Observed) -> Result<Taken, RunError> {
        if !self.writer.knows(record.position.partition) {
            // Its first record may overtake what was seen before the poll.
            let begins = self.broker.observed().map(|observed| observed.begins);
            self.writer.begin(&begins.unwrap_or_default());
        }
        let Admission::New { arrived_at } = self.writer.admit(record)? else {
            return Ok(Taken::Next);
        };
        let Some(outcome) = self.decode(record, arrived_at)? else {
            return Ok(Taken::Enough);
        };
        let low = observed.lows.get(&record.position.partition).copied();
        self.writer.account(record, arrived_at, low, outcome);
        let full = self.writer.gathered() >= self.ingest.settings.max_poll_records as u64
            || self.writer.gathered_bytes() >= MAX_WRITE_BYTES;
        Ok(if full { Taken::Enough } else { Taken::Next })
    }

    /// The event or the defect of a record. Waits for a registry that does not answer; `None` when the
    /// tracker shuts down meanwhile.
    fn decode(
        &mut self,
        record: &RawRecord<'_>,
        arrived_at: Millis,
    ) -> Result<Option<Result<Event, Rejected>>, RunError> {
        let (id, body) = match wire::payload(record.value) {
            Ok(parts) => parts,
            Err(defect) => return Ok(Some(Err(defect.into()))),
        };
        let plan = match self.plan(id)? {
            Some(Ok(plan)) => plan,
            Some(Err(defect)) => return Ok(Some(Err(defect.into()))),
            None => return Ok(None),
        };
        Ok(Some(plan.event(body, record.position, arrived_at)))
    }

    fn plan(&mut self, id: u32) -> Result<Option<Result<Arc<DecodePlan>, Defect>>, RunError> {
        let mut pause = RETRY_BACKOFF;
        let mut answer = self.ingest.schemas.plan(id);
        loop {
            let why = match answer {
                Ok(plan) => {
                    self.schema_wait.has_come(id);
                    return Ok(Some(Ok(plan)));
                }
                Err(why) => why,
            };
            if let Some(defect) = why.defect(id)
                && !(why.may_pass() && self.schema_wait.waits_for(id, wait::now()))
            {
                return Ok(Some(Err(defect)));
            }
            if self.waits_for_schema(id, &why, pause.now())? {
                return Ok(None);
            }
            if !why.may_pass() {
                pause.next();
            }
            answer = self.ingest.schemas.plan_now(id);
        }
    }

    /// Waits a while for a registry. Whether it is time to end.
    fn waits_for_schema(&mut self, id: u32, why: &SchemaError, pause: Duration) -> Result<bool, RunError> {
        // What was decoded before need not wait with it.
        self.flush()?;
        let told = if why.may_pass() {
            format!("schema {id}: {why}; consumption waits a moment for it")
        } else {
            format!("schema registry unavailable: {why}; consumption waits for it")
        };
        tracing::warn!(schema = id, "{told}");
        self.ingest.status.update(|status| status.waiting = Some(told));
        self.ingest.watch_ends(&*self.broker);
        Ok(self.ingest.sleep(pause))
    }

    fn flush(&mut self) -> Result<(), RunError> {
        let begun = wait::now();
        let Some(delivery) = self.writer.write()? else {
            return Ok(());
        };
        let next = self.writer.next();
        self.ingest.status.update(|status| {
            status.next = next;
            status.waiting = None;
        });
        self.ingest.dead_letters.notify_one();
        self.ingest.projector.deliver(delivery)?;
        self.took = wait::since(begun);
        Ok(())
    }

    /// Publishes what was seen of the cluster, refuses a topic that went back, and tells apart what was lost.
    fn observe(&mut self, source: &dyn Source) -> Result<(), RunError> {
        let observed = source.observed();
        if observed.answered > self.mark.asked {
            self.check_ends(&observed)?;
            self.writer.settle_gaps(&observed.lows, &self.mark.next)?;
            self.writer.begin(&observed.begins);
            self.flush()?;
            self.mark = Mark {
                asked: observed.asked,
                next: self.writer.next(),
            };
        }
        self.ingest.tell(&observed, true);
        Ok(())
    }

    /// Refuses a topic that ends before what had been accounted for when the broker was asked.
    fn check_ends(&self, observed: &Observed) -> Result<(), RunError> {
        for (partition, end) in observed.ends.iter() {
            // Ends of partitions that did not answer are old ones: only the broker's word counts.
            if end < self.mark.next.next(partition)
                && let Some(end) = self.broker.ask_end(partition)
            {
                self.writer.check_end(partition, end)?;
            }
        }
        Ok(())
    }
}

impl Ingest {
    /// Keeps the lag true while nothing is polled.
    fn watch_ends(&self, broker: &dyn Broker) {
        if let Some(observed) = broker.observed() {
            self.tell(&observed, false);
        }
    }

    fn tell(&self, observed: &Observed, polled: bool) {
        let now = self.clock.now();
        self.status.update(|status| {
            let was_up = status.last_contact.is_some() && status.unreachable_since.is_none();
            if observed.reachable {
                status.last_contact = Some(now);
                if status.unreachable_since.take().is_some() {
                    tracing::info!("a broker answers again");
                }
            } else {
                status.unreachable_since.get_or_insert(now);
                if was_up {
                    tracing::warn!("no broker answers; consumption goes on when one does");
                }
            }
            if polled {
                status.waiting.clone_from(&observed.waiting);
                status.held_up.clone_from(&observed.held_up);
            }
            // Some ends are no end: readiness and lag wait until all partitions have answered once.
            if observed.partitions > 0 {
                status.end = observed.ends_for(&status.next);
            }
            status.asked = observed.asked;
            status.answered = observed.answered;
        });
    }

    /// Waits, at most until shutdown. Whether it is time to end.
    fn sleep(&self, timeout: Duration) -> bool {
        wait::unless(|| self.shutdown.is_cancelled(), timeout)
    }
}
