//! Removing letters that were settled long ago, by a decision on the ops topic: each replica does the
//! same whatever it has read of the other topics. Of a letter the mark that says so is left, and the sums.
//!
//! Which letters are due, and when that is looked for, is decided in [`super::retention`].

use super::named::{self, Deciding, Named, Said};
use crate::domain::Position;
use crate::operations::decisions::{Decided, NewDecision, OpsError};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{EXTERNAL, Happened, Removal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of decision.
pub(super) const KIND: &str = "remove-letters";
/// So many letters go into one decision.
pub(super) const BATCH: usize = 5_000;

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

/// What a decision to remove says of letters.
pub(super) fn said(decided: &Decided<'_>, topics: &DeadLetterTopics) -> Result<Said, String> {
    let body = named::read(decided, named::MAX_NAMED, Body::named)?;
    let happened = body.letters.iter().flat_map(|group| group.letters(topics));
    Ok(Said {
        happened: happened.collect(),
        named: body.named(),
        words: "removed",
    })
}
