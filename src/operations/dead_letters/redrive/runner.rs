//! The thread that works redrives off.

use super::super::Change;
use super::super::announce::{Announcement, announce};
use super::super::forecast::{Forecast, Forecaster};
use super::super::revise::{CannotRedrive, Revised, revise};
use super::super::view;
use super::{Redrives, jobs, pace, rows, tally, unended};
use crate::domain::Position;
use crate::failpoint;
use crate::operations::decisions::OpsError;
use crate::pipeline::kafka::{Message, OutError};
use crate::store::dead_letters::{DeadLetterState, Happened, ValueHash, counted, is_announced, state};
use crate::store::records::RedriveLetterRecord;
use crate::store::{Batch, Durability, StoreError, StoreRead, reads};
use crate::wait;
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

/// Letters that are published before what became of them is stored.
const CHUNK: usize = 100;
/// Letters are made ready together until they are of so many bytes; one letter more than that.
const CHUNK_BYTES: usize = 8 << 20;
/// Wait before trying again while Kafka or the schema registry is away.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked whether a redrive was asked for, where nobody tells.
pub(super) const IDLE_INTERVAL: Duration = Duration::from_millis(200);
/// How often it is looked whether what was published has been consumed.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// What is waited for longer than this is told.
const SILENT: Duration = Duration::from_secs(5);

/// Why a redrive is interrupted; it goes on at the next start.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the tracker stops")]
    Shutdown,
}

impl Redrives {
    /// Works redrives off until shutdown.
    pub(crate) fn run(&self) {
        let parts = &self.inner.parts;
        while !parts.shutdown.is_cancelled() {
            failpoint::pass("thread.redrive");
            let seen = self.seen();
            let due = self.next_due();
            let done = match due {
                Ok(None) => {
                    self.await_news(seen, IDLE_INTERVAL);
                    continue;
                }
                Ok(Some(number)) => {
                    let done = self.work(number);
                    self.turn().clear();
                    done
                }
                Err(error) => Err(error.into()),
            };
            self.tell();
            match done {
                Ok(()) | Err(Interrupted::Shutdown) => {}
                Err(Interrupted::Store(error)) => {
                    tracing::error!(%error, "redrives wait for the store");
                    self.pause(RETRY_INTERVAL);
                }
            }
        }
    }

    /// The oldest redrive that has not ended.
    fn next_due(&self) -> Result<Option<u64>, StoreError> {
        let _turn = self.turn();
        unended::list_all_once(self.store())?;
        unended::first(&**self.store())
    }

    /// Works off a redrive, which has its turn from then on.
    pub(super) fn work(&self, number: u64) -> Result<(), Interrupted> {
        let Some(status) = self.take_turn(number)? else {
            return Ok(());
        };
        tracing::info!(
            number,
            letters = status.chosen,
            dry_run = status.dry_run,
            "redrive"
        );
        if status.cancelled.is_some() {
            let mut known = self
                .inner
                .cancelled
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            known.insert(number);
        }
        let change = jobs::change_of(&**self.store(), number)?;
        if status.dry_run {
            self.foretell(&status, &change)?;
        } else {
            if self.settle_uncertain(number)? {
                self.publish_all(&status, &change)?;
            }
            self.await_consumed(number)?;
        }
        let turn = self.turn();
        self.end(&turn, number)?;
        drop(turn);
        Ok(self.note_end(number)?)
    }

    /// Gives a redrive its turn, unless it has ended meanwhile.
    fn take_turn(&self, number: u64) -> Result<Option<jobs::RedriveStatus>, StoreError> {
        let mut turn = self.turn();
        let status = self.status(number)?.filter(|status| status.ended_at.is_none());
        if status.is_none() {
            let mut batch = Batch::new();
            unended::remove(&mut batch, number);
            self.store().write(&batch, Durability::Process)?;
        }
        turn.extend(status.as_ref().map(|status| status.number));
        Ok(status)
    }

    /// Whether a redrive has published anything, as far as known.
    pub(super) fn has_published(&self, number: u64) -> Result<bool, StoreError> {
        let published = |record: &RedriveLetterRecord<'_>| {
            matches!(
                record,
                RedriveLetterRecord::Sending | RedriveLetterRecord::Sent { .. }
            )
        };
        Ok(!self.letters_of(number, published)?.is_empty())
    }

    /// Tells what each letter would do, after those before it.
    fn foretell(&self, status: &jobs::RedriveStatus, change: &Change) -> Result<(), Interrupted> {
        let parts = &self.inner.parts;
        let sources = &parts.sources;
        let snapshot = sources.store.snapshot();
        let partitions = parts.consumption.ingest.snapshot().end.iter().count();
        let partitions = u32::try_from(partitions).unwrap_or(0);
        let definitions = parts.definitions.in_force();
        let mut forecaster = Forecaster::new(&*snapshot, &definitions, partitions)?;
        let letters = self.letters_of(status.number, |_| true)?;
        for chunk in letters.chunks(CHUNK) {
            self.check_shutdown()?;
            if self.is_cancelled(status.number) {
                break;
            }
            let mut told = Vec::with_capacity(chunk.len());
            for position in chunk {
                let forecast = match self.prepare(&*snapshot, *position, change)? {
                    Prepared::Ready { revised, .. } => forecaster.next(&revised)?,
                    Prepared::Redriven => Forecast::redriven(),
                    Prepared::Discarded => Forecast::discarded(),
                    Prepared::CannotRedrive(why) => Forecast::cannot_redrive(&why),
                    Prepared::Unknown => Forecast::not_published(
                        super::super::PredictedOutcome::Unknown,
                        "there is no such dead letter",
                    ),
                };
                let json = serde_json::to_string(&forecast)
                    .map_err(|error| StoreError::Corrupt(format!("a forecast is not JSON: {error}")))?;
                told.push((*position, json));
            }
            let records = told
                .iter()
                .map(|(letter, told)| (*letter, RedriveLetterRecord::Forecast { told }));
            tally::settle(&sources.store, status.number, records, Durability::Process)?;
            self.tell();
        }
        Ok(())
    }

    /// After a crash, or when Kafka did not say: whether a letter was published is known once
    /// everything in the topic is consumed. After a start, that is waited for in any case: the store may have been
    /// restored. Whether to go on: not where the redrive was cancelled and nothing of it was being published.
    fn settle_uncertain(&self, number: u64) -> Result<bool, Interrupted> {
        let store = &self.inner.parts.sources.store;
        let is_sending = |record: &RedriveLetterRecord<'_>| matches!(record, RedriveLetterRecord::Sending);
        let uncertain = self.letters_of(number, is_sending)?;
        if uncertain.is_empty() && self.inner.parts.consumption.has_caught_up() {
            return Ok(true);
        }
        tracing::info!(
            number,
            letters = uncertain.len(),
            "finding out which dead letters were published"
        );
        if !self.await_end_of_topics(number, uncertain.is_empty())? {
            return Ok(false);
        }
        let mut found = Vec::with_capacity(uncertain.len());
        for letter in uncertain {
            let record = match came_back_at(&**store, letter)? {
                Some(Position { partition, offset }) => RedriveLetterRecord::Sent { partition, offset },
                None => RedriveLetterRecord::Chosen,
            };
            found.push((letter, record));
        }
        tally::settle(store, number, found, Durability::Process)?;
        Ok(true)
    }

    fn publish_all(&self, status: &jobs::RedriveStatus, change: &Change) -> Result<(), Interrupted> {
        let is_chosen = |record: &RedriveLetterRecord<'_>| matches!(record, RedriveLetterRecord::Chosen);
        let mut passed_over = BTreeSet::from([status.number]);
        let mut unread = self.sent_of(status.number)?;
        loop {
            let due = self.letters_of(status.number, is_chosen)?;
            if due.is_empty() {
                return Ok(());
            }
            let mut waits_for = None;
            for chunk in due.chunks(pace::chunk(status.per_second, CHUNK)) {
                self.check_shutdown()?;
                if self.is_cancelled(status.number) {
                    return Ok(());
                }
                let done = self.publish_chunk(status, change, chunk)?;
                unread.extend(done.sent);
                let rest = pace::pause(status.per_second, chunk.len());
                if !rest.is_zero() {
                    // What Kafka did not answer for is found out before others publish.
                    self.rest(rest, done.kafka, &mut unread, &mut passed_over)?;
                }
                waits_for = waits_for.or(done.waits_for);
                if !done.kafka {
                    break;
                }
            }
            if let Some(why) = waits_for {
                tracing::warn!(number = status.number, why, "the redrive waits");
                self.pause(RETRY_INTERVAL);
                self.settle_uncertain(status.number)?;
            }
        }
    }

    /// Publishes a chunk of letters, but for those that have to wait and keep their turn.
    fn publish_chunk(
        &self,
        status: &jobs::RedriveStatus,
        change: &Change,
        chunk: &[Position],
    ) -> Result<Done, Interrupted> {
        let store = &self.inner.parts.sources.store;
        let mut chosen = self.choose(change, chunk)?;
        self.announce(status, &mut chosen);
        let settled = chosen.settled.iter();
        let settled = settled.map(|(letter, record)| (*letter, record.as_record()));
        let ready = chosen.ready.iter();
        let sending = ready.map(|(letter, _)| (*letter, RedriveLetterRecord::Sending));
        // What is published is not taken back by a power failure, so that it was about to be is not, either.
        tally::settle(store, status.number, settled.chain(sending), Durability::Power)?;
        let (sent, away) = self.send(status, chosen.ready)?;
        Ok(Done {
            sent,
            kafka: away.is_none(),
            waits_for: away.or(chosen.waits_for),
        })
    }

    /// Makes letters ready, and tells those apart that are not published.
    fn choose(&self, change: &Change, chunk: &[Position]) -> Result<Choice, StoreError> {
        let store = &self.inner.parts.sources.store;
        let mut chosen = Choice::default();
        let mut bytes = 0;
        for position in chunk {
            // What is behind keeps its turn.
            if bytes >= CHUNK_BYTES {
                break;
            }
            let settled = match self.prepare(&**store, *position, change)? {
                Prepared::Ready { revised, unannounced } => {
                    chosen
                        .unannounced
                        .extend(unannounced.map(|value| (*position, value)));
                    bytes += revised.value.len();
                    chosen.ready.push((*position, self.message(*revised)));
                    continue;
                }
                // Another time it can be told whether it is an event: it keeps its turn, and so do those
                // behind it: nobody answers now.
                Prepared::CannotRedrive(CannotRedrive::Unavailable(why)) => {
                    chosen.waits_for = Some(why);
                    break;
                }
                Prepared::Redriven => RecordOwned::Skipped("its event came back already".to_owned()),
                Prepared::Discarded => RecordOwned::Skipped("it was discarded".to_owned()),
                Prepared::CannotRedrive(why) => RecordOwned::Refused(why.to_string()),
                Prepared::Unknown => RecordOwned::Refused("there is no such dead letter".to_owned()),
            };
            chosen.settled.push((*position, settled));
        }
        Ok(chosen)
    }

    /// Says on the ops topic what changed letters will come back as. Where that is not possible now they
    /// keep their turn.
    fn announce(&self, status: &jobs::RedriveStatus, chosen: &mut Choice) {
        if chosen.unannounced.is_empty() {
            return;
        }
        let parts = &self.inner.parts;
        let number = status.number;
        let asked = format!("redrive {number}");
        let announcement = Announcement {
            by: &status.by,
            origin: &status.origin,
            why: status.why.as_deref().unwrap_or(&asked),
            letters: &chosen.unannounced,
        };
        let Err(error) = announce(&announcement, &parts.sources.topics, &*parts.deciding) else {
            return;
        };
        let kept_back: BTreeSet<Position> = chosen.unannounced.iter().map(|(letter, _)| *letter).collect();
        chosen.ready.retain(|(letter, _)| !kept_back.contains(letter));
        let why = format!("it could not be announced: {error}");
        match error {
            OpsError::Conflict(_) | OpsError::Failed(_) | OpsError::NotFound(_) => {
                let refused = kept_back.into_iter();
                let refused = refused.map(|letter| (letter, RecordOwned::Refused(why.clone())));
                chosen.settled.extend(refused);
            }
            OpsError::Unreachable(_) | OpsError::Unsettled(_) | OpsError::Store(_) => {
                chosen.waits_for = Some(why);
            }
        }
    }

    /// Publishes what is ready. Where that stands; and why Kafka is away, if it is.
    fn send(
        &self,
        status: &jobs::RedriveStatus,
        ready: Vec<(Position, Message)>,
    ) -> Result<(Vec<Position>, Option<String>), Interrupted> {
        if ready.is_empty() {
            return Ok((Vec::new(), None));
        }
        let store = &self.inner.parts.sources.store;
        let (sending, messages): (Vec<Position>, Vec<Message>) = ready.into_iter().unzip();
        failpoint::pass("redrive.before_publish");
        let results = self.inner.parts.out.publish_all(&messages);
        failpoint::pass("redrive.after_publish");
        let (mut sent, mut away) = (Vec::new(), None);
        let mut became = Vec::with_capacity(sending.len());
        for (position, result) in sending.into_iter().zip(results) {
            let record = match result {
                Ok(at) => {
                    sent.push(at);
                    RecordOwned::Sent(at.partition, at.offset)
                }
                Err(OutError::Refused(why)) => RecordOwned::Refused(why),
                Err(OutError::Unreachable(why)) => {
                    away = Some(why);
                    RecordOwned::Chosen
                }
                Err(OutError::Uncertain(why)) => {
                    away = Some(why);
                    RecordOwned::Sending
                }
            };
            became.push((position, record));
        }
        let records = became
            .iter()
            .map(|(letter, record)| (*letter, record.as_record()));
        tally::settle(store, status.number, records, Durability::Process)?;
        failpoint::pass("redrive.after_write");
        self.tell();
        Ok((sent, away))
    }

    fn message(&self, revised: Revised) -> Message {
        Message {
            topic: self.inner.parts.sources.topics.topic.clone(),
            partition: revised.partition,
            key: Some(revised.key),
            value: Some(revised.value),
            headers: revised.headers,
        }
    }

    fn prepare(
        &self,
        store: &dyn StoreRead,
        position: Position,
        change: &Change,
    ) -> Result<Prepared, StoreError> {
        let sources = &self.inner.parts.sources;
        let letter = view::letter(store, position)?;
        // Not made of its bytes: those of a value that is too large are not all kept.
        let own = view::listed(store, position)?.map(|listed| listed.value);
        match state(store, position, own.unwrap_or_default())? {
            DeadLetterState::Open => {}
            DeadLetterState::Redriven => return Ok(Prepared::Redriven),
            DeadLetterState::Discarded => return Ok(Prepared::Discarded),
        }
        let Some(letter) = letter else {
            return Ok(Prepared::Unknown);
        };
        Ok(
            match revise(&letter, change, &sources.topics, &*sources.schemas) {
                Ok(revised) => {
                    let value = ValueHash::of(Some(&revised.value));
                    let known = own == Some(value) || is_announced(store, position, value)?;
                    Prepared::Ready {
                        revised: Box::new(revised),
                        unannounced: (!known).then_some(value),
                    }
                }
                Err(why) => Prepared::CannotRedrive(why),
            },
        )
    }

    /// Waits until everything that this redrive published is consumed and folded.
    fn await_consumed(&self, number: u64) -> Result<(), Interrupted> {
        let mut unread = self.sent_of(number)?;
        loop {
            self.forget_read(&mut unread)?;
            if unread.is_empty() {
                return Ok(());
            }
            self.check_shutdown()?;
            self.pause(POLL_INTERVAL);
        }
    }

    /// Where a redrive published, as far as known.
    fn sent_of(&self, number: u64) -> Result<Vec<Position>, StoreError> {
        let mut sent = Vec::new();
        rows::letters(&**self.store(), number, None, usize::MAX, |_, record| {
            if let RedriveLetterRecord::Sent { partition, offset } = record {
                sent.push(Position::new(partition, offset));
            }
            Ok(())
        })?;
        Ok(sent)
    }

    /// Leaves of these positions those that are not consumed and folded.
    pub(super) fn forget_read(&self, unread: &mut Vec<Position>) -> Result<(), StoreError> {
        if unread.is_empty() {
            return Ok(());
        }
        let cursor = {
            // Of one moment: a rebuild may make another generation serve in between.
            let snapshot = self.store().snapshot();
            reads::cursor(&*snapshot, reads::active_generation(&*snapshot)?)?
        };
        unread.retain(|at| !cursor.contains(*at));
        Ok(())
    }

    /// Waits until answers show everything up to what Kafka says is the end, asked from now on, and all decisions are
    /// in force. Where that may be, it ends early when the redrive is cancelled: then false.
    fn await_end_of_topics(&self, number: u64, ends_when_cancelled: bool) -> Result<bool, Interrupted> {
        let consumption = &self.inner.parts.consumption;
        let (asked, begun) = (consumption.asked(), wait::now());
        let mut told = None;
        while let Some(why) = consumption.unread_since(asked) {
            if ends_when_cancelled && self.is_cancelled(number) {
                return Ok(false);
            }
            if wait::since(begun) > SILENT && told.as_ref() != Some(&why) {
                tracing::warn!(number, why, "the redrive waits");
                told = Some(why);
            }
            self.check_shutdown()?;
            self.pause(POLL_INTERVAL);
        }
        consumption.set_caught_up();
        Ok(true)
    }

    fn letters_of(
        &self,
        number: u64,
        wanted: impl Fn(&RedriveLetterRecord<'_>) -> bool,
    ) -> Result<Vec<Position>, StoreError> {
        let mut found = Vec::new();
        let store = &self.inner.parts.sources.store;
        rows::letters(&**store, number, None, usize::MAX, |letter, record| {
            if wanted(&record) {
                found.push(letter);
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn check_shutdown(&self) -> Result<(), Interrupted> {
        if self.inner.parts.shutdown.is_cancelled() {
            Err(Interrupted::Shutdown)
        } else {
            Ok(())
        }
    }

    fn pause(&self, timeout: Duration) {
        wait::unless(|| self.inner.parts.shutdown.is_cancelled(), timeout);
    }
}

/// Where a letter last came back to, as far as is consumed.
fn came_back_at(store: &dyn StoreRead, letter: Position) -> Result<Option<Position>, StoreError> {
    let Some(listed) = view::listed(store, letter)? else {
        return Ok(None);
    };
    let counted = counted(store, letter, listed.value)?.into_iter();
    let mut returns = counted.filter(|mark| matches!(mark.what, Happened::Returned { .. }));
    Ok(returns.next_back().map(|mark| mark.by))
}

/// A letter made ready, or why it is not.
enum Prepared {
    Ready {
        revised: Box<Revised>,
        /// Its value, when that is not the letter's own and nobody has said that it will come.
        unannounced: Option<ValueHash>,
    },
    Redriven,
    Discarded,
    CannotRedrive(CannotRedrive),
    Unknown,
}

/// What became of a chunk.
struct Done {
    /// Where it was published.
    sent: Vec<Position>,
    /// Whether Kafka takes more.
    kafka: bool,
    /// What is missing for letters that keep their turn.
    waits_for: Option<String>,
}

/// What is to become of the letters of a chunk.
#[derive(Default)]
struct Choice {
    ready: Vec<(Position, Message)>,
    unannounced: Vec<(Position, ValueHash)>,
    settled: Vec<(Position, RecordOwned)>,
    /// What is missing for those that are neither ready nor settled.
    waits_for: Option<String>,
}

/// What is stored of a letter, owning its words.
enum RecordOwned {
    Chosen,
    Sending,
    Sent(u32, u64),
    Skipped(String),
    Refused(String),
}

impl RecordOwned {
    fn as_record(&self) -> RedriveLetterRecord<'_> {
        match self {
            Self::Chosen => RedriveLetterRecord::Chosen,
            Self::Sending => RedriveLetterRecord::Sending,
            Self::Sent(partition, offset) => RedriveLetterRecord::Sent {
                partition: *partition,
                offset: *offset,
            },
            Self::Skipped(why) => RedriveLetterRecord::Skipped { why },
            Self::Refused(why) => RedriveLetterRecord::Refused { why },
        }
    }
}
