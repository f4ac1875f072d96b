//! The sagas of one order, of which there may be a hundred thousand: read in pieces, and of all that match
//! only a part is kept in memory.
//!
//! Without filters and sorting that the index could answer, every state has to be looked at. What the order
//! of the answer is, is decided by the search.

use super::trees::{Row, Trees};
use super::{Filter, QueryError, SearchRequest, Sort, SortKey};
use crate::domain::{Millis, OrderId, SagaId, SagaState};
use crate::store::{ProjectionTable, Scan, StoreError, Table, keys, reads};
use std::ops::{Bound, ControlFlow};

/// Sagas that are read at once.
const PIECE: usize = 1_000;
/// Sagas that are kept; a page that lies deeper takes one more look at all for each time as many.
const KEPT: usize = 20_000;

/// The part of the matching sagas that is wanted.
pub(super) struct Part {
    pub(super) skip: u64,
    pub(super) size: usize,
    pub(super) behind: Option<Row>,
}

/// Whether a state is what the filter asks for, the order apart.
pub(super) fn matches(filter: &Filter, state: &SagaState) -> bool {
    filter
        .saga_type
        .as_ref()
        .is_none_or(|wanted| *wanted == state.saga_type)
        && filter.status.is_none_or(|wanted| wanted == state.status)
        && filter.from.is_none_or(|from| from <= state.started_at)
        && filter.to.is_none_or(|to| state.started_at <= to)
}

/// The part of an order's matching sagas, and how many match in all.
pub(super) fn of_order(
    trees: Trees<'_>,
    order: &OrderId,
    request: &SearchRequest,
    part: &Part,
) -> Result<(Vec<Row>, u64), QueryError> {
    look(trees, order, request, part, KEPT)
}

fn look(
    trees: Trees<'_>,
    order: &OrderId,
    request: &SearchRequest,
    part: &Part,
    kept: usize,
) -> Result<(Vec<Row>, u64), QueryError> {
    let kept = kept.max(part.size);
    let (mut skip, mut behind) = (part.skip, part.behind.clone());
    let mut all = None;
    loop {
        let limit = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .saturating_add(part.size)
            .min(kept);
        let mut first = First {
            limit,
            descending: request.sort.descending,
            behind: behind.as_ref(),
            rows: Vec::new(),
        };
        let mut total: u64 = 0;
        each_of_order(trees, order, |saga, state| {
            if matches(&request.filter, state) {
                total += 1;
                first.add((time_of(request.sort, state), saga));
            }
        })?;
        let mut rows = first.done();
        let total = *all.get_or_insert(total);
        let reached = skip.saturating_add(part.size as u64) <= kept as u64;
        if part.skip >= total || reached || rows.len() < limit {
            let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(rows.len());
            rows.drain(..skip);
            rows.truncate(part.size);
            return Ok((rows, total));
        }
        let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(rows.len());
        skip -= passed as u64;
        rows.truncate(passed);
        behind = rows.pop().or(behind);
    }
}

/// Visits the sagas of an order and their states, in order of their ids.
pub(super) fn each_of_order(
    trees: Trees<'_>,
    order: &OrderId,
    mut visit: impl FnMut(SagaId, &SagaState),
) -> Result<(), StoreError> {
    let mut last: Option<SagaId> = None;
    loop {
        let ids = piece(trees, order, last.as_ref())?;
        let states = reads::instances(trees.store, trees.generation, &ids)?;
        let full = ids.len() == PIECE;
        last = ids.last().cloned();
        for (saga, state) in ids.into_iter().zip(states) {
            if let Some(state) = state {
                visit(saga, &state);
            }
        }
        if !full {
            return Ok(());
        }
    }
}

/// The next sagas of an order behind one.
fn piece(trees: Trees<'_>, order: &OrderId, behind: Option<&SagaId>) -> Result<Vec<SagaId>, StoreError> {
    let mut ids = Vec::new();
    let table = Table::Projection(trees.generation, ProjectionTable::ByOrder);
    let from = behind.map_or(Bound::Unbounded, |saga| Bound::Excluded(saga.as_str().as_bytes()));
    let (partition, range) = (order.as_str().as_bytes(), (from, Bound::Unbounded));
    Scan::of(table, partition)
        .range(range)
        .limit(PIECE)
        .each(trees.store, |saga, _| {
            ids.push(SagaId::new(keys::parse_text("by_order", saga)?));
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(ids)
}

/// The first rows of many, kept without the others.
struct First<'b> {
    limit: usize,
    descending: bool,
    behind: Option<&'b Row>,
    rows: Vec<Row>,
}

impl First<'_> {
    fn add(&mut self, row: Row) {
        let wanted = self
            .behind
            .is_none_or(|edge| if self.descending { row < *edge } else { row > *edge });
        if !wanted {
            return;
        }
        self.rows.push(row);
        if self.rows.len() > self.limit.saturating_mul(2).max(PIECE) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.rows.sort_unstable();
        if self.descending {
            self.rows.reverse();
        }
        self.rows.truncate(self.limit);
    }

    fn done(mut self) -> Vec<Row> {
        self.cut();
        self.rows
    }
}

pub(super) fn time_of(sort: Sort, state: &SagaState) -> Millis {
    match sort.key {
        SortKey::StartedAt => state.started_at,
        SortKey::UpdatedAt => state.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Filter, Window};
    use super::*;
    use crate::domain::{Event, SagaStatus};
    use crate::store::{Generation, SharedStore};
    use crate::testkit;

    /// Sagas of one order, at times in another order than their ids.
    fn store(sagas: u64) -> SharedStore {
        let events: Vec<Event> = (0..sagas)
            .map(|n| {
                let saga = format!("s{n:06}");
                let mut event = testkit::event_at(&saga, n, "ORDER_CREATED", SagaStatus::Started);
                event.order_id = "o".into();
                event.recorded_at = Millis(testkit::DAY + i64::try_from(n * 7_919 % sagas / 3).unwrap());
                event
            })
            .collect();
        let store = testkit::store();
        testkit::project(&store, &events, &[1_000], 1);
        store
    }

    fn request(descending: bool) -> SearchRequest {
        SearchRequest {
            filter: Filter::default(),
            sort: Sort {
                key: SortKey::StartedAt,
                descending,
            },
            window: Window::Page { number: 0, size: 0 },
        }
    }

    #[test]
    fn every_page_is_the_same_however_few_sagas_are_kept() {
        let store = store(2_500);
        let trees = Trees {
            store: &*store,
            generation: Generation::A,
        };
        for descending in [false, true] {
            let request = request(descending);
            let page = |skip, size, behind: Option<Row>, kept| {
                let part = Part { skip, size, behind };
                look(trees, &"o".into(), &request, &part, kept).unwrap()
            };
            let (all, total) = page(0, 10_000, None, usize::MAX);
            assert_eq!((all.len(), total), (2_500, 2_500));
            assert!(all.is_sorted_by(|a, b| if descending { a > b } else { a < b }));
            for (skip, size) in [
                (0, 20),
                (100, 100),
                (990, 20),
                (1_999, 3),
                (2_490, 20),
                (2_500, 5),
                (9_999, 5),
            ] {
                let expected: Vec<Row> = all.iter().skip(skip).take(size).cloned().collect();
                let edge = all.get(skip.saturating_sub(1)).filter(|_| skip > 0).cloned();
                for kept in [300, 999, 10_000] {
                    let found = page(skip as u64, size, None, kept);
                    assert_eq!(found, (expected.clone(), 2_500), "{skip} {size} {kept}");
                    if edge.is_some() {
                        assert_eq!(page(0, size, edge.clone(), kept), (expected.clone(), 2_500));
                    }
                }
            }
        }
    }
}
