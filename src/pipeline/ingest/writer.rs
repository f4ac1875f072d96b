//! Decides what becomes of each offset, exactly once and only here, and writes it: the event or the
//! dead letter, the feed entry and the new offsets in one atomic batch.

use super::arrival::Arrival;
use super::fingerprint::{Impression, fingerprint_of};
use super::gaps::{Gaps, Known};
use super::kept::Kept;
use super::origin::DeadLetterTopics;
use crate::domain::{Cut, Event, Millis, Position};
use crate::failpoint;
use crate::pipeline::decode::Rejected;
use crate::pipeline::kafka::source::{Observed, RawRecord};
use crate::pipeline::projector::Delivery;
use crate::store::codec::Record;
use crate::store::dead_letters::{
    DeadLetterChanges, DeadLetterLock, DeadLetterMark, Happened, Returned, ValueHash,
};
use crate::store::records::{
    DeadLetterRecord, DeadLetterSummaryRecord, FeedRecord, LastRecord, LogRecord, MAX_KEPT_BYTES,
    OffsetClass, OffsetRecord, PresenceRecord,
};
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, late, reads};
use std::collections::BTreeMap;

/// Why ingest cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topic is not the one that this store was filled from.
    #[error(
        "partition {partition} of {topic} went back: {found}, but this store has accounted for every offset before {next}. \
         The topic was deleted and created again, or lost data. Nothing of it was mixed into the store. \
         To follow the new topic, start with an empty data directory (keep the old one as evidence); \
         to keep this store, point the tracker at the topic that it was filled from"
    )]
    TopicReplaced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What was seen.
        found: String,
        /// The next offset that the store expects.
        next: u64,
    },
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new: decode it and account for it.
    New {
        /// Its arrival time: Kafka's timestamp made monotone within the partition.
        arrived_at: Millis,
    },
    /// It is accounted for already.
    Known,
}

/// One partition's account.
struct Account {
    row: OffsetRecord,
    /// The last record, from which its fingerprint is made.
    last: Option<(u64, Impression)>,
    moved: bool,
}

impl Account {
    /// One that begins there.
    fn from(start: u64) -> Self {
        Self {
            row: OffsetRecord {
                start,
                next: start,
                ..OffsetRecord::default()
            },
            last: None,
            moved: true,
        }
    }

    /// That of its last record, written or not.
    fn arrival(&self) -> Option<Arrival> {
        let any = self.last.is_some() || self.row.last.is_some();
        any.then_some(Arrival {
            at: Millis(self.row.arrived_at),
            told: self.row.told,
        })
    }
}

/// Gathers a batch and writes it.
pub struct Writer {
    store: SharedStore,
    topic: String,
    accounts: BTreeMap<u32, Account>,
    batch: Batch,
    key: Key,
    events: Vec<Event>,
    offsets: u64,
    letter_topics: DeadLetterTopics,
    letters: DeadLetterChanges,
    book: DeadLetterLock,
    gaps: Gaps,
}

impl Writer {
    /// Goes on from the store's offsets of the topic.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn open(store: SharedStore, topic: &str) -> Result<Self, StoreError> {
        let accounts = reads::offsets(&*store, topic)?
            .into_iter()
            .map(|(partition, row)| {
                (
                    partition,
                    Account {
                        row,
                        last: None,
                        moved: false,
                    },
                )
            })
            .collect();
        Ok(Self {
            accounts,
            topic: topic.to_owned(),
            batch: Batch::new(),
            key: Key::default(),
            events: Vec::new(),
            offsets: 0,
            letter_topics: DeadLetterTopics {
                topic: topic.to_owned(),
                dlt_topic: String::new(),
            },
            letters: DeadLetterChanges::default(),
            book: DeadLetterLock::default(),
            gaps: Gaps::open(&*store)?,
            store,
        })
    }

    /// Shares the account of dead letters with others who add to it, and knows the dead letters that lie
    /// on the dead-letter topic too.
    #[must_use]
    pub fn sharing(mut self, book: DeadLetterLock, dlt_topic: &str) -> Self {
        self.book = book;
        dlt_topic.clone_into(&mut self.letter_topics.dlt_topic);
        self
    }

    /// Where to resume: per known partition its last record (to recognise the topic by) or, without
    /// one, its next offset.
    pub fn resume_from(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.accounts.iter().map(|(partition, account)| {
            (
                *partition,
                account.row.last.map_or(account.row.next, |last| last.offset),
            )
        })
    }

    /// The next offset of every partition, what is gathered but not written included.
    pub fn next(&self) -> Cut {
        self.accounts
            .iter()
            .map(|(partition, account)| (*partition, account.row.next))
            .collect()
    }

    /// Offsets gathered since the last write.
    pub fn gathered(&self) -> u64 {
        self.offsets
    }

    /// Bytes gathered since the last write.
    pub fn gathered_bytes(&self) -> usize {
        self.batch.byte_len()
    }

    /// Refuses a topic that ends before what the store has accounted for.
    ///
    /// # Errors
    /// [`IngestError::TopicReplaced`].
    pub fn check_end(&self, partition: u32, end: u64) -> Result<(), IngestError> {
        match self.accounts.get(&partition) {
            Some(account) if end < account.row.next => {
                Err(self.replaced(partition, account.row.next, format!("it ends at offset {end}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether a partition's offsets are accounted for.
    pub fn knows(&self, partition: u32) -> bool {
        self.accounts.contains_key(&partition)
    }

    /// Begins the account of partitions that have none, each at the first offset that the broker held when it was
    /// seen first: what expires before its first record is read is a gap, too. Written with what comes next.
    pub fn begin(&mut self, begins: &BTreeMap<u32, u64>) {
        for (partition, start) in begins {
            self.accounts
                .entry(*partition)
                .or_insert_with(|| Account::from(*start));
        }
    }

    /// Looks at a record's place before it is decoded. Changes nothing.
    ///
    /// # Errors
    /// [`IngestError::TopicReplaced`] for a record that the store knows otherwise.
    pub fn admit(&self, record: &RawRecord<'_>) -> Result<Admission, IngestError> {
        match self.accounts.get(&record.position.partition) {
            Some(account) if record.position.offset < account.row.next => {
                self.recognise(record, account.row.next)
            }
            account => Ok(Admission::New {
                arrived_at: Arrival::next(account.and_then(Account::arrival), record).at,
            }),
        }
    }

    /// Accounts for an admitted record: it is an event or a dead letter. Offsets that were passed
    /// over to get there are a gap; `low` is the first offset that the broker still holds, as far as known.
    pub fn account(
        &mut self,
        record: &RawRecord<'_>,
        arrived_at: Millis,
        low: Option<u64>,
        outcome: Result<Event, Rejected>,
    ) {
        let Position { partition, offset } = record.position;
        let account = self
            .accounts
            .entry(partition)
            .or_insert_with(|| Account::from(offset));
        let next = account.row.next;
        account.row.told = Arrival::next(account.arrival(), record).told;
        account.row.next = offset + 1;
        account.row.arrived_at = arrived_at.0;
        account.moved = true;
        let (at, impression) = account.last.get_or_insert_default();
        *at = offset;
        impression.take(record);
        self.offsets += 1;
        // What may be taken back would stand behind what comes after it.
        if account.row.told.doubt.is_none() {
            late::put_clock(&mut self.batch, record.position, next, arrived_at);
        }
        if offset > next {
            let first = Position::new(partition, next);
            let behind = (offset, arrived_at);
            self.gaps.add(&mut self.batch, &mut self.key, first, behind, low);
        }
        if let Some(letter) = self.letter_topics.letter_named(record.headers) {
            let mark = returned_mark(record, arrived_at, &outcome);
            self.letters.add_mark(letter, mark);
        }
        let class = if outcome.is_ok() {
            OffsetClass::Logged
        } else {
            OffsetClass::DeadLetter
        };
        self.gaps.offsets.add(partition, arrived_at, class, 1);
        match outcome {
            Ok(event) => self.add_event(event),
            Err(rejected) => self.add_dead_letter(record, arrived_at, &rejected),
        }
    }

    /// Learns what was seen of the topic: by that gaps that are found from now on are told apart.
    pub fn learn(&mut self, observed: &Observed) {
        self.gaps.learn(Known::of(observed));
    }

    /// A record that the store should have: only the very last one is ever asked for again.
    fn recognise(&self, record: &RawRecord<'_>, next: u64) -> Result<Admission, IngestError> {
        let Position { partition, offset } = record.position;
        let known = self.accounts.get(&partition).and_then(|account| account.row.last);
        let found = match known {
            Some(last) if last.offset == offset => {
                if last.fingerprint == fingerprint_of(record) {
                    return Ok(Admission::Known);
                }
                format!("the record at offset {offset} is another one")
            }
            _ => format!("it gave a record at offset {offset}"),
        };
        Err(self.replaced(partition, next, found))
    }

    fn replaced(&self, partition: u32, next: u64, found: String) -> IngestError {
        IngestError::TopicReplaced {
            topic: self.topic.clone(),
            partition,
            found,
            next,
        }
    }

    fn add_event(&mut self, event: Event) {
        keys::log(&mut self.key, &event.saga_id, event.timeline_key());
        self.batch
            .put_with(Table::Log, &self.key, |bytes| LogRecord::of(&event).write(bytes));
        late::put(&mut self.batch, &event);
        let entry = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        keys::by_offset(&mut self.key, event.position);
        self.batch
            .put_with(Table::Feed, &self.key, |bytes| entry.write(bytes));
        self.events.push(event);
    }

    fn add_dead_letter(&mut self, record: &RawRecord<'_>, arrived_at: Millis, rejected: &Rejected) {
        let kept = Kept::of(record);
        let (reason, detail) = (
            rejected.defect.reason.as_str(),
            kept.detail(&rejected.defect.detail),
        );
        let detail = &*detail;
        let letter = DeadLetterRecord {
            topic: &self.topic,
            reason,
            detail,
            arrived_at: arrived_at.0,
            timestamp: record.timestamp.map(|at| at.0),
            key: kept.key,
            value: record.value,
            headers: kept.headers,
        };
        let place = (record.position, rejected);
        put_letter(&mut self.batch, &mut self.letters, &mut self.key, &letter, place);
        keys::by_offset(&mut self.key, record.position);
        self.batch.put_with(Table::Feed, &self.key, |bytes| {
            FeedRecord::DeadLetter.write(bytes);
        });
        tracing::warn!(position = %record.position, reason, detail, "dead letter");
    }

    /// Tells gaps before `cut` apart, now that the broker said which offsets it holds, after all of that had
    /// been accounted for. Between two writes only.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it is in the store, and ingest must be opened anew.
    pub fn settle_gaps(&mut self, lows: &BTreeMap<u32, u64>, cut: &Cut) -> Result<(), StoreError> {
        let book = self.book.clone();
        // A replay of the topic fills gaps under it: what is read here is still so when it is written.
        let held = book.hold();
        let mut batch = Batch::new();
        if !self.gaps.settle(&*self.store, &mut batch, lows, cut)? {
            return Ok(());
        }
        self.gaps.write_sums(&*self.store, &mut batch)?;
        self.gaps.write_marks(&mut batch);
        self.store.write(&batch, Durability::Process)?;
        drop(held);
        Ok(())
    }

    /// Writes what was gathered, in one atomic batch, and returns it for the projector; nothing when
    /// nothing was gathered.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it is in the store, and ingest must be opened anew.
    pub fn write(&mut self) -> Result<Option<Delivery>, StoreError> {
        let mut after = Vec::new();
        for (partition, account) in &mut self.accounts {
            if !account.moved {
                continue;
            }
            account.moved = false;
            if let Some((offset, impression)) = &account.last {
                account.row.last = Some(LastRecord {
                    offset: *offset,
                    fingerprint: impression.fingerprint(),
                });
            }
            keys::offsets(&mut self.key, &self.topic, *partition);
            self.batch
                .put_with(Table::Offsets, &self.key, |bytes| account.row.write(bytes));
            after.push((*partition, account.row.next));
        }
        if after.is_empty() {
            return Ok(None);
        }
        self.gaps.write_marks(&mut self.batch);
        let sums_change = !self.letters.is_empty() || self.gaps.is_counting();
        let book = self.book.clone();
        let held = sums_change.then(|| book.hold());
        if let Some(held) = &held {
            DeadLetterLock::enter(held, &*self.store, &mut self.batch, &self.letters)?;
            self.gaps.write_sums(&*self.store, &mut self.batch)?;
        }
        self.batch.sort();
        failpoint::pass("ingest.before_write");
        self.store.write(&self.batch, Durability::Process)?;
        failpoint::pass("ingest.after_write");
        drop(held);
        self.letters.clear();
        self.batch.clear();
        self.offsets = 0;
        Ok(Some(Delivery {
            events: self.take_events(),
            after,
        }))
    }

    /// The gathered events; the next batch is expected to be as large.
    fn take_events(&mut self) -> Vec<Event> {
        let next = Vec::with_capacity(self.events.len());
        std::mem::replace(&mut self.events, next)
    }
}

/// What consuming a record says of the dead letter that it names as its origin.
pub(super) fn returned_mark(
    record: &RawRecord<'_>,
    at: Millis,
    outcome: &Result<Event, Rejected>,
) -> DeadLetterMark {
    let became = match outcome {
        Ok(event) => Returned::Logged {
            saga_id: event.saga_id.clone(),
            recorded_at: event.recorded_at,
        },
        Err(rejected) => Returned::DeadLetter {
            reason: rejected.defect.reason.as_str().to_owned(),
        },
    };
    let value = ValueHash::of(record.value);
    DeadLetterMark {
        by: record.position,
        at,
        what: Happened::Returned { became, value },
    }
}

/// Adds a dead letter to a batch and to the account: its bytes, of the value as many as are kept, what is known of
/// it, and where to find it by its event.
pub(super) fn put_letter(
    batch: &mut Batch,
    changes: &mut DeadLetterChanges,
    key: &mut Key,
    letter: &DeadLetterRecord<'_>,
    (position, rejected): (Position, &Rejected),
) {
    keys::by_offset(key, position);
    let kept = letter
        .value
        .map(|value| &value[..value.len().min(MAX_KEPT_BYTES)]);
    if kept == letter.value {
        batch.put_with(Table::DeadLetters, key, |bytes| letter.write(bytes));
    } else {
        let letter = DeadLetterRecord {
            value: kept,
            ..letter.clone()
        };
        batch.put_with(Table::DeadLetters, key, |bytes| letter.write(bytes));
    }
    let fragment = &rejected.fragment;
    let listed = DeadLetterSummaryRecord {
        topic: letter.topic,
        reason: letter.reason,
        detail: letter.detail,
        arrived_at: letter.arrived_at,
        bytes: letter.value.map_or(0, |value| value.len() as u64),
        value: ValueHash::of(letter.value).0,
        event_id: fragment.event_key(),
        saga_id: fragment.saga_key(),
        saga_type: fragment.type_label(),
        step: fragment.step_label(),
        status: fragment.status_label(),
    };
    batch.put_with(Table::Letters, key, |bytes| listed.write(bytes));
    changes.add_letter(position, &listed);
    if let Some(id) = fragment.event_key() {
        keys::letter_by_event(key, id, position);
        batch.put_with(Table::LettersByEvent, key, |bytes| PresenceRecord.write(bytes));
    }
}
