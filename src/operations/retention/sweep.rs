//! Finds the sagas that are due, oldest last event first, a page at a time.
//!
//! A sweep follows the index by last event, so it costs what is due, not what is there.

use super::rules::{Rule, Rules};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::pipeline::query::{Filter, Query, QueryError, SagaView, SearchRequest, Sort, SortKey, Window};
use crate::store::{ProjectionTable, Scan, StoreError, Table, keys, reads, totals};
use std::ops::{Bound, ControlFlow};

/// Sagas read at once.
const PAGE: usize = 200;
/// Types read at once.
const TYPES: usize = if cfg!(test) { 3 } else { 1_000 };

/// A saga that is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) saga: SagaView,
    /// Why.
    pub(super) rule: Rule,
}

/// Visits every saga that is due: by type and status, oldest last event first.
///
/// # Errors
/// [`QueryError`] when the index cannot be read.
pub(super) fn each_due(
    query: &Query,
    rules: &Rules,
    now: Millis,
    mut visit: impl FnMut(Due) -> ControlFlow<()>,
) -> Result<(), QueryError> {
    let mut behind = None;
    loop {
        let types = types_behind(query, behind.as_deref())?;
        for (_, saga_type) in &types {
            if each_due_of(query, rules, (saga_type, now), &mut visit)?.is_break() {
                return Ok(());
            }
        }
        match types.into_iter().last() {
            Some((place, _)) => behind = Some(place),
            None => return Ok(()),
        }
    }
}

fn each_due_of(
    query: &Query,
    rules: &Rules,
    (saga_type, now): (&SagaType, Millis),
    visit: &mut impl FnMut(Due) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, QueryError> {
    for status in SagaStatus::ALL {
        let rule = rules.of(saga_type, status);
        let stream = Stream {
            query,
            filter: Filter {
                saga_type: Some(saga_type.clone()),
                status: Some(status),
                ..Filter::default()
            },
            cutoff: rule.cutoff(now),
        };
        let flow = stream.each(|saga| {
            let rule = rule.clone();
            visit(Due { saga, rule })
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Some types behind one that was visited, each with its place in their order. All of them come, however
/// many there are and however few sagas are of one.
fn types_behind(query: &Query, place: Option<&[u8]>) -> Result<Vec<(Vec<u8>, SagaType)>, StoreError> {
    let store = query.store();
    let serving = reads::active_generation(&**store)?;
    let table = Table::Projection(serving, ProjectionTable::Totals);
    let range = (place.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    let mut types = Vec::new();
    let family = totals::TYPES.as_bytes();
    Scan::of(table, family)
        .range(range)
        .limit(TYPES)
        .each(&**store, |sort, _| {
            let name = keys::parse_text("totals", sort)?;
            types.push((sort.to_vec(), SagaType::from(name)));
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(types)
}

struct Stream<'q> {
    query: &'q Query,
    filter: Filter,
    cutoff: Millis,
}

impl Stream<'_> {
    fn each(
        &self,
        mut visit: impl FnMut(SagaView) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, QueryError> {
        let mut window = Window::Page {
            number: 0,
            size: PAGE,
        };
        loop {
            let page = self.query.search(&SearchRequest {
                filter: self.filter.clone(),
                sort: Sort {
                    key: SortKey::UpdatedAt,
                    descending: false,
                },
                window,
            })?;
            for saga in page.sagas {
                if saga.state.updated_at > self.cutoff {
                    return Ok(ControlFlow::Continue(()));
                }
                if visit(saga).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(cursor) = page.next_cursor else {
                return Ok(ControlFlow::Continue(()));
            };
            window = Window::After { cursor, size: PAGE };
        }
    }
}
