//! The events that changed what was known of the past: those that had happened by an instant and arrived after another.
//! Sagas that are purged have none. What came of them afterwards changed nothing, and what went with them is not there.

use super::past_state::Past;
use super::trees::Trees;
use super::under_way::each_under_way;
use super::{Moment, QueryError, search};
use crate::domain::{Event, InForce, Millis, Position, SagaId, TimelineKey};
use crate::store::{Store, StoreError, StoreRead, purged, reads};
use std::collections::BTreeSet;

/// Sagas that are looked up at once.
const BLOCK: usize = if cfg!(test) { 3 } else { 1_024 };

/// A delivery: when it arrived, where it stands, when it happened, and its saga.
type Delivery = (Millis, Position, Millis, SagaId);

/// What arrived between two instants of what had happened by a third one, which is no later than the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LateEvents {
    /// The first ones that arrived, in order.
    pub events: Vec<Event>,
    /// How many there are.
    pub total: u64,
}

/// The events that happened by an instant and arrived between two others: the first `limit` of them, and how many
/// there are.
pub(super) fn late_events(
    store: &dyn Store,
    in_force: &InForce,
    (happened, after, until): (Millis, Millis, Millis),
    limit: usize,
) -> Result<LateEvents, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        generation: reads::active_generation(&*snapshot)?,
        store: &*snapshot,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    let past = Past {
        trees,
        definitions: &rules,
        cursor: &cursor,
        moment: Moment {
            as_of: Some(happened),
            known_at: Some(after),
        },
    };
    let mut found = BTreeSet::new();
    each_under_way(&past, after, |delivery| {
        let is_late = delivery.arrived_at > after && delivery.arrived_at <= until;
        if is_late && delivery.recorded_at <= happened {
            found.insert((
                delivery.arrived_at,
                delivery.position,
                delivery.recorded_at,
                delivery.saga,
            ));
        }
        Ok(())
    })?;
    leave_out_purged(&*snapshot, &mut found)?;
    let total = found.len() as u64;
    let mut events = Vec::new();
    for (_, position, recorded_at, saga) in found.into_iter().take(limit) {
        let place = TimelineKey {
            recorded_at,
            position,
        };
        let row = reads::log_row(&*snapshot, &saga, place)?;
        events.push(reads::event(&saga, place, &row)?);
    }
    Ok(LateEvents { events, total })
}

/// Leaves out the deliveries of sagas that are purged: the log has those that came late, and for a while those that
/// are still to be removed.
fn leave_out_purged(store: &dyn StoreRead, found: &mut BTreeSet<Delivery>) -> Result<(), StoreError> {
    let sagas: BTreeSet<SagaId> = found.iter().map(|(.., saga)| saga.clone()).collect();
    let sagas: Vec<SagaId> = sagas.into_iter().collect();
    let mut gone = BTreeSet::new();
    for some in sagas.chunks(BLOCK) {
        let is_gone = purged::gone(store, some)?;
        gone.extend(
            some.iter()
                .zip(is_gone)
                .filter_map(|(saga, is_gone)| is_gone.then_some(saga)),
        );
    }
    found.retain(|(.., saga)| !gone.contains(saga));
    Ok(())
}
