//! How decisions on the ops topic name letters, and how what they say enters the account.
//!
//! A decision is input like any other: what it names is bounded, and need not exist here yet.

use crate::domain::Position;
use crate::operations::decisions::{Decided, Decisions, Failure, NewDecision, OpsError};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{
    DeadLetterChanges, DeadLetterGuard, DeadLetterLock, DeadLetterMark, EXTERNAL, Happened,
};
use crate::store::{Batch, Read, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// So many letters can be named by one decision; ours name fewer.
pub(super) const MOST_NAMED: usize = 20_000;

/// Characters that are told of what is wrong with a body.
const LONGEST_FAULT: usize = 500;

/// A letter, named so that every replica finds it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
}

impl Named {
    pub(super) fn of(letter: Position, topics: &DeadLetterTopics) -> Self {
        Self {
            topic: topics.topic_of(letter).to_owned(),
            partition: letter.partition & !EXTERNAL,
            offset: letter.offset,
        }
    }

    /// Where it lies; none for a place that no letter of ours can have.
    pub(super) fn position(&self, topics: &DeadLetterTopics) -> Option<Position> {
        if self.partition & EXTERNAL != 0 || self.offset == u64::MAX {
            return None;
        }
        if self.topic == topics.topic {
            Some(Position::new(self.partition, self.offset))
        } else if self.topic == topics.dlt_topic {
            Some(Position::new(self.partition | EXTERNAL, self.offset))
        } else {
            None
        }
    }
}

/// Adds what a decision says happened to letters.
pub(super) fn enter(
    decided: Decided<'_>,
    held: Option<&DeadLetterGuard<'_>>,
    store: &dyn Read,
    rows: &mut Batch,
    happened: impl Iterator<Item = (Position, Happened)>,
) -> Result<(), StoreError> {
    let Some(held) = held else {
        let why = format!("a {} decision is applied without the book", decided.decision.kind);
        return Err(StoreError::Corrupt(why));
    };
    let mut changes = DeadLetterChanges::default();
    let mut seen = HashSet::new();
    for (letter, what) in happened {
        // Only what a decision says of a letter first; but it may announce several values.
        let value = match what {
            Happened::Announced { value } => Some(value),
            _ => None,
        };
        if !seen.insert((letter, value)) {
            continue;
        }
        let mark = DeadLetterMark {
            by: Position::new(0, decided.offset),
            at: decided.arrived_at,
            what,
        };
        changes.add_mark(letter, mark);
    }
    DeadLetterLock::enter(held, store, rows, &changes)
}

/// Says how much of what a decision names is of our topics.
pub(super) fn told(known: usize, named: usize, what: &str) -> String {
    match named - known {
        0 => format!("{known} letters {what}"),
        strange => format!("{known} letters {what}; {strange} are of no topic of ours"),
    }
}

/// The body of a decision that names letters, `count` of them and `most` at most; otherwise why it is refused.
pub(super) fn read<'d, T: Deserialize<'d>>(
    decided: &Decided<'d>,
    limit: usize,
    count: impl FnOnce(&T) -> usize,
) -> Result<T, String> {
    let body = T::deserialize(&decided.decision.body).map_err(|error| no_letters(&error))?;
    too_many(count(&body), limit).map_or(Ok(body), Err)
}

/// Why a body that is none of its kind does not hold. What was found instead may be long.
fn no_letters(error: &serde_json::Error) -> String {
    let why: String = error.to_string().chars().take(LONGEST_FAULT).collect();
    format!("it names no letters: {why}")
}

/// Why a decision that names so many letters does not hold.
fn too_many(named: usize, limit: usize) -> Option<String> {
    (named > limit).then(|| format!("it names {named} letters; accepted: up to {limit}"))
}

/// Makes decisions about letters: on the ops topic, or in a test. Blocks.
pub trait Deciding: Send + Sync {
    /// Returns once the decision has taken effect here: its offset.
    ///
    /// # Errors
    /// [`OpsError`].
    fn decide(&self, new: NewDecision) -> Result<u64, OpsError>;
}

impl Deciding for Decisions {
    fn decide(&self, new: NewDecision) -> Result<u64, OpsError> {
        self.make(new).map(|made| made.offset)
    }
}

/// The body of a decision as JSON.
pub(super) fn body(body: &impl Serialize) -> Result<serde_json::Value, OpsError> {
    Ok(serde_json::to_value(body).map_err(Failure::Json)?)
}
