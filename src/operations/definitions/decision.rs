//! What deciding on a version of the definitions does.

use super::body::{DefinitionsBody, KIND};
use super::versions::{self, Configured};
use crate::domain::SharedDefinitions;
use crate::operations::decisions::{Applier, Decided, Verdict};
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::{Batch, SharedStore, StoreError, StoreRead};

/// Enters a version, and has what shares the definitions use it.
struct DefinitionsApplier {
    store: SharedStore,
    configured: Configured,
    shared: SharedDefinitions,
}

/// What decisions on definitions do. `shared` follows what is in force in the store.
pub fn applier(store: &SharedStore, configured: &Configured, shared: &SharedDefinitions) -> Box<dyn Applier> {
    Box::new(DefinitionsApplier {
        store: store.clone(),
        configured: configured.clone(),
        shared: shared.clone(),
    })
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
        let body: DefinitionsBody = match decided.body() {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(format!("its body is not of its kind: {why}"))),
        };
        let before = versions::last(store)?;
        if body.version != before + 1 {
            return Ok(Verdict::Refused(not_the_next(store, body.version, before)?));
        }
        let definitions = match body.checked() {
            Ok(definitions) => definitions,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        versions::put(rows, body.version, decided.offset);
        Ok(Verdict::Applied(format!(
            "version {} of the definitions is in force: {} saga types, hash {}",
            body.version,
            definitions.types.len(),
            body.hash
        )))
    }

    fn written(&self) {
        match versions::in_force(&*self.store, &self.configured) {
            Ok(definitions) => self.shared.replace(definitions),
            Err(error) => tracing::error!(%error, "the definitions that were decided cannot be read back"),
        }
    }
}

/// Why a version cannot come behind the one that is there: mostly somebody else was first.
fn not_the_next(store: &dyn StoreRead, found: u64, before: u64) -> Result<String, StoreError> {
    let next = before + 1;
    Ok(match versions::version(store, before)? {
        Some(last) => format!(
            "it is version {found} of the definitions, and the next is {next}: version {before} was applied by {} at \
             {} ({}); look at it, then decide again",
            last.by, last.at, last.reason
        ),
        None => format!("it is version {found} of the definitions, and the next is {next}"),
    })
}
