//! How decisions on the ops topic name letters, and how what they say enters the account: each kind of
//! decision says what happened to which letters, the rest is the same for all.
//!
//! A decision is input like any other: what it names is bounded, and need not exist here yet.

use super::{announce, discard, remove};
use crate::domain::Position;
use crate::operations::decisions::{Applier, Decided, Decisions, NewDecision, OpsError, Verdict};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{
    DeadLetterChanges, DeadLetterGuard, DeadLetterLock, DeadLetterMark, EXTERNAL, Happened,
};
use crate::store::{Batch, Read, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// So many letters can be named by one decision; ours name fewer.
pub(super) const MOST_NAMED: usize = 20_000;

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

/// What a decision says.
pub(super) struct Said {
    /// What happened to which letters; only those of our topics.
    pub(super) happened: Vec<(Position, Happened)>,
    /// How many letters it names.
    pub(super) named: usize,
    /// What happened to them, in words.
    pub(super) words: &'static str,
}

/// Reads a decision; otherwise why it is refused.
type ReadSaid = fn(&Decided<'_>, &DeadLetterTopics) -> Result<Said, String>;

/// Applies decisions of one kind about letters.
struct DeadLetterApplier {
    kind: &'static str,
    read: ReadSaid,
    book: DeadLetterLock,
    topics: DeadLetterTopics,
}

/// What decisions about letters do. The account of letters is shared with ingest.
pub fn appliers(book: &DeadLetterLock, topics: &DeadLetterTopics) -> [Box<dyn Applier>; 3] {
    const KINDS: [(&str, ReadSaid); 3] = [
        (discard::KIND, discard::said),
        (announce::KIND, announce::said),
        (remove::KIND, remove::said),
    ];
    KINDS.map(|(kind, read)| -> Box<dyn Applier> {
        Box::new(DeadLetterApplier {
            kind,
            read,
            book: book.clone(),
            topics: topics.clone(),
        })
    })
}

impl Applier for DeadLetterApplier {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn hold(&self) -> Option<DeadLetterGuard<'_>> {
        Some(self.book.hold())
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        held: Option<&DeadLetterGuard<'_>>,
        store: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let said = match (self.read)(&decided, &self.topics) {
            Ok(said) => said,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let Some(held) = held else {
            let why = format!("a {} decision is applied without the book", self.kind);
            return Err(StoreError::Corrupt(why));
        };
        let (known, what) = (said.happened.len(), said.words);
        let words = match said.named - known {
            0 => format!("{known} letters {what}"),
            strange => format!("{known} letters {what}; {strange} are of no topic of ours"),
        };
        let changes = changes(&decided, said.happened);
        DeadLetterLock::enter(held, store, rows, &changes)?;
        Ok(Verdict::Applied(words))
    }
}

fn changes(decided: &Decided<'_>, happened: Vec<(Position, Happened)>) -> DeadLetterChanges {
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
    changes
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
    serde_json::to_value(body)
        .map_err(|error| OpsError::Failed(format!("the decision cannot be written as JSON: {error}")))
}
