//! Letters that others wrote onto the dead-letter topic: the service that this one replaces, other
//! consumers of the tracker topic. Off by default.
//!
//! Our own letters lie there too, from this replica or another. They are told by their headers (our
//! reason, and the tracker topic as their origin) and passed over: they are in the store already, or
//! in that of whoever accounts for their offset. So what is stored is a function of the topic. A topic that was
//! created again is recognised by the last record that was read, as ingest does it.

use super::view::{Examined, examine};
use crate::domain::{Cut, Millis, Position};
use crate::failpoint;
use crate::pipeline::decode::{Fragment, cut};
use crate::pipeline::ingest::arrival::Arrival;
use crate::pipeline::ingest::space::{FreeSpace, Gate};
use crate::pipeline::ingest::{IngestStatus, Kept, fingerprint_of};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::KafkaSource;
use crate::pipeline::kafka::source::{Broker, RawRecord, Source, SourceError, Taken};
use crate::pipeline::registry::SchemaSource;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, EXTERNAL, ValueHash};
use crate::store::records::{
    DeadLetterRecord, DeadLetterSummaryRecord, LastRecord, OffsetRecord, PresenceRecord,
};
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, reads};
use crate::wait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The reason of all of them.
pub const EXTERNAL_REASON: &str = "foreign";
const POLL_TIMEOUT: Duration = Duration::from_millis(200);
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
const BATCH: usize = 500;
/// So many bytes are written at once; one letter more than that, whatever its length.
const BATCH_BYTES: usize = 8 << 20;

/// Everything that reading the dead-letter topic needs.
pub struct ExternalDeadLetters {
    /// The store.
    pub store: SharedStore,
    /// How to reach Kafka, and the topics.
    pub settings: KafkaSettings,
    /// Where writer schemas come from, for what can be decoded.
    pub schemas: Arc<dyn SchemaSource>,
    /// The account of letters.
    pub book: DeadLetterLock,
    /// Room on the disk under the store.
    pub space: Arc<dyn FreeSpace>,
    /// Where to tell that reading has ended.
    pub status: Arc<IngestStatus>,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Why reading ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum ExternalError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(
        "partition {partition} of the dead-letter topic {topic} went back: {found}, but every offset before {next} was read. \
         It was deleted and created again, or lost data; external dead letters are no longer read. To read the new topic, \
         start with an empty data directory or another kafka.dlt_topic; or switch kafka.consume_dead_letters off"
    )]
    Replaced {
        topic: String,
        partition: u32,
        found: String,
        next: u64,
    },
}

/// Letters gathered for one write.
struct Gathered {
    rows: BTreeMap<u32, OffsetRecord>,
    batch: Batch,
    changes: DeadLetterChanges,
    moved: Vec<u32>,
    count: usize,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.count >= BATCH || self.batch.byte_len() >= BATCH_BYTES
    }
}

impl ExternalDeadLetters {
    /// Starts reading on a thread of its own, from where the store stands.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("foreign-letters".to_owned())
            .spawn(move || {
                if let Err(error) = self.run() {
                    tracing::error!(%error, "the dead-letter topic is no longer read; everything else goes on");
                    self.status
                        .update(|status| status.letters_stopped = Some(error.to_string()));
                }
            })
    }

    fn run(&self) -> Result<(), ExternalError> {
        let settings = KafkaSettings {
            topic: self.settings.dlt_topic.clone(),
            ..self.settings.clone()
        };
        let rows: BTreeMap<u32, OffsetRecord> = reads::offsets(&*self.store, &settings.topic)?
            .into_iter()
            .collect();
        let resume: Vec<(u32, u64)> = rows
            .iter()
            .map(|(partition, row)| (*partition, row.last.map_or(row.next, |last| last.offset)))
            .collect();
        let mut source = KafkaSource::open(&settings, resume.into_iter())?;
        self.consume(&mut source, rows)
    }

    fn consume(
        &self,
        source: &mut dyn Source,
        rows: BTreeMap<u32, OffsetRecord>,
    ) -> Result<(), ExternalError> {
        let mut gathered = Gathered {
            rows,
            batch: Batch::new(),
            changes: DeadLetterChanges::default(),
            moved: Vec::new(),
            count: 0,
        };
        let mut room = Gate::new(
            "external dead letters",
            self.space.clone(),
            self.space.min_free_bytes(),
            self.shutdown.clone(),
        );
        // Everything taken so far is written then. That the disk is full, ingest tells in health and metrics:
        // it stops at the same mark.
        let broker = source.broker();
        while !room.wait(|_, _| ()) {
            failpoint::pass("thread.foreign-letters");
            let mut failed = None;
            source.poll(POLL_TIMEOUT, POLL_TIMEOUT, &mut |record| {
                failed = self.take(record, &mut gathered).err();
                if failed.is_some() || gathered.is_full() || self.shutdown.is_cancelled() {
                    Taken::Enough
                } else {
                    Taken::Next
                }
            })?;
            self.write(&mut gathered)?;
            failed.map_or(Ok(()), Err)?;
            self.check_ends(&source.observed().ends, &*broker, &gathered.rows)?;
        }
        Ok(())
    }

    /// Refuses a topic that ends before what was read. The client's view may be older than what it
    /// delivered: only the broker's word counts.
    fn check_ends(
        &self,
        ends: &Cut,
        broker: &dyn Broker,
        rows: &BTreeMap<u32, OffsetRecord>,
    ) -> Result<(), ExternalError> {
        for (partition, end) in ends.iter() {
            let next = rows.get(&partition).map_or(0, |row| row.next);
            if end < next
                && let Some(end) = broker.ask_end(partition)
                && end < next
            {
                return Err(self.replaced(partition, format!("it ends at offset {end}"), next));
            }
        }
        Ok(())
    }

    fn replaced(&self, partition: u32, found: String, next: u64) -> ExternalError {
        ExternalError::Replaced {
            topic: self.settings.dlt_topic.clone(),
            partition,
            found,
            next,
        }
    }

    /// A record that was read before: only the very last one is ever asked for again.
    fn recognise(&self, record: &RawRecord<'_>, row: &OffsetRecord) -> Result<(), ExternalError> {
        let Position { partition, offset } = record.position;
        let found = match row.last {
            Some(last) if last.offset == offset && last.fingerprint == fingerprint_of(record) => {
                return Ok(());
            }
            Some(last) if last.offset == offset => format!("the record at offset {offset} is another one"),
            _ => format!("it gave a record at offset {offset}"),
        };
        Err(self.replaced(partition, found, row.next))
    }

    /// Looks at one record; after this it is accounted for, unless the tracker stops.
    fn take(&self, record: &RawRecord<'_>, gathered: &mut Gathered) -> Result<(), ExternalError> {
        let Position { partition, offset } = record.position;
        let before = gathered.rows.get(&partition).copied().unwrap_or(OffsetRecord {
            start: offset,
            next: offset,
            ..OffsetRecord::default()
        });
        if offset < before.next {
            return self.recognise(record, &before);
        }
        // Of this topic no last record is kept: that something was read says the next offset.
        let last = (before.next > before.start).then_some(Arrival {
            at: Millis(before.arrived_at),
            told: before.told,
        });
        let arrival = Arrival::next(last, record);
        let arrived_at = arrival.at;
        if !self.is_ours(record) {
            let position = Position::new(partition | EXTERNAL, offset);
            let Some(fragment) = self.fragment(record, position, arrived_at) else {
                return Ok(());
            };
            self.add(record, position, arrived_at, &fragment, gathered);
        }
        let row = OffsetRecord {
            next: offset + 1,
            arrived_at: arrived_at.0,
            told: arrival.told,
            last: Some(LastRecord {
                offset,
                fingerprint: fingerprint_of(record),
            }),
            ..before
        };
        gathered.rows.insert(partition, row);
        gathered.moved.push(partition);
        gathered.count += 1;
        Ok(())
    }

    /// Whether a tracker of ours wrote it, about a record of the topic that we account for.
    fn is_ours(&self, record: &RawRecord<'_>) -> bool {
        let named = record
            .headers
            .texts(["kafka_dlt-original-topic", "saga-tracker-reason"]);
        named.is_some_and(|[topic, _]| topic == self.settings.topic)
    }

    /// What can be read of it. Waits for a registry that does not answer; `None` when the tracker stops
    /// meanwhile.
    fn fragment(&self, record: &RawRecord<'_>, position: Position, arrived_at: Millis) -> Option<Fragment> {
        loop {
            match examine(&*self.schemas, record.value, position, arrived_at) {
                Examined::Unavailable { why, .. } => {
                    tracing::warn!(why, "external dead letters wait for the schema registry");
                    if wait::unless(|| self.shutdown.is_cancelled(), RETRY_INTERVAL) {
                        return None;
                    }
                }
                examined => return Some(examined.fragment()),
            }
        }
    }

    fn add(
        &self,
        record: &RawRecord<'_>,
        position: Position,
        arrived_at: Millis,
        fragment: &Fragment,
        gathered: &mut Gathered,
    ) {
        let told = record.headers.texts(["kafka_dlt-exception-message"]);
        let mut detail = told
            .map_or("another service put it there", |[message]| message)
            .to_owned();
        cut(&mut detail);
        let kept = Kept::of(record);
        let detail = &*kept.detail(&detail);
        let letter = DeadLetterRecord {
            topic: &self.settings.dlt_topic,
            reason: EXTERNAL_REASON,
            detail,
            arrived_at: arrived_at.0,
            timestamp: record.timestamp.map(|at| at.0),
            key: kept.key,
            value: kept.value,
            headers: kept.headers.clone(),
        };
        let listed = DeadLetterSummaryRecord {
            topic: letter.topic,
            reason: letter.reason,
            detail,
            arrived_at: letter.arrived_at,
            bytes: record.value.map_or(0, |value| value.len() as u64),
            value: ValueHash::of(record.value).0,
            event_id: fragment.event_key(),
            saga_id: fragment.saga_key(),
            saga_type: fragment.type_label(),
            step: fragment.step_label(),
            status: fragment.status_label(),
        };
        let mut key = Key::default();
        keys::by_offset(&mut key, position);
        let batch = &mut gathered.batch;
        batch.put_with(Table::DeadLetters, &key, |bytes| letter.write(bytes));
        batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
        if let Some(id) = fragment.event_key() {
            keys::letter_by_event(&mut key, id, position);
            batch.put_with(Table::LettersByEvent, &key, |bytes| PresenceRecord.write(bytes));
        }
        gathered.changes.add_letter(position, &listed);
    }

    fn write(&self, gathered: &mut Gathered) -> Result<(), StoreError> {
        if gathered.moved.is_empty() {
            return Ok(());
        }
        let mut key = Key::default();
        for partition in std::mem::take(&mut gathered.moved) {
            if let Some(row) = gathered.rows.get(&partition) {
                keys::offsets(&mut key, &self.settings.dlt_topic, partition);
                gathered
                    .batch
                    .put_with(Table::Offsets, &key, |bytes| row.write(bytes));
            }
        }
        let held = self.book.hold();
        DeadLetterLock::enter(&held, &*self.store, &mut gathered.batch, &gathered.changes)?;
        failpoint::pass("foreign.before_write");
        self.store.write(&gathered.batch, Durability::Process)?;
        drop(held);
        gathered.batch.clear();
        gathered.changes.clear();
        gathered.count = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
