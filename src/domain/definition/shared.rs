//! The definitions in force, as the parts of a tracker share them. Which those are is not decided here.

use super::SagaDefinitions;
use std::sync::{Arc, PoisonError, RwLock};

/// The definitions in force: one handle for all who fold, judge and ask, whose content is replaced as a whole.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedDefinitions(Arc<RwLock<InForce>>);

/// Definitions, with their [rules of the fold](SagaDefinitions::fold_rules), which are asked for at every saga.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The definitions.
    pub definitions: Arc<SagaDefinitions>,
    /// Their rules of the fold.
    pub rules: Arc<str>,
}

impl SharedDefinitions {
    /// Those that are in force now, with their rules.
    pub fn in_force(&self) -> InForce {
        // It is only ever replaced as a whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that are in force now.
    pub fn get(&self) -> Arc<SagaDefinitions> {
        self.in_force().definitions
    }

    /// From now on these are in force, for whoever has the handle.
    pub fn replace(&self, definitions: Arc<SagaDefinitions>) {
        let new = InForce::from(definitions);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

impl From<Arc<SagaDefinitions>> for InForce {
    fn from(definitions: Arc<SagaDefinitions>) -> Self {
        let rules = definitions.fold_rules().into();
        Self { definitions, rules }
    }
}

impl From<Arc<SagaDefinitions>> for SharedDefinitions {
    fn from(definitions: Arc<SagaDefinitions>) -> Self {
        Self(Arc::new(RwLock::new(definitions.into())))
    }
}

impl Default for SharedDefinitions {
    /// The built-in ones.
    fn default() -> Self {
        Arc::<SagaDefinitions>::default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaDefinition;

    #[test]
    fn what_is_replaced_is_replaced_for_all_who_share_it() {
        let shared = SharedDefinitions::default();
        let other = shared.clone();
        let before = other.get();
        let mut new = SagaDefinitions::default();
        new.types
            .insert("REFUND".to_owned(), SagaDefinition::completed_by(&["REFUNDED"]));
        shared.replace(Arc::new(new.clone()));
        assert_eq!(*other.get(), new);
        assert_eq!(*other.in_force().rules, *new.fold_rules());
        assert_eq!(*before, SagaDefinitions::default());
    }
}
