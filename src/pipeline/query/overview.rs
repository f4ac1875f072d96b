//! What goes on, and where to look first: all that an overview shows, from one snapshot, at a cost that does not grow
//! with the number of sagas.

use super::arrivals::FlowBounds;
use super::figures::{Figures, figures, last_hour};
use super::past_state::Past;
use super::recent_flow::{Arrived, RecentFlow};
use super::seek::Seek;
use super::standings::{Flapping, Standings, Stretch};
use super::trees::Trees;
use super::views::views;
use super::{Basis, Filter, Moment, QueryError, SagaView, by_time, search};
use crate::domain::{DAY_MILLIS, InForce, Millis, SagaStatus, SagaType};
use crate::store::{Store, reads};

/// Of the sagas that failed, so many are told.
const NEWEST_FAILED: usize = 8;
/// What of the flow is looked at.
const FLOW: FlowBounds = FlowBounds {
    events: 10_000,
    bytes: 64 << 20,
};
/// And for every frame of the live stream.
const LIVE_FLOW: FlowBounds = FlowBounds {
    events: 4_000,
    bytes: 16 << 20,
};
/// The live stream's flow is that of what arrived within so long.
const LIVE_MILLIS: i64 = 60_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct OverviewRequest {
    /// Of this type; `None`: of all.
    pub saga_type: Option<SagaType>,
    /// When is now.
    pub now: Millis,
    /// The flow is that of the events that arrived behind the first instant, up to the second.
    pub period: (Millis, Millis),
    /// The instants between which is told how often each status was entered, in order.
    pub edges: Vec<Millis>,
    /// Of each of these it is told how many sagas match. Of an order, of what happened inside of sagas and of another
    /// moment nothing is counted.
    pub counted: Vec<Filter>,
}

/// What goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// How things stand.
    pub figures: Figures,
    /// What happened from edge to edge; `None` when the past is not kept, or too many sagas change their status too
    /// often to tell.
    pub series: Option<Vec<Stretch>>,
    /// The flow of the type, or of the one of which the most events arrived.
    pub flow: Option<RecentFlow>,
    /// The same a day before.
    pub day_before: Option<RecentFlow>,
    /// The sagas in FAILED, those with the newest last event first.
    pub newest_failed: Vec<SagaView>,
    /// How many sagas match what was to be counted, in that order.
    pub counts: Vec<u64>,
    /// What it was read from.
    pub basis: Basis,
}

/// How things stand, and what flows, of a type or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveFigures {
    /// How things stand.
    pub figures: Figures,
    /// The flow of the last minute.
    pub flow: Option<RecentFlow>,
}

/// Asks one snapshot.
fn asked<T>(
    store: &dyn Store,
    in_force: &InForce,
    ask: impl FnOnce(&Past<'_>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    ask(&Past {
        trees,
        definitions: &rules,
        cursor: &cursor,
        moment: Moment::default(),
    })
}

pub(super) fn overview(
    store: &dyn Store,
    topic: &str,
    in_force: &InForce,
    request: &OverviewRequest,
) -> Result<Overview, QueryError> {
    asked(store, in_force, |past| of_snapshot(past, topic, request))
}

fn of_snapshot(past: &Past<'_>, topic: &str, request: &OverviewRequest) -> Result<Overview, QueryError> {
    let saga_type = request.saga_type.as_ref();
    let (from, to) = request.period;
    let arrived = Arrived::read(past, request.period, FLOW)?;
    let shown = saga_type.or_else(|| arrived.busiest_type());
    let day_before = match shown {
        Some(shown) => {
            let period = (Millis(from.0 - DAY_MILLIS), Millis(to.0 - DAY_MILLIS));
            Arrived::read(past, period, FLOW)?.flow(shown)
        }
        None => None,
    };
    let mut instants = request.edges.clone();
    instants.extend(last_hour(request.now));
    instants.sort_unstable();
    instants.dedup();
    let standings = match flapping(past, &instants)? {
        Some(flapping) => Standings::at(past, &flapping, saga_type, &instants)?,
        None => None,
    };
    let stretch = |known: &Standings, edges: &[Millis]| match edges {
        [after, until] => known.between(*after, *until),
        _ => None,
    };
    let series = standings.as_ref().map(|known| {
        let pairs = request.edges.windows(2);
        pairs.filter_map(|edges| stretch(known, edges)).collect()
    });
    Ok(Overview {
        figures: figures(past, topic, (saga_type, request.now), standings.as_ref())?,
        series,
        flow: shown.and_then(|shown| arrived.flow(shown)),
        day_before,
        newest_failed: newest_failed(past, saga_type)?,
        counts: counts_of(past.trees, &request.counted)?,
        basis: Basis::of(past.cursor.clone(), past.definitions),
    })
}

/// How many sagas match each of these, from one snapshot.
pub(super) fn counts(store: &dyn Store, filters: &[Filter]) -> Result<Vec<u64>, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    counts_of(trees, filters)
}

fn counts_of(trees: Trees<'_>, filters: &[Filter]) -> Result<Vec<u64>, QueryError> {
    filters
        .iter()
        .map(|filter| by_time::total(trees, filter))
        .collect()
}

/// The sagas whose status at the instants, which are in order, only the log can tell; `None` when the past is not
/// kept, or they are too many.
fn flapping(past: &Past<'_>, instants: &[Millis]) -> Result<Option<Flapping>, QueryError> {
    if !past.is_kept()? {
        return Ok(None);
    }
    Ok(Flapping::at(past.trees, instants)?)
}

pub(super) fn live_figures(
    store: &dyn Store,
    topic: &str,
    in_force: &InForce,
    (types, now): (&[Option<SagaType>], Millis),
) -> Result<Vec<LiveFigures>, QueryError> {
    asked(store, in_force, |past| {
        // Of all types together: however many are watched, it is read once.
        let instants = last_hour(now);
        let flapping = flapping(past, &instants)?;
        let period = (Millis(now.0.saturating_sub(LIVE_MILLIS)), now);
        let arrived = Arrived::read(past, period, LIVE_FLOW)?;
        let of_type = |saga_type: &Option<SagaType>| {
            let saga_type = saga_type.as_ref();
            let standings = match &flapping {
                Some(flapping) => Standings::at(past, flapping, saga_type, &instants)?,
                None => None,
            };
            Ok(LiveFigures {
                figures: figures(past, topic, (saga_type, now), standings.as_ref())?,
                flow: saga_type
                    .or_else(|| arrived.busiest_type())
                    .and_then(|shown| arrived.flow(shown)),
            })
        };
        types.iter().map(of_type).collect()
    })
}

fn newest_failed(past: &Past<'_>, saga_type: Option<&SagaType>) -> Result<Vec<SagaView>, QueryError> {
    let filter = Filter {
        saga_type: saga_type.cloned(),
        status: Some(SagaStatus::Failed),
        ..Filter::default()
    };
    let found = by_time::by_last_event(past.trees, &filter, Seek::descending(NEWEST_FAILED))?;
    views(past.trees, &found.found())
}

#[cfg(test)]
mod tests;
