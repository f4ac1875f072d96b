//! How a saga at one moment differs from the same saga at another: both states, and the deliveries that stand at
//! one of them alone.

use super::QueryError;
use super::moment::{Deliveries, Standing};
use super::past_event::PastEvent;
use crate::domain::{BoundedLog, EventRef, Millis, SagaState};
use std::ops::ControlFlow;

/// So many events of each side are told; all of them are counted.
pub const MAX_ONE_SIDED: usize = if cfg!(test) { 5 } else { 100 };

/// What there is at two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The state at the first; `None` when the saga had not begun.
    pub from: Option<SagaState>,
    /// The state at the second.
    pub to: Option<SagaState>,
    /// Events that stand at the first alone, in the order of the timeline.
    pub only_from: BoundedLog<PastEvent, MAX_ONE_SIDED>,
    /// Events that stand at the second alone.
    pub only_to: BoundedLog<PastEvent, MAX_ONE_SIDED>,
}

pub(super) fn difference(
    deliveries: &mut dyn Deliveries,
    [from, to]: [Option<SagaState>; 2],
    sides: &[(Standing, Option<Millis>); 2],
) -> Result<Difference, QueryError> {
    let mut difference = Difference {
        from,
        to,
        only_from: BoundedLog::default(),
        only_to: BoundedLog::default(),
    };
    let end = latest(sides);
    deliveries.each(&mut |event, stands_today| {
        if end.is_some_and(|end| event.place.recorded_at > end) {
            return ControlFlow::Break(());
        }
        let [from, to] = [&sides[0], &sides[1]].map(|side| is_there(side, event, stands_today));
        match (from, to) {
            (true, false) => difference.only_from.push(PastEvent::plain(event)),
            (false, true) => difference.only_to.push(PastEvent::plain(event)),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(difference)
}

/// The last instant of either side; `None` when one has no end.
fn latest(sides: &[(Standing, Option<Millis>); 2]) -> Option<Millis> {
    Some(sides[0].1?.max(sides[1].1?))
}

/// Whether a delivery stands on a side.
fn is_there(
    (standing, as_of): &(Standing, Option<Millis>),
    event: &EventRef<'_>,
    stands_today: bool,
) -> bool {
    let happened = as_of.is_none_or(|as_of| event.place.recorded_at <= as_of);
    happened
        && standing
            .known(event, stands_today)
            .is_some_and(|known| known.stands)
}
