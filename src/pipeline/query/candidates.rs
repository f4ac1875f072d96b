//! The sagas that have to be looked at one by one: all that can match, from the narrowest index that has few enough.

use super::past_state::Past;
use super::seek::Seek;
use super::trees::{Span, Trees};
use super::under_way::known_otherwise;
use super::{AskedStuck, Filter, QueryError, broken_rules, by_time, past, stuck_sagas};
use crate::domain::{CompensationState, ConformanceRule, OrderId, SagaId};
use crate::store::keys::Condition;
use crate::store::{KeptTables, ProjectionTable, Scan, Table, keys, until};

/// Sagas that are looked at for one question, at most.
pub(super) const MAX_EXAMINED: u64 = if cfg!(test) { 400 } else { 100_000 };

/// Where they are found. Each has all sagas that can match, and others.
#[derive(Clone, Copy, Debug)]
enum Source<'f> {
    /// The sagas of an order.
    Order(&'f OrderId),
    /// The sagas of a trace.
    Trace(&'f str),
    /// The sagas of which now is so what an index has: they break a rule, or have nothing to compensate.
    Judged(Condition),
    /// The sagas that are late, and some that failed long enough ago.
    Stuck(AskedStuck),
    /// The sagas that started in a period, of a type and in a status.
    Start,
}

/// What a source has.
enum Found {
    All(Vec<SagaId>),
    /// So many, or more.
    TooMany(u64),
}

/// The candidates, in any order and each once.
pub(super) fn candidates(past: &Past<'_>, filter: &Filter) -> Result<Vec<SagaId>, QueryError> {
    let mut fewest = u64::MAX;
    if !past.moment.is_now() {
        past.must_be_kept()?;
    }
    let kept = KeptTables::of(past.trees.store, past.trees.generation)?;
    for source in Source::of(filter, kept) {
        match source.find(past, filter)? {
            Found::All(sagas) => return Ok(sagas),
            Found::TooMany(sagas) => fewest = fewest.min(sagas),
        }
    }
    Err(QueryError::TooManyToExamine {
        found: fewest,
        limit: MAX_EXAMINED,
    })
}

impl<'f> Source<'f> {
    /// Those that a filter can use, likely the narrowest first.
    fn of(filter: &'f Filter, kept: KeptTables) -> impl Iterator<Item = Self> {
        let order = filter.order_id.as_ref().map(Self::Order);
        let trace = filter.inside.trace_id.as_deref().map(Self::Trace);
        let trace = trace.filter(|_| kept.has(ProjectionTable::ByTrace));
        // Of whom it was so at another moment the index does not know.
        let judged = [rule_of(filter), compensation_of(filter)].into_iter().flatten();
        let is_now = filter.moment.is_now();
        let judged = judged.filter(move |_| is_now).map(Self::Judged);
        let stuck = filter.inside.stuck.map(Self::Stuck);
        let narrowed = order.into_iter().chain(trace).chain(judged).chain(stuck);
        narrowed.chain([Self::Start])
    }

    fn find(self, past: &Past<'_>, filter: &Filter) -> Result<Found, QueryError> {
        match self {
            Self::Order(order) => listed(past, ProjectionTable::ByOrder, order.as_str()),
            Self::Trace(trace_id) => listed(past, ProjectionTable::ByTrace, trace_id),
            Self::Judged(condition) => judged(past.trees, filter, condition),
            Self::Stuck(asked) => late(past, filter, asked),
            Self::Start if past.moment.is_now() => started(past.trees, &narrowed(filter)),
            Self::Start => started_by(past, &narrowed(filter)),
        }
    }
}

fn rule_of(filter: &Filter) -> Option<Condition> {
    filter.inside.rule.map(Condition::Breaks)
}

/// What owes something breaks a rule.
fn compensation_of(filter: &Filter) -> Option<Condition> {
    match filter.inside.compensation? {
        CompensationState::NothingToCompensate => Some(Condition::NothingToCompensate),
        CompensationState::Owed => Some(ConformanceRule::NeverCompensated.into()),
        CompensationState::NotNeeded
        | CompensationState::Compensated
        | CompensationState::PartlyCompensated => None,
    }
}

/// The filter, with the status that follows from the compensation that it asks for.
fn narrowed(filter: &Filter) -> Filter {
    let status = filter.inside.compensation.and_then(CompensationState::status);
    Filter {
        status: filter.status.or(status),
        ..filter.clone()
    }
}

/// The sagas under one text of an index of today, and those that may have stood under it by what was known then.
/// What an event names an instant knows too: of those that had happened the first ones are the same. Where there are
/// more than are looked at, nobody counts how many more.
fn listed(past: &Past<'_>, index: ProjectionTable, under: &str) -> Result<Found, QueryError> {
    let mut sagas = Vec::new();
    let table = Table::Projection(past.trees.generation, index);
    Scan::of(table, under.as_bytes()).each(past.trees.store, |saga, _| {
        sagas.push(SagaId::new(keys::parse_text(table.name(), saga)?));
        Ok(until(sagas.len() as u64 > MAX_EXAMINED))
    })?;
    let found = sagas.len() as u64;
    if found > MAX_EXAMINED {
        return Ok(Found::TooMany(found));
    }
    if let Some(known_at) = past.moment.known_at {
        let mut others = known_otherwise(past, known_at)?;
        sagas.iter().for_each(|saga| {
            others.remove(saga);
        });
        sagas.extend(others);
    }
    Ok(Found::All(sagas))
}

/// The sagas of the filter's type that break a rule, or have nothing to compensate. Those stand by their start.
fn judged(trees: Trees<'_>, filter: &Filter, condition: Condition) -> Result<Found, QueryError> {
    let span = match condition {
        Condition::NothingToCompensate => Span::of(filter.from, filter.to),
        Condition::Breaks(_) | Condition::In(_) => Span::ALL,
    };
    let stream = broken_rules::stream(filter.saga_type.as_ref(), condition);
    let total = trees.sagas_in(&stream, span)?;
    all_of(total, |seek| broken_rules::walk(trees, vec![stream], span, seek))
}

/// The sagas that can be stuck at the moment.
fn late(past: &Past<'_>, filter: &Filter, asked: AskedStuck) -> Result<Found, QueryError> {
    let sagas = stuck_sagas::candidates(past, filter, asked, MAX_EXAMINED)?;
    Ok(sagas.map_or_else(Found::TooMany, Found::All))
}

/// The sagas that match now, what happened inside apart.
fn started(trees: Trees<'_>, filter: &Filter) -> Result<Found, QueryError> {
    let total = by_time::total(trees, filter)?;
    all_of(total, |seek| by_time::by_start(trees, filter, seek))
}

/// The sagas that matched then, what happened inside apart.
fn started_by(past: &Past<'_>, filter: &Filter) -> Result<Found, QueryError> {
    let grid = past::grid(past)?;
    let total = past::total(&grid, filter)?;
    all_of(total, |seek| {
        let mut walk = past::walk(&grid, filter, seek);
        walk.run()?;
        Ok(walk.seek)
    })
}

fn all_of(total: u64, walk: impl FnOnce(Seek) -> Result<Seek, QueryError>) -> Result<Found, QueryError> {
    if total > MAX_EXAMINED {
        return Ok(Found::TooMany(total));
    }
    let want = usize::try_from(total).unwrap_or(usize::MAX);
    let rows = walk(Seek::ascending(0, want))?.found();
    Ok(Found::All(rows.into_iter().map(|(_, saga)| saga).collect()))
}
