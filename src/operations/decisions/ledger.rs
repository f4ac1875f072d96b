//! What becomes of each message of the ops topic, decided here and written with its effect and the
//! new offset in one atomic batch.
//!
//! Decisions are rare, so each is a write of its own, and sees the effects of all before it. A decision
//! counts once: of two messages with one id the first is the decision, the other a duplicate.

use super::decision::{Applier, Decided, MAX_MESSAGE_BYTES, Parsed, Verdict, parse};
use crate::domain::{Millis, Position};
use crate::failpoint;
use crate::pipeline::ingest::arrival::Arrival;
use crate::pipeline::ingest::fingerprint_of;
use crate::pipeline::kafka::source::RawRecord;
use crate::store::codec::Record;
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::records::{DecisionOutcome, DecisionRecord, LastRecord, OffsetRecord};
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, reads, totals};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The partition of the ops topic that is written and read.
pub const OPS_PARTITION: u32 = 0;
/// What kinds that are not known are counted as.
const UNKNOWN_KIND: &str = "other";

/// Why the ops topic cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topic is not the one that this store was filled from.
    #[error(
        "the ops topic {topic} went back: {found}, but this store has read every offset before {next}. It was \
         deleted and created again, or lost data. Point kafka.ops_topic at the topic that this store was filled \
         from, or start with an empty data directory"
    )]
    Replaced {
        /// The topic.
        topic: String,
        /// What was seen.
        found: String,
        /// The next offset that the store expects.
        next: u64,
    },
}

/// The store's account of the ops topic.
pub(super) struct Ledger {
    store: SharedStore,
    topic: String,
    appliers: Arc<[Box<dyn Applier>]>,
    row: Option<OffsetRecord>,
    counts: BTreeMap<String, u64>,
}

/// A message as it will be stored.
struct Entry<'a> {
    outcome: DecisionOutcome,
    kind: &'a str,
    detail: String,
    message: &'a [u8],
}

/// What became of a message, who applied it, and what is held until that is written.
type Judged<'r, 'a> = (Entry<'r>, Option<&'a dyn Applier>, Option<DeadLetterGuard<'a>>);

impl Ledger {
    pub(super) fn open(
        store: SharedStore,
        topic: &str,
        appliers: Arc<[Box<dyn Applier>]>,
    ) -> Result<Self, StoreError> {
        let rows = reads::offsets(&*store, topic)?;
        let row = rows
            .into_iter()
            .find(|(partition, _)| *partition == OPS_PARTITION)
            .map(|(_, row)| row);
        Ok(Self {
            row,
            counts: reads::meta_counts(&*store, totals::DECISION_COUNTS)?,
            topic: topic.to_owned(),
            appliers,
            store,
        })
    }

    /// The next offset; all before it has taken effect.
    pub(super) fn next(&self) -> u64 {
        self.row.map_or(0, |row| row.next)
    }

    /// Where to resume: at the last record, to recognise the topic by, if there is one.
    pub(super) fn resume_from(&self) -> Option<u64> {
        self.row.map(|row| row.last.map_or(row.next, |last| last.offset))
    }

    /// Refuses a topic that ends before what the store has read.
    pub(super) fn check_end(&self, end: u64) -> Result<(), LedgerError> {
        if end < self.next() {
            return Err(self.replaced(format!("it ends at offset {end}")));
        }
        Ok(())
    }

    /// Takes a record of the partition: decides what it is, and writes it.
    pub(super) fn take(&mut self, record: &RawRecord<'_>) -> Result<(), LedgerError> {
        let offset = record.position.offset;
        if offset < self.next() {
            return self.recognise(record);
        }
        let arrival = Arrival::next(Arrival::of(self.row.as_ref()), record);
        let (before, arrived_at) = (self.row.unwrap_or_default(), arrival.at);
        let mut rows = Batch::new();
        if offset > before.next {
            self.add_gap(&mut rows, before.next, offset, arrived_at);
        }
        let appliers = self.appliers.clone();
        let (entry, applier, held) = self.judge(&appliers, record, arrived_at, &mut rows)?;
        let (kind, outcome) = (entry.kind.to_owned(), entry.outcome);
        self.add(&mut rows, offset, arrived_at, &entry);
        let row = OffsetRecord {
            start: before.start,
            next: offset + 1,
            arrived_at: arrived_at.0,
            last: Some(LastRecord {
                offset,
                fingerprint: fingerprint_of(record),
            }),
            told: arrival.told,
        };
        let mut key = Key::default();
        keys::offsets(&mut key, &self.topic, OPS_PARTITION);
        rows.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
        failpoint::pass("ops.before_write");
        self.store.write(&rows, Durability::Process)?;
        drop(held);
        failpoint::pass("ops.after_write");
        self.row = Some(row);
        tracing::info!(
            offset,
            kind,
            outcome = outcome.as_str(),
            detail = entry.detail,
            "decision"
        );
        if let Some(applier) = applier {
            applier.written();
        }
        Ok(())
    }

    fn judge<'r, 'a>(
        &self,
        appliers: &'a [Box<dyn Applier>],
        record: &RawRecord<'r>,
        arrived_at: Millis,
        rows: &mut Batch,
    ) -> Result<Judged<'r, 'a>, StoreError> {
        // Of a longer one its length is in the words.
        let message = record.value.unwrap_or_default();
        let message = &message[..message.len().min(MAX_MESSAGE_BYTES)];
        let entry = |outcome, detail| Entry {
            outcome,
            kind: "",
            detail,
            message,
        };
        let decision = match parse(record.value) {
            Parsed::Decision(decision) => decision,
            Parsed::Later { kind, version } => {
                let detail = format!(
                    "{kind:?} is of version {version}, which this tracker does not know; upgrade it, then rebuild its store"
                );
                return Ok((entry(DecisionOutcome::Unknown, detail), None, None));
            }
            Parsed::Malformed(why) => return Ok((entry(DecisionOutcome::Malformed, why), None, None)),
        };
        let kind = decision.kind.as_str();
        let Some(applier) = appliers.iter().find(|applier| applier.kind() == kind) else {
            let detail = format!("this tracker knows no decision of kind {kind:?}");
            return Ok((entry(DecisionOutcome::Unknown, detail), None, None));
        };
        if let Some(first) = self.known_id(&decision.id)? {
            let detail = format!("decision {:?} was read at offset {first} already", decision.id);
            let kind = applier.kind();
            let entry = Entry {
                kind,
                ..entry(DecisionOutcome::Duplicate, detail)
            };
            return Ok((entry, None, None));
        }
        let decided = Decided {
            offset: record.position.offset,
            arrived_at,
            decision: &decision,
        };
        reads::put_meta_count(rows, totals::DECISION_IDS, &decision.id, decided.offset + 1);
        let mut effect = Batch::new();
        let held = applier.hold();
        let (outcome, detail) = match applier.apply(decided, held.as_ref(), &*self.store, &mut effect)? {
            Verdict::Applied(words) => {
                rows.append(&effect);
                (DecisionOutcome::Applied, words)
            }
            Verdict::Refused(why) => (DecisionOutcome::Refused, why),
        };
        let entry = Entry {
            kind: applier.kind(),
            ..entry(outcome, detail)
        };
        Ok((entry, Some(&**applier), held))
    }

    /// Where a decision of that id stands, if one was read.
    fn known_id(&self, id: &str) -> Result<Option<u64>, StoreError> {
        let behind = reads::meta_count(&*self.store, totals::DECISION_IDS, id)?;
        Ok(behind.checked_sub(1))
    }

    fn add_gap(&mut self, rows: &mut Batch, from: u64, to: u64, arrived_at: Millis) {
        let detail = format!("the broker did not deliver the offsets {from} to {}", to - 1);
        tracing::error!(
            topic = self.topic,
            detail,
            "decisions may be lost; the gap is recorded"
        );
        let gap = Entry {
            outcome: DecisionOutcome::Gap,
            kind: "",
            detail,
            message: &[],
        };
        self.add(rows, from, arrived_at, &gap);
    }

    fn add(&mut self, rows: &mut Batch, offset: u64, arrived_at: Millis, entry: &Entry<'_>) {
        let record = DecisionRecord {
            arrived_at: arrived_at.0,
            outcome: entry.outcome as u8,
            kind: entry.kind,
            detail: &entry.detail,
            message: entry.message,
        };
        let mut key = Key::default();
        keys::decision(&mut key, offset);
        rows.put_with(Table::Decisions, &key, |bytes| record.write(bytes));
        let kind = if entry.kind.is_empty() {
            UNKNOWN_KIND
        } else {
            entry.kind
        };
        let member = format!("{kind} {}", entry.outcome.as_str());
        let count = self.counts.entry(member.clone()).or_default();
        *count += 1;
        reads::put_meta_count(rows, totals::DECISION_COUNTS, &member, *count);
    }

    /// A record that the store has read: only the very last one is ever asked for again.
    fn recognise(&self, record: &RawRecord<'_>) -> Result<(), LedgerError> {
        let offset = record.position.offset;
        let known = self.row.and_then(|row| row.last);
        match known {
            Some(last) if last.offset == offset && last.fingerprint == fingerprint_of(record) => Ok(()),
            Some(last) if last.offset == offset => {
                Err(self.replaced(format!("the record at offset {offset} is another one")))
            }
            _ => Err(self.replaced(format!("it gave a record at offset {offset}"))),
        }
    }

    fn replaced(&self, found: String) -> LedgerError {
        LedgerError::Replaced {
            topic: self.topic.clone(),
            found,
            next: self.next(),
        }
    }
}

/// Whether a record is of the partition that counts.
pub(super) fn counts(position: Position) -> bool {
    position.partition == OPS_PARTITION
}
