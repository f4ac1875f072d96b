//! The definitions in force, as the parts of a tracker share them. Which those are is not decided here.

use super::{DefinitionError, SagaDefinitions};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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
    /// The version that was applied after them, where this process cannot read it.
    pub unreadable: Option<UnreadableVersion>,
    before: Before,
}

/// A version of the definitions that this process cannot read, as one of an older version cannot read what was added
/// since. It goes on by the last that it can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableVersion {
    /// Its number.
    pub version: u64,
    /// The decision from which on no version could be read.
    pub since: u64,
    /// Why, in words.
    pub why: String,
}

impl fmt::Display for UnreadableVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version {} of the saga definitions was applied and cannot be read here: {}; this tracker goes on by the \
             last version that it can read, and purges nothing meanwhile; upgrade it to the version that the others \
             run, before other definitions are applied",
            self.version, self.why
        )
    }
}

/// The rules from before, with what they say: read once, however many ask while projections are made anew.
#[derive(Clone, Debug, Default)]
struct Before(Arc<Mutex<Option<Known>>>);

/// Rules as they are recorded, and the definitions that are under them.
type Known = (String, Arc<SagaDefinitions>);

impl InForce {
    /// The same, after which a version was applied that cannot be read here.
    #[must_use]
    pub fn with_unreadable(self, unreadable: Option<UnreadableVersion>) -> Self {
        Self { unreadable, ..self }
    }

    /// These definitions, with other rules of the fold: those that what serves was made under. What is no rule of
    /// the fold stays as it is in force.
    ///
    /// # Errors
    /// When the text is no such rules.
    pub fn under(&self, rules: &str) -> Result<Arc<SagaDefinitions>, DefinitionError> {
        if rules == &*self.rules {
            return Ok(self.definitions.clone());
        }
        // What is in it is whole, whoever panicked meanwhile. Who comes while it is read waits for it.
        let mut known = self.before.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, definitions)) = known.as_ref().filter(|(text, _)| text == rules) {
            return Ok(definitions.clone());
        }
        let read = SagaDefinitions::of_fold_rules(rules)?.with_rest_of(&self.definitions);
        let read = Arc::new(read);
        *known = Some((rules.to_owned(), read.clone()));
        Ok(read)
    }
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

    /// What is in force stays so here, because what was applied behind it cannot be read.
    pub fn cannot_read(&self, unreadable: UnreadableVersion) {
        let mut in_force = self.0.write().unwrap_or_else(PoisonError::into_inner);
        in_force.unreadable = Some(unreadable);
    }
}

impl From<Arc<SagaDefinitions>> for InForce {
    fn from(definitions: Arc<SagaDefinitions>) -> Self {
        let rules = definitions.fold_rules().into();
        Self {
            definitions,
            rules,
            unreadable: None,
            before: Before::default(),
        }
    }
}

impl From<InForce> for SharedDefinitions {
    fn from(in_force: InForce) -> Self {
        Self(Arc::new(RwLock::new(in_force)))
    }
}

impl From<Arc<SagaDefinitions>> for SharedDefinitions {
    fn from(definitions: Arc<SagaDefinitions>) -> Self {
        InForce::from(definitions).into()
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

    #[test]
    fn rules_from_before_are_read_once_for_all_who_share_it() {
        let mut old = SagaDefinitions::default();
        old.types
            .insert("REFUND".to_owned(), SagaDefinition::completed_by(&["REFUNDED"]));
        let shared = SharedDefinitions::default();
        let [one, other] = [shared.in_force(), shared.in_force()];
        let first = one.under(&old.fold_rules()).unwrap();
        assert_eq!(first.fold_rules(), old.fold_rules());
        assert!(Arc::ptr_eq(&first, &other.under(&old.fold_rules()).unwrap()));
        assert!(Arc::ptr_eq(&one.definitions, &one.under(&one.rules).unwrap()));
        // What is no rule of the fold is as it is in force: others in force, others told.
        let mut patient = SagaDefinitions::default();
        patient.types.get_mut("ORDER_CREATION").unwrap().deadline_seconds += 1;
        patient
            .types
            .insert("OTHER".to_owned(), SagaDefinition::completed_by(&["DONE"]));
        shared.replace(Arc::new(patient));
        let later = shared.in_force().under(&old.fold_rules()).unwrap();
        let deadline = |of: &SagaDefinitions| of.types["ORDER_CREATION"].deadline_seconds;
        assert_eq!(deadline(&later), deadline(&first) + 1);
        assert!(one.under("no rules").is_err());
    }
}
