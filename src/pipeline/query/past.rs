//! Search and statistics of a moment: which sagas stood where then, by what is known today or was known at an
//! instant.

use super::corrections::Corrections;
use super::grid::Grid;
use super::order::{self, Part, each_of_order};
use super::past_state::{Past, states};
use super::seek::Seek;
use super::trees::{Row, Span};
use super::walk_at::{WalkAt, standing, statuses};
use super::{Filter, QueryError, SagaView, SearchRequest, Sort, SortKey};
use crate::domain::{OrderId, SagaId, SagaState};
use crate::store::StoreError;
use crate::store::records::CensusRecord;

/// Sagas that are sorted by their last event before an instant, at most: there is no index for that.
pub(super) const MAX_SORTED: usize = 10_000;
/// States that are read at once.
const STATES: usize = 500;

/// The part of the sagas that matched at an instant, and how many did.
pub(super) fn search(
    past: &Past<'_>,
    request: &SearchRequest,
    part: &Part,
) -> Result<(Vec<Row>, u64), QueryError> {
    match (&request.filter.order_id, request.sort.key) {
        (Some(order), _) => of_order(past, order, request, part),
        (None, SortKey::StartedAt) => by_start(past, request, part),
        (None, SortKey::UpdatedAt) => by_last_event(past, request, part),
    }
}

/// The states that sagas had, in their order.
pub(super) fn views(past: &Past<'_>, rows: &[Row]) -> Result<Vec<SagaView>, QueryError> {
    let ids: Vec<SagaId> = rows.iter().map(|(_, saga)| saga.clone()).collect();
    let states = states(past, &ids)?;
    let mut views = Vec::with_capacity(ids.len());
    for (saga_id, whole) in ids.into_iter().zip(states) {
        let state = match &whole {
            Some(whole) => past.state(&saga_id, whole)?,
            None => None,
        };
        let state = state.ok_or_else(|| {
            StoreError::Corrupt(format!("by_started: saga {saga_id} is indexed but has no state"))
        })?;
        views.push(SagaView { saga_id, state });
    }
    Ok(views)
}

/// Sums up the sagas that match and had begun, by type, each several times.
pub(super) fn sums(
    past: &Past<'_>,
    filter: &Filter,
    mut add: impl FnMut(&str, &CensusRecord),
) -> Result<(), QueryError> {
    if let Some(order) = &filter.order_id {
        return each_then(past, order, filter, |_, state| {
            let mut sums = CensusRecord::default();
            for step in state.path().moves() {
                sums.add_move(&step, state.started_at, 1);
            }
            add(state.saga_type.as_str(), &sums);
        });
    }
    grid(past)?.sums(filter.saga_type.as_ref(), span(filter), &mut add)
}

/// The sagas as they stood at the moment.
pub(super) fn grid<'r>(past: &Past<'r>) -> Result<Grid<'r>, QueryError> {
    let corrections = Corrections::at(past)?;
    Ok(Grid::new(past.trees, past.base(), corrections)?)
}

fn span(filter: &Filter) -> Span {
    Span::of(filter.from, filter.to)
}

fn by_start(past: &Past<'_>, request: &SearchRequest, part: &Part) -> Result<(Vec<Row>, u64), QueryError> {
    let grid = grid(past)?;
    let total = total(&grid, &request.filter)?;
    if part.skip >= total {
        return Ok((Vec::new(), total));
    }
    let mut walk = walk(&grid, &request.filter, Seek::part(part, total, request.sort));
    walk.run()?;
    Ok((walk.seek.found(), total))
}

/// Looks for the sagas that match, by their start.
pub(super) fn walk<'g, 'r>(grid: &'g Grid<'r>, filter: &Filter, seek: Seek) -> WalkAt<'g, 'r> {
    WalkAt {
        grid,
        statuses: statuses(filter.status),
        saga_type: filter.saga_type.clone(),
        span: seek.narrow(span(filter)),
        seek,
    }
}

/// How many sagas match.
pub(super) fn total(grid: &Grid<'_>, filter: &Filter) -> Result<u64, QueryError> {
    let (mut total, statuses) = (0, statuses(filter.status));
    grid.sums(filter.saga_type.as_ref(), span(filter), &mut |_, sums| {
        total += standing(sums, &statuses);
    })?;
    Ok(u64::try_from(total).unwrap_or(0))
}

fn by_last_event(
    past: &Past<'_>,
    request: &SearchRequest,
    part: &Part,
) -> Result<(Vec<Row>, u64), QueryError> {
    let grid = grid(past)?;
    let total = total(&grid, &request.filter)?;
    if total > MAX_SORTED as u64 {
        return Err(QueryError::TooManyToSort {
            found: total,
            limit: MAX_SORTED,
        });
    }
    let mut walk = walk(&grid, &request.filter, Seek::ascending(0, MAX_SORTED));
    walk.run()?;
    let found = walk.seek.found();
    let mut rows = Vec::with_capacity(found.len());
    for some in found.chunks(STATES) {
        let of_some = views(past, some)?;
        rows.extend(
            of_some
                .into_iter()
                .map(|view| (view.state.updated_at, view.saga_id)),
        );
    }
    Ok((part_of(rows, request.sort, part), total))
}

fn of_order(
    past: &Past<'_>,
    order: &OrderId,
    request: &SearchRequest,
    part: &Part,
) -> Result<(Vec<Row>, u64), QueryError> {
    let mut rows = Vec::new();
    each_then(past, order, &request.filter, |saga, state| {
        rows.push((order::time_of(request.sort, state), saga));
    })?;
    let total = rows.len() as u64;
    Ok((part_of(rows, request.sort, part), total))
}

/// Visits the sagas of an order that matched, and what they were. A saga is of the order that its first event
/// named, of those that were known.
fn each_then(
    past: &Past<'_>,
    order: &OrderId,
    filter: &Filter,
    mut visit: impl FnMut(SagaId, &SagaState),
) -> Result<(), QueryError> {
    let corrections = Corrections::at(past)?;
    let mut found = 0;
    let mut judge = |saga: SagaId, whole: &SagaState| -> Result<(), QueryError> {
        let state = past.state_of_timeline(&saga, whole)?;
        let matched = |state: &SagaState| state.order_id == *order && order::matches(filter, state);
        if let Some(state) = state.filter(matched) {
            found += 1;
            visit(saga, &state);
        }
        if found > MAX_SORTED {
            return Err(QueryError::TooManyToSort {
                found: found as u64,
                limit: MAX_SORTED,
            });
        }
        Ok(())
    };
    let mut failed = None;
    each_of_order(past.trees, order, |saga, whole| {
        if failed.is_none() && !corrections.has(&saga) {
            failed = judge(saga, whole).err();
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    let corrected: Vec<SagaId> = corrections.sagas().cloned().collect();
    for some in corrected.chunks(STATES) {
        for (saga, whole) in some.iter().zip(states(past, some)?) {
            if let Some(whole) = whole {
                judge(saga.clone(), &whole)?;
            }
        }
    }
    Ok(())
}

/// The part that is wanted of rows in any order.
pub(super) fn part_of(mut rows: Vec<Row>, sort: Sort, part: &Part) -> Vec<Row> {
    rows.sort_unstable();
    if sort.descending {
        rows.reverse();
    }
    let is_behind = |row: &Row| {
        let edge = part.behind.as_ref();
        edge.is_none_or(|edge| if sort.descending { row < edge } else { row > edge })
    };
    let skip = usize::try_from(part.skip).unwrap_or(usize::MAX);
    let wanted = rows.into_iter().filter(is_behind);
    wanted.skip(skip).take(part.size).collect()
}
