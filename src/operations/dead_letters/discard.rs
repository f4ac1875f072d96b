//! Discarding letters: a decision on the ops topic, which every replica reads, with a reason that
//! stays. The letter and its bytes stay too.

use super::named::{self, Named, Said};
use super::{DeadLetterId, DeadLetterQuery, DeadLetterQueryError};
use crate::domain::Position;
use crate::operations::decisions::{Decided, Decisions, NewDecision, OpsError, Unsettled};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{DeadLetterState, Happened};
use serde::{Deserialize, Serialize};

/// The kind of decision.
pub(super) const KIND: &str = "discard";
/// So many letters go into one decision.
const BATCH: usize = 500;

/// So many letters can be named by one decision; who and why is kept with each.
const MAX_NAMED: usize = 1_000;

/// What the decision holds.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    letters: Vec<Named>,
}

/// What discarding a letter came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// It is discarded, by the decision at that offset of the ops topic.
    Done {
        /// The decision.
        decision: u64,
    },
    /// It would be; nothing was decided.
    WouldBe,
    /// Something else happened to it already, or it is not there.
    Skipped(String),
}

/// Who discards letters, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscardOrder {
    /// The letters.
    pub letters: Vec<Position>,
    /// Why.
    pub why: String,
    /// Who.
    pub by: String,
    /// From where.
    pub origin: String,
    /// Only tell what it would do.
    pub dry_run: bool,
}

/// Discards the open ones among the letters, and waits until that has taken effect here. Blocks.
///
/// # Errors
/// [`OpsError`]; letters whose decision was made before stay discarded, and the same call may be
/// made again.
pub fn discard(
    order: &DiscardOrder,
    dead_letter_query: &DeadLetterQuery,
    decisions: &Decisions,
) -> Result<Vec<(Position, Discarded)>, OpsError> {
    let mut results = Vec::new();
    let mut open = Vec::new();
    for letter in &order.letters {
        match dead_letter_query.look_up(*letter) {
            Ok(listed) if listed.state == DeadLetterState::Open => open.push(*letter),
            Ok(listed) => {
                let why = format!("it is {} already", listed.state.as_str());
                results.push((*letter, Discarded::Skipped(why)));
            }
            Err(DeadLetterQueryError::Unknown(DeadLetterId(_))) => {
                results.push((
                    *letter,
                    Discarded::Skipped("there is no such dead letter".to_owned()),
                ));
            }
            Err(error @ DeadLetterQueryError::Removed(..)) => {
                results.push((*letter, Discarded::Skipped(error.to_string())));
            }
            Err(DeadLetterQueryError::Store(error)) => return Err(error.into()),
        }
    }
    if order.dry_run {
        results.extend(open.into_iter().map(|letter| (letter, Discarded::WouldBe)));
        results.sort_by_key(|(letter, _)| *letter);
        return Ok(results);
    }
    let topics = dead_letter_query.topics();
    for chunk in open.chunks(BATCH) {
        let body = Body {
            letters: chunk.iter().map(|letter| Named::of(*letter, topics)).collect(),
        };
        let body = named::body(&body)?;
        let wish = NewDecision {
            kind: KIND,
            by: order.by.clone(),
            from: order.origin.clone(),
            reason: order.why.clone(),
            body,
        };
        let made = decisions.make(wish).map_err(|error| midway(&results, error))?;
        let done = Discarded::Done {
            decision: made.offset,
        };
        results.extend(chunk.iter().map(|letter| (*letter, done.clone())));
    }
    results.sort_by_key(|(letter, _)| *letter);
    Ok(results)
}

/// That nothing was changed is true only of the first decision of a call.
fn midway(results: &[(Position, Discarded)], error: OpsError) -> OpsError {
    let done = |(_, became): &&(Position, Discarded)| matches!(became, Discarded::Done { .. });
    match (results.iter().filter(done).count(), error) {
        (1.., OpsError::Unreachable(why)) => Unsettled::Midway(why).into(),
        (_, error) => error,
    }
}

/// What a decision to discard says of letters.
pub(super) fn said(decided: &Decided<'_>, topics: &DeadLetterTopics) -> Result<Said, String> {
    let body = named::read(decided, MAX_NAMED, |body: &Body| body.letters.len())?;
    let happened = body.letters.iter().filter_map(|letter| {
        let what = Happened::Discarded {
            by: decided.decision.by.clone(),
            why: decided.decision.reason.clone(),
        };
        Some((letter.position(topics)?, what))
    });
    Ok(Said {
        happened: happened.collect(),
        named: body.letters.len(),
        words: "discarded",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::decisions::Unreachable;

    #[test]
    fn that_nothing_was_changed_is_said_only_while_it_is_true() {
        let away = || OpsError::from(Unreachable::Closed("no broker".to_owned()));
        let skipped = (
            Position::new(0, 1),
            Discarded::Skipped("it is no longer open".to_owned()),
        );
        let done = (Position::new(0, 2), Discarded::Done { decision: 7 });
        let first = midway(std::slice::from_ref(&skipped), away());
        assert!(matches!(first, OpsError::Unreachable(_)), "{first}");
        let later = midway(&[skipped, done], away());
        assert!(
            matches!(&later, OpsError::Unsettled(why) if why.to_string().contains("no broker")),
            "{later}"
        );
    }
}
