//! The flow of the newest sagas of a type: what an overview shows of a period. However many started in it, no more than
//! some are looked at, the newest ones, and from when on all were is told.

use super::flow::{Flow, Seen};
use super::observed::of_saga;
use super::past_state::Past;
use super::seek::Seek;
use super::times::Times;
use super::{Basis, Filter, QueryError, by_time};
use crate::domain::{Millis, SagaType};
use crate::store::reads;

/// So much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowBounds {
    /// Sagas.
    pub(super) sagas: usize,
    /// Their deliveries.
    pub(super) deliveries: u64,
}

/// The flow of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentFlow {
    /// Of which type.
    pub saga_type: SagaType,
    /// From when on all sagas that started are in it, by event time.
    pub from: Millis,
    /// Until when.
    pub to: Millis,
    /// Whether that is all of the period that was asked for.
    pub is_whole: bool,
    /// Which step followed which.
    pub flow: Flow,
}

/// The flow of the newest sagas of a type that started from the first instant to the second; `None` when none did, or
/// they have too many different steps for one answer.
pub(super) fn recent_flow(
    past: &Past<'_>,
    saga_type: &SagaType,
    (from, to): (Millis, Millis),
    bounds: FlowBounds,
) -> Result<Option<RecentFlow>, QueryError> {
    let trees = past.trees;
    let filter = Filter {
        saga_type: Some(saga_type.clone()),
        from: Some(from),
        to: Some(to),
        ..Filter::default()
    };
    // One more tells whether there are more.
    let rows = by_time::by_start(trees, &filter, Seek::descending(bounds.sagas + 1))?.found();
    let (mut seen, mut sagas, mut deliveries) = (Seen::default(), 0, 0);
    let mut begun = None;
    let ids: Vec<_> = rows.iter().map(|(_, id)| id.clone()).collect();
    let states = reads::instances(trees.store, trees.generation, &ids)?;
    for ((at, id), state) in rows.iter().zip(states).take(bounds.sagas) {
        let Some(state) = state else { continue };
        deliveries += u64::from(state.step_count) + u64::from(state.duplicates);
        if deliveries > bounds.deliveries {
            break;
        }
        match of_saga(trees, past.cursor, (id, &state), &mut seen) {
            Ok(()) => {}
            Err(QueryError::TooMuchFlow(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        sagas += 1;
        begun = Some(*at);
    }
    let Some(begun) = begun else { return Ok(None) };
    let is_whole = sagas == rows.len();
    let mut flow = seen.flow;
    flow.sagas = sagas as u64;
    flow.basis = Basis::of(past.cursor.clone(), past.definitions);
    flow.edges.values_mut().for_each(Times::sort);
    Ok(Some(RecentFlow {
        saga_type: saga_type.clone(),
        // Of those that started at the same instant some may be missing.
        from: if is_whole {
            from
        } else {
            Millis(begun.0.saturating_add(1)).min(to)
        },
        to,
        is_whole,
        flow,
    }))
}
