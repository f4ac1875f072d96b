//! Which sagas match, in order, page by page or behind a cursor, with the exact total.

use super::order::{Part, of_order};
use super::past_state::Past;
use super::seek::Seek;
use super::trees::{Row, Trees};
use super::views::views;
use super::{Basis, Filter, QueryError, SagaView, SearchPage, SearchRequest, SortKey, Window};
use super::{by_time, examine, past};
use crate::domain::text;
use crate::domain::{Cut, InForce, Millis, OrderId, SagaDefinitions, SagaId};
use crate::store::{Store, StoreError, reads};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) fn search(
    store: &dyn Store,
    in_force: &InForce,
    request: &SearchRequest,
) -> Result<SearchPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let part = Part::of(request)?;
    let (cursor, rules) = basis(trees, in_force)?;
    let moment = request.filter.moment;
    let past = Past {
        trees,
        definitions: &rules,
        cursor: &cursor,
        moment,
    };
    let (rows, total) = match &request.filter {
        filter if !filter.inside.is_empty() => examine::search(&past, request, &part)?,
        _ if !moment.is_now() => past::search(&past, request, &part)?,
        Filter {
            order_id: Some(order),
            ..
        } => of_order(trees, order, request, &part)?,
        _ => of_time(trees, request, &part)?,
    };
    let more = match &request.window {
        Window::Page { .. } => part.skip + (rows.len() as u64) < total,
        // A full part may be the last one; the next is then empty and leads nowhere.
        Window::After { .. } => rows.len() == part.size,
    };
    let next_cursor = rows.last().filter(|_| more).map(|row| write_cursor(request, row));
    let sagas = if moment.is_now() {
        views(trees, &rows)?
    } else {
        past::views(&past, &rows)?
    };
    Ok(SearchPage {
        sagas,
        total,
        next_cursor,
        basis: Basis::of(cursor.clone(), &rules),
    })
}

/// The sagas of a part, by time alone, and the cursor behind them if there may be more.
pub(super) fn in_order(
    trees: Trees<'_>,
    request: &SearchRequest,
) -> Result<(Vec<SagaView>, Option<String>), QueryError> {
    let part = Part::of(request)?;
    let (rows, _) = of_time(trees, request, &part)?;
    let last = rows.last().filter(|_| rows.len() == part.size);
    Ok((views(trees, &rows)?, last.map(|row| write_cursor(request, row))))
}

/// What a generation has folded, and under which rules.
pub(super) fn basis(trees: Trees<'_>, in_force: &InForce) -> Result<(Cut, Arc<SagaDefinitions>), StoreError> {
    let cursor = reads::cursor(trees.store, trees.generation)?;
    let rules = reads::definitions_of(trees.store, trees.generation, in_force)?;
    Ok((cursor, rules))
}

impl Part {
    fn of(request: &SearchRequest) -> Result<Self, QueryError> {
        match &request.window {
            Window::Page { number, size } => Ok(Self {
                skip: number.saturating_mul(*size as u64),
                size: *size,
                behind: None,
            }),
            Window::After { cursor, size } => Ok(Self {
                skip: 0,
                size: *size,
                behind: Some(read_cursor(request, cursor)?),
            }),
        }
    }
}

fn of_time(trees: Trees<'_>, request: &SearchRequest, part: &Part) -> Result<(Vec<Row>, u64), QueryError> {
    let filter = &request.filter;
    let total = by_time::total(trees, filter)?;
    if part.skip >= total {
        return Ok((Vec::new(), total));
    }
    let seek = Seek::part(part, total, request.sort);
    let seek = match request.sort.key {
        SortKey::StartedAt => by_time::by_start(trees, filter, seek)?,
        SortKey::UpdatedAt => by_time::by_last_event(trees, filter, seek)?,
    };
    Ok((seek.found(), total))
}

/// A cursor names the last saga of a part, and the search that it belongs to.
fn write_cursor(request: &SearchRequest, (at, saga): &Row) -> String {
    let saga = text::hex(saga.as_str().as_bytes());
    format!("{:016x}{:016x}{saga}", search_digest(request), at.0)
}

fn read_cursor(request: &SearchRequest, text: &str) -> Result<Row, QueryError> {
    let parse = || {
        let digest = u64::from_str_radix(text.get(..16)?, 16).ok()?;
        let at = u64::from_str_radix(text.get(16..32)?, 16).ok()?;
        let saga = text.get(32..)?;
        if digest != search_digest(request) || saga.is_empty() {
            return None;
        }
        let saga = String::from_utf8(text::unhex(saga)?).ok()?;
        Some((Millis(at as i64), SagaId::new(saga)))
    };
    parse().ok_or(QueryError::BadCursor)
}

/// Tells searches apart: a cursor of one is of no use to another. The same on every replica.
fn search_digest(request: &SearchRequest) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(1).build_hasher();
    let filter = &request.filter;
    filter.order_id.as_ref().map(OrderId::as_str).hash(&mut hasher);
    filter
        .saga_type
        .as_ref()
        .map(|saga_type| saga_type.as_str())
        .hash(&mut hasher);
    filter.status.hash(&mut hasher);
    (filter.from, filter.to).hash(&mut hasher);
    (filter.moment.as_of, filter.moment.known_at).hash(&mut hasher);
    if !filter.inside.is_empty() {
        filter.inside.hash(&mut hasher);
    }
    (request.sort.key == SortKey::StartedAt, request.sort.descending).hash(&mut hasher);
    hasher.finish()
}
