//! What deciding on a version of the definitions does.
//!
//! Whether a version takes its number is a function of the topic alone: of its form, and of the number before it. What
//! its file says is not part of that, because trackers of different versions read files differently. One that cannot
//! read it keeps it as the others do, says so, and goes on by the last version that it could read; after an upgrade it
//! reads it at its start. A file that nobody can read takes a number, too, and changes nothing until the next one.

use super::body::{DefinitionsBody, KIND};
use super::versions::{self, VersionFile};
use crate::domain::{SagaDefinitions, SharedDefinitions, UnreadableVersion};
use crate::operations::decisions::{Applier, Decided, Verdict};
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::{Batch, StoreError, StoreRead};
use std::sync::{Arc, Mutex, PoisonError};

/// Enters a version, and has what shares the definitions use it.
struct DefinitionsApplier {
    shared: SharedDefinitions,
    /// What the version says that is being written.
    entered: Mutex<Option<ReadVersion>>,
}

/// What a version says, or why that is not known here.
type ReadVersion = Result<Arc<SagaDefinitions>, UnreadableVersion>;

/// What decisions on definitions do. `shared`, which is what is in force in the store, follows it.
pub fn applier(shared: &SharedDefinitions) -> Box<dyn Applier> {
    Box::new(DefinitionsApplier {
        shared: shared.clone(),
        entered: Mutex::default(),
    })
}

impl DefinitionsApplier {
    /// Replaces the version being written and returns the one before.
    fn replace_entered(&self, read: Option<ReadVersion>) -> Option<ReadVersion> {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *entered, read)
    }

    fn read(&self, body: &DefinitionsBody, decision: u64) -> ReadVersion {
        let unreadable = |why| UnreadableVersion {
            version: body.version,
            since: self
                .shared
                .in_force()
                .unreadable
                .map_or(decision, |unreadable| unreadable.since),
            why,
        };
        body.read().map(Arc::new).map_err(unreadable)
    }
}

impl Applier for DefinitionsApplier {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        self.replace_entered(None);
        let body: DefinitionsBody = match decided.body() {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(format!("its body is not of its kind: {why}"))),
        };
        let before = versions::last(store)?;
        if body.version != before + 1 {
            return Ok(Verdict::Refused(not_the_next(store, body.version, before)?));
        }
        if let Err(why) = body.form() {
            return Ok(Verdict::Refused(why));
        }
        versions::put(rows, body.version, decided.offset);
        self.replace_entered(Some(self.read(&body, decided.offset)));
        // The same words on every replica.
        Ok(Verdict::Applied(format!(
            "version {} of the definitions is in force: hash {}",
            body.version, body.hash
        )))
    }

    fn written(&self) {
        match self.replace_entered(None) {
            Some(Ok(definitions)) => self.shared.replace(definitions),
            Some(Err(unreadable)) => {
                tracing::error!("{unreadable}");
                self.shared.cannot_read(unreadable);
            }
            None => {}
        }
    }
}

/// Why a version cannot come behind the one that is there: mostly somebody else was first.
fn not_the_next(store: &dyn StoreRead, found: u64, before: u64) -> Result<String, StoreError> {
    let next = before + 1;
    Ok(match versions::version(store, before)? {
        Some(VersionFile { version: last, .. }) => format!(
            "it is version {found} of the definitions, and the next is {next}: version {before} was applied by {} at \
             {} ({}); look at it, then decide again",
            last.by, last.at, last.reason
        ),
        None => format!("it is version {found} of the definitions, and the next is {next}"),
    })
}
