//! The events that changed what was known of the past: those that had happened by an instant and arrived after another.

use super::past_state::Past;
use super::trees::Trees;
use super::under_way::each_under_way;
use super::{Moment, QueryError, search};
use crate::domain::{Event, InForce, Millis, TimelineKey};
use crate::store::{Store, reads};
use std::collections::BTreeSet;

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
