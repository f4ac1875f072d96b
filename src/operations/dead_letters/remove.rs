//! Removing letters that were settled long ago, by a decision on the ops topic: each replica does the
//! same whatever it has read of the other topics. Of a letter the mark that says so is left, and the sums.
//!
//! Which letters are due, and when that is looked for, is decided in [`super::retention`].

use super::named::{self, Deciding, Named};
use crate::domain::Position;
use crate::operations::decisions::{Applier, Decided, NewDecision, OpsError, Verdict};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{DeadLetterGuard, DeadLetterLock, EXTERNAL, Happened, Removal};
use crate::store::{Batch, StoreError, StoreRead};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of decision.
const KIND: &str = "remove-letters";
/// So many letters go into one decision.
pub(super) const AT_ONCE: usize = 5_000;

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    letters: Vec<Group>,
}

impl Body {
    fn named(&self) -> usize {
        self.letters.iter().map(|group| group.offsets.len()).sum()
    }
}

/// Letters of one partition that are in one state.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    topic: String,
    partition: u32,
    /// Whether they came back; otherwise they were discarded.
    redriven: bool,
    offsets: Vec<u64>,
}

impl Group {
    fn letters<'g>(
        &'g self,
        topics: &'g DeadLetterTopics,
    ) -> impl Iterator<Item = (Position, Happened)> + 'g {
        self.offsets.iter().filter_map(|offset| {
            let named = Named {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: *offset,
            };
            let removal = Removal::decided(self.redriven);
            Some((named.position(topics)?, Happened::Removed(removal)))
        })
    }
}

/// Decides that these letters are no longer kept; of each whether it came back. Blocks.
///
/// # Errors
/// [`OpsError`].
pub(super) fn remove(
    letters: &[(Position, bool)],
    why: &str,
    topics: &DeadLetterTopics,
    deciding: &dyn Deciding,
) -> Result<(), OpsError> {
    let mut groups: BTreeMap<(u32, bool), Vec<u64>> = BTreeMap::new();
    for (letter, redriven) in letters {
        let group = groups.entry((letter.partition, *redriven)).or_default();
        group.push(letter.offset);
    }
    let letters = groups.into_iter().map(|((partition, redriven), offsets)| Group {
        topic: topics.topic_of(Position::new(partition, 0)).to_owned(),
        partition: partition & !EXTERNAL,
        redriven,
        offsets,
    });
    let body = Body {
        letters: letters.collect(),
    };
    deciding.decide(NewDecision {
        kind: KIND,
        by: "saga-tracker".to_owned(),
        from: "retention of dead letters".to_owned(),
        reason: why.to_owned(),
        body: named::body(&body)?,
    })?;
    Ok(())
}

/// Applies decisions to remove letters.
pub struct RemoveApplier {
    /// The account of letters, shared with ingest.
    pub book: DeadLetterLock,
    /// The topics that letters lie in.
    pub topics: DeadLetterTopics,
}

impl Applier for RemoveApplier {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn hold(&self) -> Option<DeadLetterGuard<'_>> {
        Some(self.book.hold())
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        held: Option<&DeadLetterGuard<'_>>,
        store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let body = match named::read(&decided, named::MOST_NAMED, Body::named) {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let known: Vec<_> = body
            .letters
            .iter()
            .flat_map(|group| group.letters(&self.topics))
            .collect();
        let words = named::told(known.len(), body.named(), "removed");
        named::enter(decided, held, store, rows, known.into_iter())?;
        Ok(Verdict::Applied(words))
    }
}
