//! Announcing that letters will be published again with other values than their own.
//!
//! A redriven record names its letter in headers that anybody can write. That its value is the letter's
//! own is evidence enough; of one that was changed nobody could tell. So a redrive that changes letters
//! first says on the ops topic, which every replica reads, what each will come back as. Which marks
//! count for that is decided in `store::letter_marks`.

use super::named::{self, Deciding, Named};
use crate::domain::Position;
use crate::operations::decisions::{Applier, Decided, NewDecision, OpsError, Verdict};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{DeadLetterGuard, DeadLetterLock, Happened, ValueHash};
use crate::store::{Batch, StoreError, StoreRead};
use serde::{Deserialize, Serialize};

/// The kind of decision.
const KIND: &str = "redrive";

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    letters: Vec<Announced>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Announced {
    #[serde(flatten)]
    letter: Named,
    /// Stands for the value to come, hexadecimal.
    value: String,
}

/// Who redrives letters with changes, and why.
pub(super) struct Announcement<'a> {
    pub(super) by: &'a str,
    pub(super) origin: &'a str,
    pub(super) why: &'a str,
    pub(super) letters: &'a [(Position, ValueHash)],
}

/// Announces letters, and returns once that is read here. Blocks.
///
/// # Errors
/// [`OpsError`].
pub(super) fn announce(
    announcement: &Announcement<'_>,
    topics: &DeadLetterTopics,
    deciding: &dyn Deciding,
) -> Result<(), OpsError> {
    let letters = announcement.letters.iter().map(|(letter, value)| Announced {
        letter: Named::of(*letter, topics),
        value: value.to_string(),
    });
    let body = Body {
        letters: letters.collect(),
    };
    deciding.decide(NewDecision {
        kind: KIND,
        by: announcement.by.to_owned(),
        from: announcement.origin.to_owned(),
        reason: announcement.why.to_owned(),
        body: named::body(&body)?,
    })?;
    Ok(())
}

/// Applies announcements.
pub struct AnnounceApplier {
    /// The account of letters, shared with ingest.
    pub book: DeadLetterLock,
    /// The topics that letters lie in.
    pub topics: DeadLetterTopics,
}

impl Applier for AnnounceApplier {
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
        let body = match named::read(&decided, named::MOST_NAMED, |body: &Body| body.letters.len()) {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let known: Vec<(Position, Happened)> = body
            .letters
            .iter()
            .filter_map(|announced| {
                let value = ValueHash::from_hex(&announced.value)?;
                let letter = announced.letter.position(&self.topics)?;
                Some((letter, Happened::Announced { value }))
            })
            .collect();
        let words = named::told(known.len(), body.letters.len(), "to come back changed");
        named::enter(decided, held, store, rows, known.into_iter())?;
        Ok(Verdict::Applied(words))
    }
}
