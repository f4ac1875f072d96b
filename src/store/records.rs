//! The layout of every value. Fields are encoded in the order they stand here; a change of layout is
//! a new format byte, and the old one stays readable or is refused by name.
//!
//! ```text
//! value := format u8 · bincode(record)        integers as variable-length, little-endian
//! text  := length varint · UTF-8 bytes
//! ```

use super::StoreError;
use super::codec::{Record, status};
use crate::domain::{Event, EventRef, MetadataForm, Millis, SagaId, TimelineKey};
use bincode::{BorrowDecode, Encode};

pub use super::census_records::{CensusRecord, ManyChangesRecord, MoveRecord, StartedRecord};
pub use super::dead_letter_records::{
    DeadLetterMarkRecord, DeadLetterSummaryRecord, MAX_KEPT_BYTES, RedriveLetterRecord, RedriveRecord,
    RedriveTallyRecord, ReturnRecord, UNKNOWN_SCHEMA,
};
pub use super::incident_records::IncidentRecord;
pub use super::late_records::{ContradictedRecord, LateRecord, StoodInRecord};
pub use super::ledger_records::{OffsetClass, OffsetCountsRecord};
pub use super::notice_records::LateNoticeRecord;
pub use super::purged_records::{ArchivedRecord, HoldRecord, HoldScopeRecord, LiftedRecord, PurgedRecord};
pub use super::state_records::{InstanceRecord, StandingRecord};

/// `log`: an event, less what its key says (saga id, event time, position).
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    arrived_at: i64,
    event_timestamp: i64,
    event_id: &'a str,
    saga_type: &'a str,
    step: &'a str,
    status: u8,
    order_id: &'a str,
    metadata_form: u8,
    metadata: Option<&'a str>,
    producer_service: Option<&'a str>,
    trace_id: Option<&'a str>,
}

impl<'a> Record<'a> for LogRecord<'a> {
    const TABLE: &'static str = "log";
    const FORMAT: u8 = 1;
}

impl<'a> LogRecord<'a> {
    /// The record of an event.
    pub fn of(event: &'a Event) -> Self {
        Self {
            arrived_at: event.arrived_at.0,
            event_timestamp: event.event_timestamp.0,
            event_id: event.event_id.as_str(),
            saga_type: event.saga_type.as_str(),
            step: event.step.as_str(),
            status: event.status.tag(),
            order_id: event.order_id.as_str(),
            metadata_form: event.metadata_form as u8,
            metadata: event.metadata.as_deref(),
            producer_service: event.producer_service.as_deref(),
            trace_id: event.trace_id.as_deref(),
        }
    }

    /// The event's id.
    pub fn event_id(&self) -> &'a str {
        self.event_id
    }

    /// The event, borrowed, given the place that its key says.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status or form that does not exist.
    pub fn view(&self, place: TimelineKey) -> Result<EventRef<'a>, StoreError> {
        Ok(EventRef {
            place,
            arrived_at: Millis(self.arrived_at),
            event_timestamp: Millis(self.event_timestamp),
            event_id: self.event_id,
            saga_type: self.saga_type,
            step: self.step,
            status: status(self.status, Self::TABLE)?,
            order_id: self.order_id,
            metadata: self.metadata,
            metadata_form: MetadataForm::from_tag(self.metadata_form)
                .ok_or_else(|| StoreError::Corrupt(format!("log: metadata form {}", self.metadata_form)))?,
            producer_service: self.producer_service,
            trace_id: self.trace_id,
        })
    }

    /// When it arrived.
    pub fn arrived_at(&self) -> Millis {
        Millis(self.arrived_at)
    }

    /// The event, given what its key says.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status or form that does not exist.
    pub fn event(&self, saga_id: &SagaId, at: TimelineKey) -> Result<Event, StoreError> {
        Ok(self.view(at)?.to_event(saga_id))
    }
}

/// `feed`: what became of an offset. Exactly one for every offset from the start on.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub enum FeedRecord<'a> {
    /// It is in the log, under this saga and event time.
    Logged {
        /// The saga.
        saga_id: &'a str,
        /// Event time, milliseconds.
        recorded_at: i64,
    },
    /// It is a dead letter.
    DeadLetter,
    /// The broker delivered nothing from this offset up to `next`, exclusive.
    Gap {
        /// The first offset that was delivered again.
        next: u64,
    },
    /// It was in the log, and retention removed it.
    Purged {
        /// The decision that did: its offset in the ops topic.
        decision: u64,
    },
}

impl<'a> Record<'a> for FeedRecord<'a> {
    const TABLE: &'static str = "feed";
    const FORMAT: u8 = 1;
}

/// `offsets`: where consumption of a partition resumes, and how to tell the topic by its last record.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct OffsetRecord {
    /// The first offset that this store accounts for.
    pub start: u64,
    /// The next offset to consume.
    pub next: u64,
    /// Arrival time of the last record, monotone within the partition.
    pub arrived_at: i64,
    /// Offset and fingerprint of the last record consumed, if any was.
    pub last: Option<LastRecord>,
    /// What its records' timestamps said so far.
    pub told: ToldRecord,
}

/// How far the timestamps of a partition's records are believed, by the rule of `ingest::arrival`.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct ToldRecord {
    /// The newest timestamp that was believed at once; 0 before the first.
    pub believed: i64,
    /// The last records in a row that are far ahead of it, if they are.
    pub ahead: Option<AheadRecord>,
    /// What speaks for and against the first timestamp, until enough agree with it.
    pub doubt: Option<DoubtRecord>,
}

/// Records in a row whose timestamps are far ahead of what is believed.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct AheadRecord {
    /// The oldest of their timestamps.
    pub oldest: i64,
    /// How many.
    pub records: u32,
}

/// How many records agree with the first one, and how many say that it was far ahead.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct DoubtRecord {
    /// Those that lie near it.
    pub agreeing: u8,
    /// Those that lie far behind it.
    pub behind: u8,
    /// The youngest timestamp of the latter.
    pub youngest: i64,
}

/// Identifies the record that a partition was last consumed up to: when the topic holds another one
/// there, it is not the topic that this store was filled from.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct LastRecord {
    /// Its offset.
    pub offset: u64,
    /// A digest of its timestamp, key and value.
    pub fingerprint: u64,
}

impl Record<'_> for OffsetRecord {
    const TABLE: &'static str = "offsets";
    const FORMAT: u8 = 2;
}

/// `dead_letters`: a record that could not be applied.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct DeadLetterRecord<'a> {
    /// The topic that it was consumed from.
    pub topic: &'a str,
    /// Why, as one of the fixed reasons (the metric's label).
    pub reason: &'a str,
    /// Why, in words, with field and what is accepted.
    pub detail: &'a str,
    /// Kafka's timestamp, made monotone per partition.
    pub arrived_at: i64,
    /// Kafka's timestamp as it came; `None` when the record had none.
    pub timestamp: Option<i64>,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The record's headers in order.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

impl<'a> Record<'a> for DeadLetterRecord<'a> {
    const TABLE: &'static str = "dead_letters";
    const FORMAT: u8 = 1;
}

/// `gaps`: offsets that the broker did not deliver.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct GapRecord {
    /// The first offset that was delivered again.
    pub next: u64,
    /// What kind of gap: see [`GapKind::from_tag`].
    pub kind: u8,
    /// The first offset that the broker still held when the gap was found.
    pub broker_low: u64,
    /// When the record behind it arrived.
    pub arrived_at: i64,
}

impl Record<'_> for GapRecord {
    const TABLE: &'static str = "gaps";
    const FORMAT: u8 = 2;
}

impl GapRecord {
    /// What its offsets came to.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a kind that does not exist.
    pub fn class(&self) -> Result<OffsetClass, StoreError> {
        Ok(self.known_kind()?.class())
    }

    /// Its kind.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for one that does not exist.
    pub fn known_kind(&self) -> Result<GapKind, StoreError> {
        GapKind::from_tag(self.kind).ok_or_else(|| StoreError::Corrupt(format!("gaps: kind {}", self.kind)))
    }
}

/// Why offsets were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GapKind {
    /// The topic's retention removed them before they were consumed: events are lost to this store.
    Expired = 0,
    /// The broker holds older and newer records but delivered none of these, and nobody says why: damage, or a
    /// batch that cannot be unpacked.
    Undelivered = 1,
    /// The same, as few as the markers at the end of transactions are.
    TransactionMarker = 2,
    /// The same, of a topic that is compacted.
    Compaction = 3,
}

impl GapKind {
    /// The kind with that number in a record.
    pub fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Expired),
            1 => Some(Self::Undelivered),
            2 => Some(Self::TransactionMarker),
            3 => Some(Self::Compaction),
            _ => None,
        }
    }

    /// The label in metrics, which only tell apart what is lost.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Undelivered | Self::TransactionMarker | Self::Compaction => "undelivered",
        }
    }

    /// What its offsets came to.
    pub const fn class(self) -> OffsetClass {
        match self {
            Self::Expired => OffsetClass::Expired,
            Self::Undelivered => OffsetClass::Unexplained,
            Self::TransactionMarker => OffsetClass::TransactionMarker,
            Self::Compaction => OffsetClass::Compaction,
        }
    }
}

/// `decisions`: a message of the ops topic, and what became of it.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct DecisionRecord<'a> {
    /// Kafka's timestamp, made monotone.
    pub arrived_at: i64,
    /// What it is: see [`DecisionOutcome::from_tag`].
    pub outcome: u8,
    /// The kind that the message names; empty when it names none.
    pub kind: &'a str,
    /// What became of it, in words.
    pub detail: &'a str,
    /// The message as it came.
    pub message: &'a [u8],
}

impl<'a> Record<'a> for DecisionRecord<'a> {
    const TABLE: &'static str = "decisions";
    const FORMAT: u8 = 1;
}

/// What became of a message of the ops topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DecisionOutcome {
    /// It took effect, or its effect is under way.
    Applied = 0,
    /// It was understood, and does not hold.
    Refused = 1,
    /// It is of a kind or version that this tracker does not know.
    Unknown = 2,
    /// It is no decision.
    Malformed = 3,
    /// No message: the broker did not deliver what was here.
    Gap = 4,
    /// A decision of that id was read before; this one counts for nothing.
    Duplicate = 5,
}

impl DecisionOutcome {
    /// The outcome with that number in a record.
    pub fn from_tag(tag: u8) -> Option<Self> {
        [
            Self::Applied,
            Self::Refused,
            Self::Unknown,
            Self::Malformed,
            Self::Gap,
            Self::Duplicate,
        ]
        .get(usize::from(tag))
        .copied()
    }

    /// The label in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
        }
    }
}

/// `audit`: one act. Its number is its key.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct AuditRecord<'a> {
    /// When it was recorded, by our clock.
    pub at: i64,
    /// Who.
    pub who: &'a str,
    /// From where.
    pub origin: &'a str,
    /// What was done.
    pub action: &'a str,
    /// To what.
    pub target: &'a str,
    /// Why, in the words of whoever did it.
    pub why: &'a str,
    /// How it came out, as a number.
    pub outcome: u8,
    /// How it came out, in words.
    pub detail: &'a str,
    /// The hash of the entry before.
    pub previous: [u8; 32],
    /// The hash over the entry and `previous`.
    pub hash: [u8; 32],
}

impl<'a> Record<'a> for AuditRecord<'a> {
    const TABLE: &'static str = "audit";
    const FORMAT: u8 = 1;
}

/// `counts`: how many sagas a cell holds, and in the started tree how long they took together.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct CountRecord {
    /// Sagas in the cell.
    pub sagas: i64,
    /// Sum of their durations (last event minus first), milliseconds. 0 in the updated tree.
    pub duration_millis: i64,
}

impl Record<'_> for CountRecord {
    const TABLE: &'static str = "counts";
    const FORMAT: u8 = 1;
}

/// `totals`: one sum.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct TotalRecord {
    /// The sum.
    pub value: i64,
}

impl Record<'_> for TotalRecord {
    const TABLE: &'static str = "totals";
    const FORMAT: u8 = 1;
}

/// `meta`: a setting of the store itself.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct MetaRecord<'a> {
    /// The setting, as text.
    pub value: &'a str,
}

impl<'a> Record<'a> for MetaRecord<'a> {
    const TABLE: &'static str = "meta";
    const FORMAT: u8 = 1;
}

/// `by_order`, `by_trace`, duplicates in `timelines`: rows whose key says all.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct PresenceRecord;

impl Record<'_> for PresenceRecord {
    const TABLE: &'static str = "index";
    const FORMAT: u8 = 1;
}

/// `by_updated`: when the saga started, so that a range of starts needs no second read.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct UpdatedRecord {
    /// First event's time, milliseconds.
    pub started_at: i64,
}

impl UpdatedRecord {
    /// First event's time.
    pub fn started(&self) -> Millis {
        Millis(self.started_at)
    }
}

impl Record<'_> for UpdatedRecord {
    const TABLE: &'static str = "by_updated";
    const FORMAT: u8 = 1;
}

#[cfg(test)]
mod tests;
