//! Folds what the log holds beyond the projections' cursor, from the feed.

use super::{Projector, ProjectorSettings, feed, unfinished};
use crate::domain::{Cut, SagaDefinitions};
use crate::store::{SharedStore, StoreError, reads};
use std::sync::Arc;

/// Bytes of memory that the events of a window take, at most, about.
pub(super) const WINDOW_BYTES: usize = 8 << 20;

/// Folds what the feed holds between the projector's cursor and `end`.
pub(super) fn to(
    projector: &mut Projector,
    store: &SharedStore,
    end: &Cut,
    settings: &ProjectorSettings,
    mut moved: impl FnMut(&Cut),
) -> Result<(), StoreError> {
    while !projector.cursor().covers(end) {
        let limit = (settings.window_events, WINDOW_BYTES);
        let (events, reached) = feed::next_events(&**store, projector.cursor(), end, limit)?;
        if reached == *projector.cursor() {
            return Err(StoreError::Corrupt(format!(
                "feed: nothing between {reached:?} and {end:?}, which the offsets name"
            )));
        }
        projector.advance(&events, &reached)?;
        moved(projector.cursor());
    }
    Ok(())
}

/// Folds what the log holds beyond the serving projections' cursor, while nothing else has the
/// store open.
///
/// # Errors
/// [`StoreError`].
pub fn catch_up_offline(
    store: &SharedStore,
    topic: &str,
    definitions: &Arc<SagaDefinitions>,
    settings: &ProjectorSettings,
) -> Result<(), StoreError> {
    unfinished::finish(store)?;
    let generation = reads::active_generation(&**store)?;
    let mut projector = Projector::open(store.clone(), generation, definitions.clone(), settings)?;
    to(
        &mut projector,
        store,
        &reads::log_cut(&**store, topic)?,
        settings,
        |_| {},
    )
}
