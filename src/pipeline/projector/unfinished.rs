//! What is left to be done of purges and restores, some at a time: by whoever did the first part, or, after a
//! crash, by whoever opens the projections or reads the whole log.

use super::Projector;
use super::removal::Removal;
use super::restore::{self, Rest};
use crate::store::{SharedStore, StoreError, reads};

/// Finishes what a crash left of purges and of restores.
pub(super) fn finish(store: &SharedStore) -> Result<(), StoreError> {
    let generation = reads::active_generation(&**store)?;
    while let Some(mut removal) = Removal::unfinished(&**store)? {
        while !removal.write_step(&**store, generation)? {}
    }
    restore::finish(store)
}

impl Projector {
    /// Removes some more rows of what was purged, or names more of what is back; whether there may be more.
    ///
    /// # Errors
    /// [`StoreError`]; the same call may be made again.
    pub fn remove_more(&mut self) -> Result<bool, StoreError> {
        let known = match self.removal.take() {
            Some(removal) => Some(removal),
            None => Removal::unfinished(&*self.store)?,
        };
        let Some(mut removal) = known else {
            return self.restore_more();
        };
        if !removal.write_step(&*self.store, self.generation)? {
            self.removal = Some(removal);
        }
        Ok(true)
    }

    /// Removes all that is left of what was purged.
    pub(super) fn remove_rest(&mut self) -> Result<(), StoreError> {
        while self.remove_more()? {}
        Ok(())
    }

    /// Does some more for a saga that is back; whether there may be more.
    fn restore_more(&mut self) -> Result<bool, StoreError> {
        if self.restoring.is_some() {
            return Ok(false);
        }
        let known = match self.rest.take() {
            Some(rest) => Some(rest),
            None => Rest::unfinished(&*self.store)?,
        };
        let Some(mut rest) = known else {
            return Ok(false);
        };
        if !rest.write_step(&*self.store, self.generation)? {
            self.rest = Some(rest);
        }
        Ok(true)
    }
}
