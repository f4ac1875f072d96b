//! How decisions on the ops topic name letters, and how they are read and made.
//!
//! A decision is input like any other: what it names is bounded, and need not exist here yet.

use crate::domain::Position;
use crate::operations::decisions::{Decided, Decisions, Failure, NewDecision, OpsError};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{EXTERNAL, Happened};
use serde::{Deserialize, Serialize};

/// So many letters can be named by one decision; ours name fewer.
pub(super) const MAX_NAMED: usize = 20_000;

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

    /// Where it lies; `None` for a place that no letter of ours can have.
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

/// What a decision says.
pub(super) struct Said {
    /// What happened to which letters; only those of our topics.
    pub(super) happened: Vec<(Position, Happened)>,
    /// How many letters it names.
    pub(super) named: usize,
    /// What happened to them, in words.
    pub(super) words: &'static str,
}

/// The body of a decision that names letters, `count` of them and `limit` at most; otherwise why it is refused.
pub(super) fn read<'d, T: Deserialize<'d>>(
    decided: &Decided<'d>,
    limit: usize,
    count: impl FnOnce(&T) -> usize,
) -> Result<T, String> {
    let body: T = decided
        .body()
        .map_err(|why| format!("it names no letters: {why}"))?;
    let named = count(&body);
    if named > limit {
        return Err(format!("it names {named} letters; accepted: up to {limit}"));
    }
    Ok(body)
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
