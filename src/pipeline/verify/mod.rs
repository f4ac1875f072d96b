//! Proofs about a store: that its projections are the fold of its log, that every offset is
//! accounted for once, and that two stores hold the same.
//!
//! Nothing here repairs anything. What each table is held against its entry says (`store::Proof`).

mod compare;
mod dead_letters;
mod digest;
mod ledger;
mod report;
mod sums;
#[cfg(test)]
mod tests;

pub use digest::{Digest, Digests, digest};
pub use report::{Differences, VerifyReport};

use crate::domain::{InForce, SagaDefinitions};
use crate::pipeline::projector::rebuild::{self, Progress, Rebuild, RebuildError};
use crate::pipeline::projector::{ProjectorSettings, catch_up_offline};
use crate::store::{KeptTables, SharedStore, reads};
use std::sync::Arc;

/// What to verify.
pub struct Verify {
    /// The store, open nowhere else.
    pub store: SharedStore,
    /// The tracker topic.
    pub topic: String,
    /// The definitions that are configured.
    pub definitions: Arc<SagaDefinitions>,
    /// How the projector works.
    pub settings: ProjectorSettings,
    /// Where to tell how far it has come.
    pub progress: Arc<Progress>,
}

impl Verify {
    /// Folds the log anew, beside the serving projections, and compares every row of every
    /// projection; checks the account of offsets too. What a crash left unfolded is folded first,
    /// as a start of the tracker would. All under the rules that the projections are made under, whatever
    /// is configured now; the report says whether that is something else.
    ///
    /// # Errors
    /// [`RebuildError`] when the store cannot be read; differences are no errors.
    pub fn run(&self) -> Result<VerifyReport, RebuildError> {
        let serving = reads::active_generation(&*self.store)?;
        catch_up_offline(&self.store, &self.topic, &self.definitions, &self.settings)?;
        let mut differences = Differences::default();
        ledger::check(&self.store, &self.topic, &mut differences)?;
        dead_letters::check(&self.store, &mut differences)?;
        let rebuild = Rebuild {
            store: self.store.clone(),
            topic: self.topic.clone(),
            definitions: reads::definitions_of(
                &*self.store,
                serving,
                &InForce::from(self.definitions.clone()),
            )?,
            settings: self.settings.clone(),
            progress: self.progress.clone(),
        };
        let cut = reads::log_cut(&*self.store, &self.topic)?;
        rebuild.fill_tables(serving.other(), KeptTables::of(&*self.store, serving)?, &cut)?;
        let compared = compare::generations(&self.store, serving, &mut differences);
        rebuild.drop_generation(serving.other())?;
        compared?;
        let done = self.progress.done();
        Ok(VerifyReport {
            rebuild_due: rebuild::is_due(&self.store, &self.definitions, &self.settings)?,
            sagas: done.sagas,
            events: done.events,
            differences,
        })
    }
}
