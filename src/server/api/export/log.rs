//! The events of many sagas, one saga after the other: each timeline as the fold sees it, duplicates left out.

use super::super::context::timed;
use super::super::error::ApiError;
use super::reads::{Reads, Selection};
use crate::domain::{Millis, SagaId};
use crate::pipeline::query::{Moment, SagaView, TimelineStep};
use crate::server::metrics::Asked;
use std::ops::ControlFlow;

/// What is told of the events. Whatever breaks ends the walk.
pub(super) trait Visit {
    /// The next event of a saga.
    fn event(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()>;

    /// That was the last one of the saga; it may have had none.
    fn saga_ends(&mut self, saga: &SagaId) -> Result<ControlFlow<()>, ApiError>;

    /// What follows is reached by this cursor.
    fn part_ends(&mut self, _cursor: Option<&str>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The place of a saga in the order of a walk: by its first event.
pub(super) type Place = (Millis, SagaId);

/// How a walk ended.
pub(super) struct Walked {
    /// Whether nobody wants any more.
    pub(super) broken: bool,
    /// The last saga that was visited.
    pub(super) last: Option<Place>,
}

/// Visits the events of the selected sagas, which are sorted by their first events, up to the last one (none: all).
pub(super) fn each_event(
    reads: &Reads,
    selection: &Selection,
    end: Option<&Place>,
    visit: &mut dyn Visit,
) -> Result<Walked, ApiError> {
    let moment = selection.request.filter.moment;
    let (mut last, mut all) = (None, false);
    let flow = reads.each_part(selection, &mut |page| {
        for saga in page.sagas {
            let place = place(&saga);
            all = end.is_some_and(|end| place > *end);
            if all || of_saga(reads, &saga.saga_id, moment, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            last = Some(place);
        }
        Ok(visit.part_ends(page.next_cursor.as_deref()))
    })?;
    Ok(Walked {
        broken: flow.is_break() && !all,
        last,
    })
}

fn place(saga: &SagaView) -> Place {
    (saga.state.started_at, saga.saga_id.clone())
}

/// A saga that was purged since it was found has no events.
fn of_saga(
    reads: &Reads,
    saga: &SagaId,
    moment: Moment,
    visit: &mut dyn Visit,
) -> Result<ControlFlow<()>, ApiError> {
    let mut flow = ControlFlow::Continue(());
    timed(reads.context.metrics(), Asked::Timeline, || {
        reads.query.timeline(saga, |timeline| {
            timeline.steps(moment, None, &mut |step| {
                flow = visit.event(saga, step);
                flow
            })
        })
    })?;
    if flow.is_break() {
        return Ok(flow);
    }
    visit.saga_ends(saga)
}
