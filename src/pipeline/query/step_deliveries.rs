//! Steps with what their deliveries tell: how often each came, and how late.

use super::QueryError;
use super::history::first_behind;
use super::moment::{Deliveries, Standing};
use super::steps::{Steps, TimelineStep};
use crate::domain::{Millis, SagaDefinitions, TimelineKey};
use std::ops::ControlFlow;

/// What the deliveries of an event tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepDeliveries {
    /// How many there are.
    pub count: u32,
    /// Whether they had different bodies.
    pub conflicting: bool,
    /// How many milliseconds after the first of the events behind it in the timeline it arrived, when it did.
    pub late_millis: Option<u64>,
}

/// Visits the steps behind `after`; whether the saga had begun.
pub(super) fn steps(
    deliveries: &mut dyn Deliveries,
    standing: &Standing,
    definitions: &SagaDefinitions,
    (as_of, after): (Option<Millis>, Option<TimelineKey>),
    visit: &mut dyn FnMut(&TimelineStep<'_>, &StepDeliveries) -> ControlFlow<()>,
) -> Result<bool, QueryError> {
    let mut first_behind = first_behind(deliveries, standing, as_of)?.into_iter();
    let (mut steps, mut begun) = (Steps::new(definitions), false);
    standing.each(deliveries, as_of, &mut |known| {
        if !known.stands {
            return ControlFlow::Continue(());
        }
        begun = true;
        let late = first_behind
            .next()
            .map(|first| known.event.arrived_at.since(first));
        let step = steps.next(known.event);
        if Some(known.event.place) <= after {
            return ControlFlow::Continue(());
        }
        let told = StepDeliveries {
            count: known.deliveries,
            conflicting: known.conflicting,
            late_millis: late.filter(|millis| *millis > 0),
        };
        visit(&step, &told)
    })?;
    Ok(begun)
}
