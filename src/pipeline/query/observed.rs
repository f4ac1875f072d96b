//! The sagas that started in a period, looked at one by one in the log: what flow and catalogue are made of. All of
//! them are, or none: nothing is sampled, what is too much is refused.

use super::Filter;
use super::QueryError;
use super::by_time::streams;
use super::seek::Seek;
use super::trees::{Row, Span, Trees};
use super::walk::Walk;
use crate::domain::{Cut, EventRef, Millis, SagaId, SagaState, SagaType};
use crate::store::keys::Tree;
use crate::store::{StoreError, reads, timelines, until};

/// Sagas of one answer, at most.
pub const MAX_FLOW_SAGAS: u64 = 20_000;
/// Their deliveries.
pub(super) const MAX_EVENTS: u64 = if cfg!(test) { 500 } else { 1_000_000 };
/// States that are read at once.
const STATES: usize = 500;

/// Which sagas are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowRequest {
    /// Of this type; `None`: of all.
    pub saga_type: Option<SagaType>,
    /// Started at or after.
    pub from: Option<Millis>,
    /// Started at or before.
    pub to: Option<Millis>,
    /// At most so many of them.
    pub limit: u64,
}

/// What is told of the events.
pub(super) trait Visit {
    /// The next event of a saga in its timeline. When it is too much, of what.
    fn event(&mut self, saga: &SagaState, event: &EventRef<'_>) -> Result<(), String>;

    /// That was the saga's last one.
    fn saga_ends(&mut self) {}
}

/// Visits the timelines. How many sagas there are.
pub(super) fn each(
    trees: Trees<'_>,
    cursor: &Cut,
    request: &FlowRequest,
    visit: &mut dyn Visit,
) -> Result<u64, QueryError> {
    let rows = sagas(trees, request)?;
    let mut deliveries = 0;
    for some in rows.chunks(STATES) {
        let ids: Vec<SagaId> = some.iter().map(|(_, saga)| saga.clone()).collect();
        let states = reads::instances(trees.store, trees.generation, &ids)?;
        for (saga, state) in ids.iter().zip(states) {
            let state = state.ok_or_else(|| {
                StoreError::Corrupt(format!("instances: saga {saga} is indexed but has no state"))
            })?;
            deliveries += u64::from(state.step_count) + u64::from(state.duplicates);
            if deliveries > MAX_EVENTS {
                return Err(too_much(format!("more than {MAX_EVENTS} events")));
            }
            of_saga(trees, cursor, (saga, &state), visit)?;
        }
    }
    Ok(rows.len() as u64)
}

/// Visits the timeline of one saga.
pub(super) fn of_saga(
    trees: Trees<'_>,
    cursor: &Cut,
    (saga, state): (&SagaId, &SagaState),
    visit: &mut dyn Visit,
) -> Result<(), QueryError> {
    let mut refused = None;
    let at = (trees.store, trees.generation, cursor);
    timelines::each_step(at, saga, state, None, |event| {
        refused = visit.event(state, event).err();
        Ok(until(refused.is_some()))
    })?;
    visit.saga_ends();
    refused.map_or(Ok(()), |found| Err(too_much(found)))
}

/// The sagas that are looked at.
fn sagas(trees: Trees<'_>, request: &FlowRequest) -> Result<Vec<Row>, QueryError> {
    let filter = Filter {
        saga_type: request.saga_type.clone(),
        ..Filter::default()
    };
    let span = Span::of(request.from, request.to);
    let streams = streams(&filter);
    let mut total = 0;
    for stream in &streams {
        total += trees.sagas_in(stream, span)?;
    }
    if total > request.limit {
        let limit = request.limit;
        return Err(too_much(format!(
            "{total} sagas, where at most {limit} are looked at"
        )));
    }
    let mut walk = Walk {
        trees,
        tree: Tree::Started,
        streams,
        span,
        started: span,
        seek: Seek::ascending(0, usize::try_from(total).unwrap_or(usize::MAX)),
    };
    walk.run()?;
    Ok(walk.seek.found())
}

fn too_much(found: String) -> QueryError {
    QueryError::TooMuchFlow(found)
}
