//! Which sagas match, in order, page by page or behind a cursor, with the exact total.

use super::order::{Part, of_order};
use super::past_state::Past;
use super::seek::Seek;
use super::trees::{Row, Span, Stream, Trees};
use super::views::views;
use super::walk::Walk;
use super::{Basis, Filter, QueryError, SearchPage, SearchRequest, SortKey, Window};
use super::{examine, past};
use crate::domain::text;
use crate::domain::{Cut, Millis, OrderId, SagaDefinitions, SagaId, SagaStatus};
use crate::store::keys::{Condition, Tree};
use crate::store::{Store, StoreError, reads, totals};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

pub(super) fn search(
    store: &dyn Store,
    definitions: &SagaDefinitions,
    request: &SearchRequest,
) -> Result<SearchPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let part = Part::of(request)?;
    let (cursor, rules) = basis(trees, definitions)?;
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

/// What a generation has folded, and under which rules.
pub(super) fn basis<'d>(
    trees: Trees<'_>,
    definitions: &'d SagaDefinitions,
) -> Result<(Cut, Cow<'d, SagaDefinitions>), StoreError> {
    let cursor = reads::cursor(trees.store, trees.generation)?;
    let rules = reads::definitions_of(trees.store, trees.generation, definitions)?;
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

/// The streams that hold all sagas of the filter's type and status.
pub(super) fn streams(filter: &Filter) -> Vec<Stream> {
    SagaStatus::ALL
        .into_iter()
        .filter(|status| filter.status.is_none_or(|wanted| wanted == *status))
        .map(|status| Stream {
            condition: status.into(),
            saga_type: filter.saga_type.clone(),
        })
        .collect()
}

/// How many sagas match, whatever their order and what happened inside.
pub(super) fn total(trees: Trees<'_>, filter: &Filter) -> Result<u64, QueryError> {
    let streams = streams(filter);
    let mut total: u64 = 0;
    if filter.saga_type.is_none() && filter.from.is_none() && filter.to.is_none() {
        reads::numbered_totals(trees.store, trees.generation, totals::ACTIVE, |tag, sagas| {
            let status = u8::try_from(tag).ok().and_then(SagaStatus::from_tag);
            let condition = status.map(Condition::In);
            if streams.iter().any(|stream| Some(stream.condition) == condition) {
                total += u64::try_from(sagas).unwrap_or(0);
            }
        })?;
        return Ok(total);
    }
    for stream in &streams {
        total += trees.sagas_in(stream, Span::of(filter.from, filter.to))?;
    }
    Ok(total)
}

fn of_time(trees: Trees<'_>, request: &SearchRequest, part: &Part) -> Result<(Vec<Row>, u64), QueryError> {
    let filter = &request.filter;
    let total = total(trees, filter)?;
    if part.skip >= total {
        return Ok((Vec::new(), total));
    }
    let seek = Seek::part(part, total, request.sort);
    let seek = match request.sort.key {
        SortKey::StartedAt => by_start(trees, filter, seek)?,
        SortKey::UpdatedAt => by_last_event(trees, filter, seek)?,
    };
    Ok((seek.found(), total))
}

/// Finds the sagas that match, whatever their order and what happened inside, by their start.
pub(super) fn by_start(trees: Trees<'_>, filter: &Filter, seek: Seek) -> Result<Seek, QueryError> {
    let dates = Span::of(filter.from, filter.to);
    walk((trees, Tree::Started), filter, dates, seek)
}

fn by_last_event(trees: Trees<'_>, filter: &Filter, seek: Seek) -> Result<Seek, QueryError> {
    walk((trees, Tree::Updated), filter, Span::ALL, seek)
}

fn walk(
    (trees, tree): (Trees<'_>, Tree),
    filter: &Filter,
    span: Span,
    seek: Seek,
) -> Result<Seek, QueryError> {
    let mut walk = Walk {
        trees,
        tree,
        streams: streams(filter),
        span: seek.narrow(span),
        started: Span::of(filter.from, filter.to),
        seek,
    };
    walk.run()?;
    Ok(walk.seek)
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
