//! One moment at which the projections are the fold of all that the log holds, of a tracker that goes on
//! consuming. What is read at that moment is not decided here.

use super::{Projector, ProjectorGone, ProjectorHandle, ProjectorSettings, catch_up};
use crate::store::{SharedStore, StoreError, StoreRead, purged, reads};
use crate::wait;
use crossbeam_channel::bounded;
use std::sync::MutexGuard;
use std::time::Duration;

/// How long to wait for the end of a decision.
const TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

/// How long to wait before looking again whether a decision that a crash left half done is done.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Why there was no such moment.
#[derive(Debug, thiserror::Error)]
pub enum AtRestError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A decision is being done, for long.
    #[error("a purge or restore is being done and takes long; try again when it is over")]
    Busy,
    /// The projector has stopped.
    #[error(transparent)]
    Gone(#[from] ProjectorGone),
}

impl ProjectorHandle {
    /// Calls `look` with a view of one moment at which the projections' cursor covers everything that the
    /// log holds of the topic.
    ///
    /// The projector is held meanwhile, until the view is taken. It folds what the log holds from the
    /// feed and takes no deliveries, so consumption stops by itself after a few more of them: their
    /// channel is full. Nor is the moment one in the middle of a decision that is done in several writes. `look`
    /// itself holds nobody.
    ///
    /// # Errors
    /// [`AtRestError`].
    pub fn at_rest<T>(
        &self,
        store: &SharedStore,
        topic: &str,
        settings: &ProjectorSettings,
        look: impl FnOnce(&dyn StoreRead) -> T,
    ) -> Result<T, AtRestError> {
        let between_decisions = self.between_decisions(store)?;
        let (tell, folded) = bounded(1);
        let (again, asked) = bounded(1);
        let work = {
            let (topic, settings) = (topic.to_owned(), settings.clone());
            move |projector: &mut Projector| {
                while tell.send(projector.fold_all(&topic, &settings)).is_ok() && asked.recv().is_ok() {}
            }
        };
        self.begin_between_windows(work)?;
        loop {
            folded.recv().map_err(|_| self.gone())??;
            let snapshot = store.snapshot();
            if is_at_rest(&*snapshot, topic)? {
                drop((again, between_decisions));
                return Ok(look(&*snapshot));
            }
            drop(snapshot);
            again.send(()).map_err(|_| self.gone())?;
        }
    }

    /// While the guard lives, no decision is being done, nor is one half done that a crash interrupted.
    fn between_decisions(&self, store: &SharedStore) -> Result<MutexGuard<'_, ()>, AtRestError> {
        let until = wait::now() + TIMEOUT;
        loop {
            let left = until.saturating_duration_since(wait::now());
            let guard = self.try_deciding(left).ok_or(AtRestError::Busy)?;
            if purged::begun(&**store)?.is_none() {
                return Ok(guard);
            }
            drop(guard);
            if wait::now() >= until {
                return Err(AtRestError::Busy);
            }
            wait::park(POLL_INTERVAL);
        }
    }
}

impl Projector {
    fn fold_all(&mut self, topic: &str, settings: &ProjectorSettings) -> Result<(), StoreError> {
        let store = self.store.clone();
        let end = reads::log_cut(&*store, topic)?;
        catch_up::to(self, &store, &end, settings, |_| {})
    }
}

fn is_at_rest(store: &dyn StoreRead, topic: &str) -> Result<bool, StoreError> {
    let cursor = reads::cursor(store, reads::active_generation(store)?)?;
    Ok(cursor.covers(&reads::log_cut(store, topic)?))
}
