//! The thread that works redrives off.

use super::super::forecast::{Forecast, Forecaster};
use super::super::revise::{Revised, revise};
use super::super::view;
use super::{Redrives, jobs};
use crate::domain::Position;
use crate::failpoint;
use crate::ops::{Message, OutError};
use crate::store::letters::{Happened, LetterState, marks};
use crate::store::records::RedriveLetterRecord;
use crate::store::{Batch, Durability, Read, StoreError, read};
use std::sync::PoisonError;
use std::time::Duration;

/// Letters that are published before what became of them is stored.
const CHUNK: usize = 100;
/// Wait before trying again while Kafka is away.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked whether what was published has been consumed.
const LOOK: Duration = Duration::from_millis(20);

/// Why a redrive is interrupted; it goes on at the next start.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the tracker stops")]
    Shutdown,
}

impl Redrives {
    /// Works redrives off until shutdown.
    pub(super) fn run(&self) {
        let parts = &self.inner.parts;
        while !parts.shutdown.is_cancelled() {
            failpoint::pass("thread.redrive");
            let seen = self.seen();
            let due = jobs::next_due(&*parts.sources.store);
            let done = match due {
                Ok(None) => {
                    self.await_news(seen, Duration::from_millis(200));
                    continue;
                }
                Ok(Some(number)) => {
                    let done = self.work(number);
                    *self.turn() = None;
                    done
                }
                Err(error) => Err(error.into()),
            };
            self.tell();
            match done {
                Ok(()) | Err(Interrupted::Shutdown) => {}
                Err(Interrupted::Store(error)) => {
                    tracing::error!(%error, "redrives wait for the store");
                    self.pause(RETRY);
                }
            }
        }
    }

    fn work(&self, number: u64) -> Result<(), Interrupted> {
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
        if status.dry_run {
            self.foretell(&status)?;
        } else {
            self.settle_uncertain(number)?;
            self.publish_all(&status)?;
            self.await_consumed(number)?;
        }
        let turn = self.turn();
        self.end(&turn, number)?;
        drop(turn);
        Ok(self.note_end(number)?)
    }

    /// Gives a redrive its turn; none that has ended meanwhile.
    fn take_turn(&self, number: u64) -> Result<Option<jobs::RedriveStatus>, StoreError> {
        let mut turn = self.turn();
        let status = self.status(number)?.filter(|status| status.ended_at.is_none());
        *turn = status.as_ref().map(|status| status.number);
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
    fn foretell(&self, status: &jobs::RedriveStatus) -> Result<(), Interrupted> {
        let parts = &self.inner.parts;
        let sources = &parts.sources;
        let snapshot = sources.store.snapshot();
        let partitions = parts.ingest.snapshot().end.iter().count();
        let partitions = u32::try_from(partitions).unwrap_or(0);
        let mut forecaster = Forecaster::new(&*snapshot, &parts.definitions, partitions)?;
        let letters = self.letters_of(status.number, |_| true)?;
        for chunk in letters.chunks(CHUNK) {
            self.check_shutdown()?;
            if self.is_cancelled(status.number) {
                break;
            }
            let mut batch = Batch::new();
            for position in chunk {
                let forecast = match self.prepare(&*snapshot, *position, &status.change)? {
                    Prepared::Ready(revised) => forecaster.next(&revised)?,
                    Prepared::Settled(state) => Forecast::settled(state)
                        .unwrap_or_else(|| Forecast::not_published(super::super::Outlook::Unknown, "")),
                    Prepared::Hopeless(why) => Forecast::hopeless(&why),
                    Prepared::Unknown => {
                        Forecast::not_published(super::super::Outlook::Unknown, "there is no such letter")
                    }
                };
                let told = serde_json::to_string(&forecast)
                    .map_err(|error| StoreError::Corrupt(format!("a forecast is no JSON: {error}")))?;
                let record = RedriveLetterRecord::Forecast { told: &told };
                jobs::put_letter(&mut batch, status.number, *position, &record);
            }
            sources.store.write(&batch, Durability::Process)?;
            self.tell();
        }
        Ok(())
    }

    /// After a crash, or when Kafka did not say: whether a letter was published is known once
    /// everything in the topic is consumed.
    fn settle_uncertain(&self, number: u64) -> Result<(), Interrupted> {
        let store = &self.inner.parts.sources.store;
        let is_sending = |record: &RedriveLetterRecord<'_>| matches!(record, RedriveLetterRecord::Sending);
        let uncertain = self.letters_of(number, is_sending)?;
        if uncertain.is_empty() {
            return Ok(());
        }
        tracing::info!(
            number,
            letters = uncertain.len(),
            "finding out which letters were published"
        );
        self.await_end_of_topic()?;
        let mut batch = Batch::new();
        for letter in uncertain {
            let returned = marks(&**store, letter)?
                .into_iter()
                .rfind(|mark| matches!(mark.what, Happened::Returned(_)));
            let record = match returned {
                Some(mark) => RedriveLetterRecord::Sent {
                    partition: mark.by.partition,
                    offset: mark.by.offset,
                },
                None => RedriveLetterRecord::Chosen,
            };
            jobs::put_letter(&mut batch, number, letter, &record);
        }
        store.write(&batch, Durability::Process)?;
        Ok(())
    }

    fn publish_all(&self, status: &jobs::RedriveStatus) -> Result<(), Interrupted> {
        let is_chosen = |record: &RedriveLetterRecord<'_>| matches!(record, RedriveLetterRecord::Chosen);
        loop {
            let due = self.letters_of(status.number, is_chosen)?;
            if due.is_empty() {
                return Ok(());
            }
            for chunk in due.chunks(CHUNK) {
                self.check_shutdown()?;
                if self.is_cancelled(status.number) {
                    return Ok(());
                }
                if !self.publish_chunk(status, chunk)? {
                    self.pause(RETRY);
                    self.settle_uncertain(status.number)?;
                    break;
                }
            }
        }
    }

    /// Publishes a chunk of letters. Whether Kafka is there.
    fn publish_chunk(&self, status: &jobs::RedriveStatus, chunk: &[Position]) -> Result<bool, Interrupted> {
        let sources = &self.inner.parts.sources;
        let store = &sources.store;
        let mut before = Batch::new();
        let mut messages = Vec::new();
        let mut sending = Vec::new();
        for position in chunk {
            let refused =
                |why: String| -> (Option<Message>, RecordOwned) { (None, RecordOwned::Refused(why)) };
            let (message, record) = match self.prepare(&**store, *position, &status.change)? {
                Prepared::Ready(revised) => (Some(self.message(*revised)), RecordOwned::Sending),
                Prepared::Settled(state) => (None, RecordOwned::Skipped(settled_words(state))),
                Prepared::Hopeless(why) => refused(why.to_string()),
                Prepared::Unknown => refused("there is no such letter".to_owned()),
            };
            if let Some(message) = message {
                messages.push(message);
                sending.push(*position);
            }
            jobs::put_letter(&mut before, status.number, *position, &record.as_record());
        }
        store.write(&before, Durability::Process)?;
        if messages.is_empty() {
            return Ok(true);
        }
        failpoint::pass("redrive.before_publish");
        let results = self.inner.parts.out.publish_all(&messages);
        failpoint::pass("redrive.after_publish");
        let mut after = Batch::new();
        let mut reachable = true;
        for (position, result) in sending.into_iter().zip(results) {
            let record = match result {
                Ok(Position { partition, offset }) => RecordOwned::Sent(partition, offset),
                Err(OutError::Refused(why)) => RecordOwned::Refused(why),
                Err(OutError::Unreachable(why)) => {
                    if std::mem::replace(&mut reachable, false) {
                        tracing::warn!(number = status.number, why, "the redrive waits for Kafka");
                    }
                    RecordOwned::Chosen
                }
                Err(OutError::Uncertain(why)) => {
                    if std::mem::replace(&mut reachable, false) {
                        tracing::warn!(number = status.number, why, "the redrive waits for Kafka");
                    }
                    RecordOwned::Sending
                }
            };
            jobs::put_letter(&mut after, status.number, position, &record.as_record());
        }
        store.write(&after, Durability::Process)?;
        failpoint::pass("redrive.after_write");
        self.tell();
        Ok(reachable)
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
        read: &dyn Read,
        position: Position,
        change: &super::super::Change,
    ) -> Result<Prepared, StoreError> {
        let sources = &self.inner.parts.sources;
        let state = LetterState::after(&marks(read, position)?);
        if state != LetterState::Open {
            return Ok(Prepared::Settled(state));
        }
        let Some(letter) = view::letter(read, position)? else {
            return Ok(Prepared::Unknown);
        };
        Ok(
            match revise(&letter, change, &sources.topics, &*sources.schemas) {
                Ok(revised) => Prepared::Ready(Box::new(revised)),
                Err(why) => Prepared::Hopeless(why),
            },
        )
    }

    /// Waits until everything that this redrive published is consumed and folded.
    fn await_consumed(&self, number: u64) -> Result<(), Interrupted> {
        let store = &self.inner.parts.sources.store;
        let mut sent = Vec::new();
        jobs::letters(&**store, number, None, usize::MAX, |_, record| {
            if let RedriveLetterRecord::Sent { partition, offset } = record {
                sent.push(Position::new(partition, offset));
            }
            Ok(())
        })?;
        loop {
            let cursor = read::cursor(&**store, read::active_generation(&**store)?)?;
            if sent.iter().all(|at| cursor.contains(*at)) {
                return Ok(());
            }
            self.check_shutdown()?;
            self.pause(LOOK);
        }
    }

    /// Waits until answers show everything up to what Kafka says is the end, asked from now on.
    fn await_end_of_topic(&self) -> Result<(), Interrupted> {
        let ingest = &self.inner.parts.ingest;
        let asked = ingest.snapshot().asked;
        loop {
            if ingest.snapshot().has_reached_end_since(asked) {
                return Ok(());
            }
            self.check_shutdown()?;
            self.pause(LOOK);
        }
    }

    fn letters_of(
        &self,
        number: u64,
        wanted: impl Fn(&RedriveLetterRecord<'_>) -> bool,
    ) -> Result<Vec<Position>, StoreError> {
        let mut found = Vec::new();
        let store = &self.inner.parts.sources.store;
        jobs::letters(&**store, number, None, usize::MAX, |letter, record| {
            if wanted(&record) {
                found.push(letter);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn check_shutdown(&self) -> Result<(), Interrupted> {
        if self.inner.parts.shutdown.is_cancelled() {
            Err(Interrupted::Shutdown)
        } else {
            Ok(())
        }
    }

    fn pause(&self, longest: Duration) {
        let step = Duration::from_millis(50);
        let mut left = longest;
        while !self.inner.parts.shutdown.is_cancelled() && !left.is_zero() {
            std::thread::park_timeout(step.min(left));
            left = left.saturating_sub(step);
        }
    }
}

/// A letter made ready, or why it is not.
enum Prepared {
    Ready(Box<Revised>),
    Settled(LetterState),
    Hopeless(super::super::revise::Hopeless),
    Unknown,
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

fn settled_words(state: LetterState) -> String {
    match state {
        LetterState::Redriven => "its event came back already".to_owned(),
        LetterState::Discarded | LetterState::Open => "it was discarded".to_owned(),
    }
}
