//! Which sagas are being brought back here: one restore of a saga at a time, because each publishes all of
//! its deliveries. What a restore does is not known here.

use crate::domain::SagaId;
use crate::server::api::admin::AdminError;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sagas. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Restoring(Arc<Mutex<BTreeSet<String>>>);

/// A saga is being brought back until this is dropped.
pub(super) struct UnderWay<'r> {
    all: &'r Restoring,
    saga: String,
}

impl Restoring {
    /// Claims a saga.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] while it is claimed.
    pub(super) fn begin(&self, saga: &SagaId) -> Result<UnderWay<'_>, AdminError> {
        let name = saga.as_str().to_owned();
        if !self.claimed().insert(name.clone()) {
            return Err(AdminError::Conflict(format!(
                "saga {saga} is being restored already; ask for it when that has ended"
            )));
        }
        Ok(UnderWay {
            all: self,
            saga: name,
        })
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.all.claimed().remove(&self.saga);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_restore_of_a_saga_at_a_time() {
        let restoring = Restoring::default();
        let clone = restoring.clone();
        let first = restoring.begin(&"s".into()).unwrap();
        assert!(matches!(clone.begin(&"s".into()), Err(AdminError::Conflict(_))));
        assert!(clone.begin(&"other".into()).is_ok());
        drop(first);
        assert!(clone.begin(&"s".into()).is_ok());
    }
}
