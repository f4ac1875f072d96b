//! Finds the sagas that are due, oldest last event first, a page at a time.
//!
//! A sweep follows the index by last event, so it costs what is due, not what is there.

use super::rules::{Rule, Rules};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::query::{Filter, Query, QueryError, SagaView, SearchRequest, Sort, SortKey, Window};
use std::ops::ControlFlow;

/// Sagas read at once.
const PAGE: usize = 200;

/// A saga that is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    /// The saga.
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
    let types = query.statistics(&Filter::default())?.by_type;
    for saga_type in types.keys().map(|name| SagaType::from(name.as_str())) {
        for status in SagaStatus::ALL {
            let rule = rules.of(&saga_type, status);
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
                visit(Due {
                    saga,
                    rule: rule.clone(),
                })
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
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
