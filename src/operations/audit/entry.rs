//! An entry: what somebody did and how it came out. How entries are added, and in what order, is the writer's.

use super::chain::{self, Hash};
use crate::domain::Millis;
use crate::domain::text::{first, hex, unhex_array};
use crate::store::records::AuditRecord;
use crate::store::{StoreError, StoreRead, reads, totals};
use serde::{Serialize, Serializer};

/// Texts of an entry are kept up to so many characters,
pub(super) const MAX_CHARS: usize = 2_000;
/// and those of a refusal, which anybody can cause, up to so many.
pub(super) const MAX_REFUSAL_CHARS: usize = 200;

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

/// The end of the chain.
pub(super) struct Head {
    pub(super) next: u64,
    pub(super) hash: Hash,
}

pub(super) fn head(store: &dyn StoreRead) -> Result<Head, StoreError> {
    let Some(text) = reads::meta(store, totals::AUDIT_HEAD)? else {
        return Ok(Head {
            next: 0,
            hash: chain::BEGINNING,
        });
    };
    let parsed = text
        .split_once(' ')
        .and_then(|(next, hash)| Some((next.parse().ok()?, unhex_array(hash)?)));
    let (next, hash) = parsed.ok_or_else(|| StoreError::Corrupt(format!("meta: audit head {text:?}")))?;
    Ok(Head { next, hash })
}

/// How many entries there are.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn count(store: &dyn StoreRead) -> Result<u64, StoreError> {
    Ok(head(store)?.next)
}

pub(super) fn entry(number: u64, record: &AuditRecord<'_>) -> Result<Entry, StoreError> {
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
        previous_hash: hex(&record.previous),
        hash: hex(&record.hash),
    })
}

pub(super) fn shortened(text: &str, outcome: Outcome) -> &str {
    let longest = match outcome {
        Outcome::Refused => MAX_REFUSAL_CHARS,
        Outcome::Begun | Outcome::Done | Outcome::Failed => MAX_CHARS,
    };
    first(text, longest)
}
