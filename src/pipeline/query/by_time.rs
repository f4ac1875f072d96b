//! The sagas of a type, a status and a period as they are now: how many, and which, by their start or last event. Which
//! order they are of and what happened inside of them is not known here; nor is the past, see [`super::past`].

use super::seek::Seek;
use super::trees::{Span, Stream, Trees};
use super::walk::Walk;
use super::{Filter, QueryError};
use crate::domain::SagaStatus;
use crate::store::keys::{Condition, Tree};
use crate::store::{reads, totals};

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

/// How many sagas match.
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

/// Finds sagas that match, by their start.
pub(super) fn by_start(trees: Trees<'_>, filter: &Filter, seek: Seek) -> Result<Seek, QueryError> {
    let dates = Span::of(filter.from, filter.to);
    walk((trees, Tree::Started), filter, dates, seek)
}

/// Finds sagas that match, by their last event.
pub(super) fn by_last_event(trees: Trees<'_>, filter: &Filter, seek: Seek) -> Result<Seek, QueryError> {
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
