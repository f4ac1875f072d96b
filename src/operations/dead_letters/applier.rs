//! What decisions about letters do: each kind says what happened to which letters, and that enters the account.

use super::named::Said;
use super::{announce, discard, remove};
use crate::domain::Position;
use crate::operations::decisions::{Applier, Decided, OPS_PARTITION, Verdict};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::dead_letters::{
    DeadLetterChanges, DeadLetterGuard, DeadLetterLock, DeadLetterMark, Happened,
};
use crate::store::{Batch, StoreError, StoreRead};
use std::collections::HashSet;

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
        store: &dyn StoreRead,
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
            by: Position::new(OPS_PARTITION, decided.offset),
            at: decided.arrived_at,
            what,
        };
        changes.add_mark(letter, mark);
    }
    changes
}
