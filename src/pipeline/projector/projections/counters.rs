//! Adds the changed sums of a window to the stored ones, with the latest values kept in memory. Which sums
//! there are is not decided here, but in the file of each projection.

use super::changes::{Changes, Target, TypeNames};
use super::{Cell, Cells, PROJECTIONS, Total};
use crate::domain::Millis;
use crate::store::records::CountRecord;
use crate::store::{Batch, StoreError, StoreRead};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Beyond so many remembered names of types, by whose numbers sums are remembered, all are forgotten.
const REMEMBERED_TYPES: usize = if cfg!(test) { 4 } else { 20_000 };

/// The stored sums of one generation, as far as they were touched lately.
#[derive(Debug)]
pub(in crate::pipeline::projector) struct Counters {
    pub(super) target: Target,
    pub(super) types: TypeNames,
    pub(super) cells: HashMap<Cell, CountRecord, FixedState>,
    pub(super) census: Cells,
    pub(super) totals: HashMap<Total, i64, FixedState>,
    pub(super) last_failed_at: Option<Option<Millis>>,
}

impl Counters {
    pub(in crate::pipeline::projector) fn new(target: Target) -> Self {
        Self {
            target,
            types: TypeNames::default(),
            cells: HashMap::default(),
            census: Cells::default(),
            totals: HashMap::default(),
            last_failed_at: None,
        }
    }

    /// Forgets everything; for when a batch that these sums went into was not written.
    pub(in crate::pipeline::projector) fn forget(&mut self) {
        self.cells.clear();
        self.census.clear();
        self.totals.clear();
        self.last_failed_at = None;
    }

    /// Moves the changed sums of `changes` into `batch` as new values.
    pub(in crate::pipeline::projector) fn apply(
        &mut self,
        store: &dyn StoreRead,
        changes: &mut Changes,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if self.types.len() > REMEMBERED_TYPES {
            self.types = TypeNames::default();
            self.cells.clear();
            self.census.clear();
            self.totals.clear();
        }
        let kept = self.target.kept;
        let projections = PROJECTIONS.iter().filter(|projection| projection.is_kept(kept));
        let sums = projections.filter_map(|projection| projection.sums);
        sums.into_iter()
            .try_for_each(|move_sums| move_sums(self, store, changes, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SagaStatus, Step};
    use crate::pipeline::projector::projections::{REMEMBERED_TOTALS, Scope};
    use crate::store::{Durability, Generation, reads, totals};
    use crate::testkit::store;

    #[test]
    fn what_producers_invent_does_not_stay_in_memory_and_sums_go_on() {
        let (store, mut counters) = (store(), Counters::new(Target::whole(Generation::A)));
        for round in 0..3i64 {
            for number in 0..40 {
                let mut changes = Changes::new(Target::whole(Generation::A), Scope::All);
                let saga_type = changes.types.number(&format!("type-{number}").as_str().into());
                changes.add(Total::Type(saga_type), 1);
                let step = Step::new(format!("step-{number}"));
                changes.processed(SagaStatus::Failed, &step, 1);
                changes.count(saga_type, SagaStatus::Failed, (Millis(0), Millis(7)), 1);
                let mut batch = Batch::new();
                counters.apply(&*store, &mut changes, &mut batch).unwrap();
                store.write(&batch, Durability::None).unwrap();
                assert!(counters.types.len() <= REMEMBERED_TYPES + 1);
                assert!(counters.totals.len() <= REMEMBERED_TOTALS + 2);
            }
            for name in [totals::TYPES, totals::PROCESSED] {
                let mut sums = Vec::new();
                reads::totals_of(&*store, Generation::A, name, |_, sum| {
                    sums.push(sum);
                    Ok(())
                })
                .unwrap();
                assert_eq!(sums, vec![round + 1; 40], "{name}");
            }
        }
    }
}
