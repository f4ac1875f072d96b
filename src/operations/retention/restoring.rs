//! Which sagas are being restored here: one restore of a saga at a time, because each publishes all of
//! its deliveries. What a restore does is not known here.

use super::RetentionError;
use crate::domain::SagaId;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sagas.
#[derive(Default)]
pub(super) struct Restoring(Mutex<BTreeSet<SagaId>>);

/// A saga is being restored until this is dropped.
pub(super) struct UnderWay<'r> {
    all: &'r Restoring,
    saga: SagaId,
}

impl Restoring {
    /// Claims a saga.
    ///
    /// # Errors
    /// [`RetentionError::Restoring`] while it is claimed.
    pub(super) fn begin(&self, saga: &SagaId) -> Result<UnderWay<'_>, RetentionError> {
        let saga = saga.clone();
        if !self.claimed().insert(saga.clone()) {
            return Err(RetentionError::Restoring(saga));
        }
        Ok(UnderWay { all: self, saga })
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<SagaId>> {
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
        let first = restoring.begin(&"s".into()).unwrap();
        assert!(matches!(
            restoring.begin(&"s".into()),
            Err(RetentionError::Restoring(_))
        ));
        assert!(restoring.begin(&"other".into()).is_ok());
        drop(first);
        assert!(restoring.begin(&"s".into()).is_ok());
    }
}
