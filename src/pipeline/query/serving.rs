//! The definitions that answers are given under: those that what serves is folded under.

use crate::domain::{InForce, SagaDefinitions};
use crate::store::{Generation, StoreError, StoreRead, reads};
use std::borrow::Cow;

/// The definitions that a generation is the fold under: those in force, unless it was made under other rules.
pub(super) fn serving<'d>(
    in_force: &'d InForce,
    store: &dyn StoreRead,
    generation: Generation,
) -> Result<Cow<'d, SagaDefinitions>, StoreError> {
    match reads::fold_rules(store, generation)? {
        Some(rules) if *rules != *in_force.rules => {
            let other = SagaDefinitions::of_fold_rules(&rules)
                .map_err(|error| StoreError::Corrupt(format!("meta: {error}")))?;
            Ok(Cow::Owned(other.with_rest_of(&in_force.definitions)))
        }
        _ => Ok(Cow::Borrowed(&in_force.definitions)),
    }
}
