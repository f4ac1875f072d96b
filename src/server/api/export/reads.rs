//! The reads that an export is made of: each is bounded, and sees the store as it is then.

use super::super::context::{Context, timed};
use super::super::error::ApiError;
use super::super::sagas::search::SearchQuery;
use super::answer::Call;
use crate::operations::audit;
use crate::operations::dead_letters::{DeadLetterFilter, DeadLetterPage};
use crate::pipeline::query::{
    Ledger, LedgerRequest, OffsetsPage, OffsetsRequest, Query, QueryError, SearchPage, SearchRequest, Window,
};
use crate::server::metrics::Asked;
use crate::store::SharedStore;
use crate::store::stoppable::{self, Stop};
use std::ops::ControlFlow;

/// Rows that are read at once.
pub(super) const PART: usize = 200;
/// Sagas that are read at once where each part means to look at all of them one by one.
const LARGE_PART: usize = 5_000;

/// Whom an export asks. What it asks ends when nobody waits for it any more.
pub(super) struct Reads {
    pub(super) context: Context,
    pub(super) query: Query,
    stop: Stop,
}

/// Which sagas, and how many of them.
pub(super) struct Selection {
    pub(super) request: SearchRequest,
    limit: u64,
}

impl Selection {
    /// By the parameters of a search; its pages do not count.
    pub(super) fn parse(call: &Call, limit: Option<u64>) -> Result<Self, ApiError> {
        let now = call.context.clock().now();
        Ok(Self {
            request: SearchQuery::parse(call.query(), now)?.into_request(),
            limit: limit.unwrap_or(u64::MAX),
        })
    }

    fn part(&self) -> usize {
        if self.request.filter.inside.is_searched_for() {
            LARGE_PART
        } else {
            PART
        }
    }

    fn cursor(&self) -> Option<String> {
        match &self.request.window {
            Window::After { cursor, .. } => Some(cursor.clone()),
            Window::Page { .. } => None,
        }
    }
}

impl Reads {
    pub(super) fn of(context: Context, stop: Stop) -> Self {
        let query = context.parts().query.until(stop.clone());
        Self { context, query, stop }
    }

    pub(super) fn search(&self, request: &SearchRequest) -> Result<SearchPage, QueryError> {
        timed(self.context.metrics(), Asked::Search, || {
            self.query.search(request)
        })
    }

    /// Visits the sagas part by part; breaks when the visitor does.
    pub(super) fn each_part(
        &self,
        selection: &Selection,
        visit: &mut dyn FnMut(SearchPage) -> Result<ControlFlow<()>, ApiError>,
    ) -> Result<ControlFlow<()>, ApiError> {
        let (mut cursor, mut left) = (selection.cursor(), selection.limit);
        let part = selection.part();
        loop {
            let window = window(cursor.take(), at_most(left, part));
            let request = SearchRequest {
                window,
                ..selection.request.clone()
            };
            let page = self.search(&request)?;
            left = left.saturating_sub(page.sagas.len() as u64);
            cursor.clone_from(&page.next_cursor);
            if visit(page)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if left == 0 || cursor.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Entries of the audit log before a number, newest first.
    pub(super) fn audit(
        &self,
        filter: &audit::Filter,
        before: Option<u64>,
        left: u64,
    ) -> Result<audit::Page, ApiError> {
        let store: SharedStore = self.context.audit().store().clone();
        let store = stoppable::until(store, self.stop.clone());
        Ok(audit::page(&*store, filter, before, at_once(left))?)
    }

    /// The sums of the ledger.
    pub(super) fn ledger(&self, request: &LedgerRequest) -> Result<Ledger, QueryError> {
        timed(self.context.metrics(), Asked::Totals, || {
            self.query.ledger(request)
        })
    }

    /// Offsets of the ledger.
    pub(super) fn ledger_offsets(&self, request: &OffsetsRequest) -> Result<OffsetsPage, QueryError> {
        timed(self.context.metrics(), Asked::Timeline, || {
            self.query.ledger_offsets(request)
        })
    }

    /// Dead letters behind a cursor, newest first.
    pub(super) fn letters(
        &self,
        filter: &DeadLetterFilter,
        cursor: Option<&str>,
        left: u64,
    ) -> Result<DeadLetterPage, ApiError> {
        let letters = self.context.parts().redrives.dead_letter_query();
        let letters = letters.until(self.stop.clone());
        let ask = || letters.list(filter, cursor, at_once(left));
        Ok(timed(self.context.metrics(), Asked::DeadLetters, ask)?)
    }
}

/// Rows of the next part, when so many are left.
fn at_once(left: u64) -> usize {
    at_most(left, PART)
}

fn at_most(left: u64, part: usize) -> usize {
    usize::try_from(left).map_or(part, |left| left.min(part))
}

fn window(cursor: Option<String>, size: usize) -> Window {
    match cursor {
        Some(cursor) => Window::After { cursor, size },
        None => Window::Page { number: 0, size },
    }
}
