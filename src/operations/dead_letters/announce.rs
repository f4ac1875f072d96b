//! Announcing that letters will be published again with other values than their own.
//!
//! A redriven record names its letter in headers that anybody can write. That its value is the letter's
//! own is evidence enough; of one that was changed nobody could tell. So a redrive that changes letters
//! first says on the ops topic, which every replica reads, what each will come back as. Which marks
//! count for that is decided in `store::dead_letter_marks`.

use super::named::{self, Deciding, Named, Said};
use crate::domain::Position;
use crate::operations::decisions::{Decided, NewDecision, OpsError};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{Happened, ValueHash};
use serde::{Deserialize, Serialize};

/// The kind of decision.
pub(super) const KIND: &str = "redrive";

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

/// What an announcement says of letters.
pub(super) fn said(decided: &Decided<'_>, topics: &DeadLetterTopics) -> Result<Said, String> {
    let body = named::read(decided, named::MAX_NAMED, |body: &Body| body.letters.len())?;
    let happened = body.letters.iter().filter_map(|announced| {
        let value = ValueHash::from_hex(&announced.value)?;
        let letter = announced.letter.position(topics)?;
        Some((letter, Happened::Announced { value }))
    });
    Ok(Said {
        happened: happened.collect(),
        named: body.letters.len(),
        words: "to come back changed",
    })
}
