//! Who did what to this tracker, from where, why, and how it came out. Every call and command that
//! changes something leaves an entry, whether it succeeded or not.
//!
//! Entries are only ever added. Each carries the hash of the one before it, and the store keeps the
//! number and the hash of the last, so that a changed, removed or inserted entry shows; every entry
//! also goes to the log of the process, which is a witness outside the store. The log is this
//! replica's own: what changed state came over Kafka, and is everywhere.
//!
//! What an act does, and whether it may be done, is not decided here.

mod chain;
mod page;
mod refusals;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use page::{Filter, Page, page};
pub use verify::{Verified, verify};

use crate::domain::Millis;
use crate::domain::clock::SharedClock;
use crate::store::records::AuditRecord;
use crate::store::{Read, SharedStore, StoreError, read, totals};
use chain::Hash;
use serde::{Serialize, Serializer};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use writer::{Job, Writer};

/// Texts of an entry are kept up to so many characters,
const LONGEST: usize = 2_000;
/// and those of a refusal, which anybody can cause, up to so many.
const LONGEST_OF_REFUSALS: usize = 200;

/// What somebody does, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Act {
    /// Who, as they call themselves.
    pub who: String,
    /// From where: an address, or this machine.
    pub origin: String,
    /// What, e.g. `set-status`.
    pub action: String,
    /// To what, e.g. a saga's id.
    pub target: String,
    /// Why, in their words.
    pub why: String,
}

/// How an act came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Outcome {
    /// It was started, and another entry tells how it ended. Without one it was interrupted.
    Begun = 0,
    /// It was done.
    Done = 1,
    /// It was refused: nothing was changed.
    Refused = 2,
    /// It failed; the entry's detail says what is known.
    Failed = 3,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 4] = [Self::Begun, Self::Done, Self::Refused, Self::Failed];

    /// The outcome with that number in a record.
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }

    /// The name in answers, e.g. `DONE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "BEGUN",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
            Self::Failed => "FAILED",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 0.
    pub number: u64,
    /// When it was recorded.
    #[serde(serialize_with = "instant")]
    pub at: Millis,
    /// What was done, by whom, from where and why.
    #[serde(flatten, serialize_with = "act")]
    pub act: Act,
    /// How it came out.
    pub result: Outcome,
    /// How it came out, in words.
    pub detail: String,
    /// Hash of the entry before, hexadecimal.
    pub previous_hash: String,
    /// Hash over this entry and the one before, hexadecimal.
    pub hash: String,
}

fn instant<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn act<S: Serializer>(act: &Act, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        who: &'a str,
        from: &'a str,
        action: &'a str,
        target: &'a str,
        why: &'a str,
    }
    Shown {
        who: &act.who,
        from: &act.origin,
        action: &act.action,
        target: &act.target,
        why: &act.why,
    }
    .serialize(serializer)
}

/// Records acts. Cheap to clone; all clones write one chain. One per store and process. Dropping the last
/// clone waits until all is written.
#[derive(Clone)]
pub struct Audit {
    writer: Arc<Writer>,
}

impl Audit {
    /// Records into this store.
    pub fn new(store: SharedStore, clock: SharedClock) -> Self {
        Self {
            writer: Arc::new(Writer::new(store, clock)),
        }
    }

    /// Adds an entry, which survives power loss when this returns. Of refusals without end most are only
    /// counted; then this is the number of the entry that will tell of them, or of a later one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn record(&self, act: &Act, outcome: Outcome, detail: &str) -> Result<u64, StoreError> {
        let (done, ended) = sync_channel(1);
        self.writer.write(Job {
            act: act.clone(),
            outcome,
            detail: detail.to_owned(),
            done: Box::new(move |written| {
                // Whoever asked waits below.
                let _ = done.send(written);
            }),
        });
        ended.recv().unwrap_or_else(|_| {
            let lost = "the thread that writes the audit log has ended".to_owned();
            Err(StoreError::Disk(lost))
        })
    }

    /// The same for who cannot do anything about a store that refuses: it is logged.
    pub fn note(&self, act: &Act, outcome: Outcome, detail: &str) {
        if let Err(error) = self.record(act, outcome, detail) {
            log_unwritten(act, outcome, detail, &error);
        }
    }

    /// The same of what somebody did: done, with these words about it, or failed.
    pub fn note_result<T, E: Display>(
        &self,
        act: &Act,
        result: &Result<T, E>,
        detail: impl FnOnce(&T) -> String,
    ) {
        match result {
            Ok(done) => self.note(act, Outcome::Done, &detail(done)),
            Err(error) => self.note(act, Outcome::Failed, &error.to_string()),
        }
    }

    /// The same without waiting: calls back when it is done, from another thread.
    pub fn note_then(
        &self,
        act: Act,
        outcome: Outcome,
        detail: String,
        done: impl FnOnce() + Send + 'static,
    ) {
        let (said, words) = (act.clone(), detail.clone());
        self.writer.write(Job {
            act,
            outcome,
            detail,
            done: Box::new(move |written| {
                if let Err(error) = written {
                    log_unwritten(&said, outcome, &words, &error);
                }
                done();
            }),
        });
    }

    /// The store that it records into.
    pub fn store(&self) -> &SharedStore {
        self.writer.store()
    }
}

fn log_unwritten(act: &Act, outcome: Outcome, detail: &str, error: &StoreError) {
    tracing::error!(
        %error, who = act.who, from = act.origin, action = act.action, target_of = act.target,
        why = act.why, result = outcome.as_str(), detail,
        "the audit entry could not be stored; this line is all there is of it"
    );
}

/// The end of the chain.
struct Head {
    next: u64,
    hash: Hash,
}

fn head(store: &dyn Read) -> Result<Head, StoreError> {
    let Some(text) = read::meta(store, totals::AUDIT_HEAD)? else {
        return Ok(Head {
            next: 0,
            hash: chain::BEGINNING,
        });
    };
    let parsed = text
        .split_once(' ')
        .and_then(|(next, hash)| Some((next.parse().ok()?, chain::from_hex(hash)?)));
    let (next, hash) = parsed.ok_or_else(|| StoreError::Corrupt(format!("meta: audit head {text:?}")))?;
    Ok(Head { next, hash })
}

/// How many entries there are.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn count(store: &dyn Read) -> Result<u64, StoreError> {
    Ok(head(store)?.next)
}

fn entry(number: u64, record: &AuditRecord<'_>) -> Result<Entry, StoreError> {
    let result = Outcome::from_tag(record.outcome)
        .ok_or_else(|| StoreError::Corrupt(format!("audit: outcome {}", record.outcome)))?;
    Ok(Entry {
        number,
        at: Millis(record.at),
        act: Act {
            who: record.who.to_owned(),
            origin: record.origin.to_owned(),
            action: record.action.to_owned(),
            target: record.target.to_owned(),
            why: record.why.to_owned(),
        },
        result,
        detail: record.detail.to_owned(),
        previous_hash: chain::to_hex(&record.previous),
        hash: chain::to_hex(&record.hash),
    })
}

fn shortened(text: &str, outcome: Outcome) -> &str {
    let longest = match outcome {
        Outcome::Refused => LONGEST_OF_REFUSALS,
        Outcome::Begun | Outcome::Done | Outcome::Failed => LONGEST,
    };
    text.char_indices()
        .nth(longest)
        .map_or(text, |(end, _)| &text[..end])
}
