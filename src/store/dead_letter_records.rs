//! The layout of what is kept about dead letters beside their bytes. Part of [`super::records`],
//! under the same rules.

use super::codec::Record;
use bincode::{BorrowDecode, Encode};

/// The reason of letters that may still become events: see `ingest::late_schemas`.
pub const UNKNOWN_SCHEMA: &str = "unknown_schema";

/// `letters`: what is known of a dead letter without its bytes, as far as it could be decoded.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Default)]
pub struct DeadLetterSummaryRecord<'a> {
    /// The topic that it was consumed from.
    pub topic: &'a str,
    /// Why it is one, as one of the fixed reasons.
    pub reason: &'a str,
    /// Why, in words.
    pub detail: &'a str,
    /// Arrival time.
    pub arrived_at: i64,
    /// Length of its value.
    pub bytes: u64,
    /// Stands for its value, see `dead_letter_marks::ValueHash`.
    pub value: [u8; 16],
    /// The event's id, if decoding got that far.
    pub event_id: Option<&'a str>,
    /// The saga, likewise.
    pub saga_id: Option<&'a str>,
    /// The saga's type, likewise.
    pub saga_type: Option<&'a str>,
    /// The step, likewise.
    pub step: Option<&'a str>,
    /// The status as it was written, likewise.
    pub status: Option<&'a str>,
}

impl<'a> Record<'a> for DeadLetterSummaryRecord<'a> {
    const TABLE: &'static str = "letters";
    const FORMAT: u8 = 1;
}

/// What became of a redriven letter when its event was consumed.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub enum ReturnRecord<'a> {
    /// It is in the log, under this saga and event time. Whether it stands in the timeline or is a
    /// duplicate there is the fold's to say.
    Logged {
        /// The saga.
        saga_id: &'a str,
        /// Event time, milliseconds.
        recorded_at: i64,
    },
    /// It became a dead letter again, for this reason.
    DeadLetter {
        /// One of the fixed reasons.
        reason: &'a str,
    },
}

/// `letter_marks`: something that happened to a dead letter after it was stored.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub enum DeadLetterMarkRecord<'a> {
    /// A record that names it as its origin was consumed.
    Returned {
        /// Arrival time of that record.
        at: i64,
        /// What became of it.
        became: ReturnRecord<'a>,
        /// Stands for that record's value.
        value: [u8; 16],
    },
    /// It was discarded.
    Discarded {
        /// Kafka's timestamp of the decision.
        at: i64,
        /// Who decided.
        by: &'a str,
        /// Why.
        why: &'a str,
    },
    /// It was said that it will be published again with another value.
    Announced {
        /// Kafka's timestamp of the decision.
        at: i64,
        /// Stands for that value.
        value: [u8; 16],
    },
    /// It was removed; the only mark then.
    Removed {
        /// Kafka's timestamp of the decision.
        at: i64,
        /// Whether it had come back; otherwise it was discarded.
        redriven: bool,
        /// Why it was a letter; `None` before the letter itself came.
        reason: Option<&'a str>,
        /// Stands for the letter's own value, known with its reason.
        value: [u8; 16],
    },
}

impl<'a> Record<'a> for DeadLetterMarkRecord<'a> {
    const TABLE: &'static str = "letter_marks";
    const FORMAT: u8 = 1;
}

/// Bytes that a dead letter's row has of its value, and of its key, at most; the rest stands nowhere. Far more than
/// brokers take by default: only what unpacks to much more than it was sent as is longer.
pub const MAX_KEPT_BYTES: usize = (16 << 20) + 1;

/// `redrives`: one that was asked for.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct RedriveRecord<'a> {
    /// When.
    pub asked_at: i64,
    /// By whom.
    pub by: &'a str,
    /// Why, as they said.
    pub why: Option<&'a str>,
    /// Whether nothing is to be published.
    pub dry_run: bool,
    /// Which letters, and what to change in them; JSON, see `dead_letter::redrive`.
    pub order: &'a str,
    /// Letters that were chosen.
    pub chosen: u64,
    /// When it was done; `None` while it runs.
    pub ended_at: Option<i64>,
    /// Why it ended early.
    pub failed: Option<&'a str>,
}

impl<'a> Record<'a> for RedriveRecord<'a> {
    const TABLE: &'static str = "redrives";
    const FORMAT: u8 = 1;
}

/// `redrives`: how many letters of one became what.
#[derive(Encode, BorrowDecode, Debug, Default, PartialEq, Eq, Clone, Copy)]
pub struct RedriveTallyRecord {
    /// Letters whose turn has not come, or that are being published.
    pub waiting: u64,
    /// Letters that were published.
    pub sent: u64,
    /// Letters for which nothing was to be done.
    pub skipped: u64,
    /// Letters that cannot be redriven.
    pub refused: u64,
    /// Letters of which it was told what would become.
    pub forecast: u64,
}

impl Record<'_> for RedriveTallyRecord {
    const TABLE: &'static str = "redrives";
    const FORMAT: u8 = 1;
}

/// `redrives`: one letter of a redrive.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub enum RedriveLetterRecord<'a> {
    /// Its turn has not come.
    Chosen,
    /// It is being published; after a crash nobody knows whether it was.
    Sending,
    /// It was published there.
    Sent {
        /// Partition of the tracker topic.
        partition: u32,
        /// Offset there.
        offset: u64,
    },
    /// Nothing was published, because nothing needed to be.
    Skipped {
        /// Why.
        why: &'a str,
    },
    /// It cannot be redriven.
    Refused {
        /// Why.
        why: &'a str,
    },
    /// What publishing it would do; JSON, see `dead_letter::forecast`.
    Forecast {
        /// The forecast.
        told: &'a str,
    },
}

impl<'a> Record<'a> for RedriveLetterRecord<'a> {
    const TABLE: &'static str = "redrives";
    const FORMAT: u8 = 1;
}
