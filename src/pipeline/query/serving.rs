//! The definitions that answers are given under: those that what serves is folded under.

use crate::domain::{InForce, SagaDefinitions};
use crate::store::{Generation, StoreError, StoreRead, reads};
use std::sync::Arc;

/// The definitions that a generation is the fold under: those in force, unless it was made under other rules. These are
/// read once, not for each question.
pub(super) fn serving(
    in_force: &InForce,
    store: &dyn StoreRead,
    generation: Generation,
) -> Result<Arc<SagaDefinitions>, StoreError> {
    match reads::fold_rules(store, generation)? {
        Some(rules) => in_force
            .under(&rules)
            .map_err(|error| StoreError::Corrupt(format!("meta: {error}"))),
        None => Ok(in_force.definitions.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, Durability};
    use crate::testkit;

    #[test]
    fn the_rules_from_before_are_not_read_for_each_question() {
        let store = testkit::store();
        let generation = reads::active_generation(&*store).unwrap();
        let ours = InForce::from(Arc::<SagaDefinitions>::default());
        let other =
            SagaDefinitions::from_toml("[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n").unwrap();
        let mut batch = Batch::new();
        reads::put_fold_rules(&mut batch, generation, &other.fold_rules());
        store.write(&batch, Durability::Process).unwrap();
        let [first, second] = [(); 2].map(|()| serving(&ours, &*store, generation).unwrap());
        assert_eq!(first.fold_rules(), other.fold_rules());
        assert!(Arc::ptr_eq(&first, &second));
    }
}
