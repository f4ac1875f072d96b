//! The sagas that break rules of their definitions: how many, by type and rule, and which, by when they last did, page
//! by page at a cost that does not depend on the depth. Beside them, how many failed with nothing to compensate.

use super::order::Part;
use super::seek::Seek;
use super::trees::{Row, Span, Stream, Trees};
use super::views::views;
use super::walk::Walk;
use super::{Basis, QueryError, SagaView, Sort, SortKey};
use crate::domain::{ConformanceRule, InForce, Millis, SagaDefinitions, SagaType, Violation, conformance};
use crate::store::keys::{Condition, Tree};
use crate::store::{Store, StoreError, reads};
use std::collections::BTreeMap;

/// Which sagas that break rules, and which part of them.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokenRulesRequest {
    /// Of this type.
    pub saga_type: Option<SagaType>,
    /// Breaking this rule.
    pub rule: Option<ConformanceRule>,
    /// Having broken it last at or after.
    pub from: Option<Millis>,
    /// Having broken it last at or before.
    pub to: Option<Millis>,
    /// The page, from 0.
    pub page: u64,
    /// Rows on a page.
    pub size: usize,
}

/// How many sagas break each rule, by type. Only pairs of which there are any.
pub type BrokenCounts = BTreeMap<(String, ConformanceRule), u64>;

/// A saga that breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokenRule {
    /// The rule.
    pub rule: ConformanceRule,
    /// When it was last broken.
    pub at: Millis,
    /// How, each time.
    pub violations: Vec<Violation>,
    /// The saga.
    pub saga: SagaView,
}

/// The part that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokenRulesPage {
    /// How many there are in all. Exact.
    pub counts: BrokenCounts,
    /// How many sagas of the type, or of each, failed with nothing to compensate; whatever rule and dates are asked
    /// for. Exact; only types of which there are any.
    pub nothing_to_compensate: BTreeMap<String, u64>,
    /// Those of the page, by when they last broke their rule, latest first.
    pub rows: Vec<BrokenRule>,
    /// What they were found in.
    pub basis: Basis,
}

impl BrokenRulesPage {
    /// How many there are in all: a saga is there once for each rule that it breaks.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

pub(super) fn broken_rules(
    store: &dyn Store,
    in_force: &InForce,
    request: &BrokenRulesRequest,
) -> Result<BrokenRulesPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let definitions = reads::definitions_of(&*snapshot, generation, in_force)?;
    let streams = streams(request.saga_type.as_ref(), request.rule);
    let span = Span::of(request.from, request.to);
    let counts = counts(trees, &streams, span)?;
    let found = Found {
        trees,
        streams,
        span,
        total: counts.values().sum(),
    };
    let rows = found.page(request)?;
    Ok(BrokenRulesPage {
        counts,
        nothing_to_compensate: nothing_to_compensate(trees, request.saga_type.as_ref())?,
        rows: told(trees, &definitions, request.rule, rows)?,
        basis: Basis::of(reads::cursor(&*snapshot, generation)?, &definitions),
    })
}

/// The sagas of a type, or of all, that break a rule, or have nothing to compensate.
pub(super) fn stream(saga_type: Option<&SagaType>, condition: impl Into<Condition>) -> Stream {
    Stream {
        condition: condition.into(),
        saga_type: saga_type.cloned(),
    }
}

/// The sagas of some streams, by when they last broke the rules of those.
pub(super) fn walk(
    trees: Trees<'_>,
    streams: Vec<Stream>,
    span: Span,
    seek: Seek,
) -> Result<Seek, QueryError> {
    let mut walk = Walk {
        trees,
        tree: Tree::Broken,
        streams,
        span,
        started: Span::ALL,
        seek,
    };
    walk.run()?;
    Ok(walk.seek)
}

/// Those that break a rule, or any; by rule.
pub(super) fn streams(saga_type: Option<&SagaType>, rule: Option<ConformanceRule>) -> Vec<Stream> {
    let rules = ConformanceRule::ALL.into_iter();
    let rules = rules.filter(|one| rule.is_none_or(|wanted| wanted == *one));
    rules.map(|rule| stream(saga_type, rule)).collect()
}

pub(super) fn counts(trees: Trees<'_>, streams: &[Stream], span: Span) -> Result<BrokenCounts, QueryError> {
    let mut counts = BrokenCounts::new();
    for stream in streams {
        let Condition::Breaks(rule) = stream.condition else {
            continue;
        };
        trees.count(stream, span, false, &mut |saga_type, count| {
            let sagas = u64::try_from(count.sagas).unwrap_or(0);
            *counts.entry((saga_type.to_owned(), rule)).or_default() += sagas;
        })?;
    }
    counts.retain(|_, sagas| *sagas > 0);
    Ok(counts)
}

/// How many sagas failed with nothing to compensate, by type. Only types of which there are any.
pub(super) fn nothing_to_compensate(
    trees: Trees<'_>,
    saga_type: Option<&SagaType>,
) -> Result<BTreeMap<String, u64>, QueryError> {
    let stream = stream(saga_type, Condition::NothingToCompensate);
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    trees.count(&stream, Span::ALL, false, &mut |saga_type, count| {
        *sums.entry(saga_type.to_owned()).or_default() += count.sagas;
    })?;
    let counts = sums.into_iter();
    let counts = counts.map(|(name, sagas)| (name, u64::try_from(sagas).unwrap_or(0)));
    Ok(counts.filter(|(_, sagas)| *sagas > 0).collect())
}

/// What is found of the rows that were asked for.
struct Found<'r> {
    trees: Trees<'r>,
    streams: Vec<Stream>,
    span: Span,
    total: u64,
}

impl Found<'_> {
    /// The rows of the page, each with how many there are before it that are like it: a saga that last broke
    /// several rules at one instant has as many rows, which look alike.
    fn page(self, request: &BrokenRulesRequest) -> Result<Vec<(Row, usize)>, QueryError> {
        let skip = request.page.saturating_mul(request.size as u64);
        if skip >= self.total {
            return Ok(Vec::new());
        }
        // So many rows before the page are looked at that none like its first one is missed.
        let lead = skip.min(ConformanceRule::ALL.len() as u64 - 1);
        let ahead = usize::try_from(lead).unwrap_or(0);
        let part = Part {
            skip: skip - lead,
            size: request.size.saturating_add(ahead),
            behind: None,
        };
        let latest_first = Sort {
            key: SortKey::UpdatedAt,
            descending: true,
        };
        let seek = Seek::part(&part, self.total, latest_first);
        let found = walk(self.trees, self.streams, self.span, seek)?.found();
        Ok(numbered(found).split_off(ahead))
    }
}

/// Each row with how many equal ones come right before it.
fn numbered(rows: Vec<Row>) -> Vec<(Row, usize)> {
    let mut numbered: Vec<(Row, usize)> = Vec::with_capacity(rows.len());
    for row in rows {
        let number = match numbered.last() {
            Some((last, number)) if *last == row => number + 1,
            _ => 0,
        };
        numbered.push((row, number));
    }
    numbered
}

/// The same with what is to be said of each; of a saga's rows at one instant the first is of the first rule that it
/// last broke then.
fn told(
    trees: Trees<'_>,
    definitions: &SagaDefinitions,
    wanted: Option<ConformanceRule>,
    rows: Vec<(Row, usize)>,
) -> Result<Vec<BrokenRule>, QueryError> {
    let (rows, numbers): (Vec<Row>, Vec<usize>) = rows.into_iter().unzip();
    let views = views(trees, &rows)?.into_iter();
    let told = views.zip(rows).zip(numbers).map(|((saga, (at, _)), number)| {
        let broken = definitions.broken_rules(&saga.state).into_iter();
        let mut then = broken.filter(|(rule, last)| *last == at && wanted.is_none_or(|of| of == *rule));
        let Some((rule, _)) = then.nth(number) else {
            let id = &saga.saga_id;
            let why = format!("by_rule: saga {id} is indexed by a rule that it did not break at {at}");
            return Err(StoreError::Corrupt(why).into());
        };
        let of_type = definitions.of(&saga.state.saga_type);
        let violations = of_type.map_or_else(Vec::new, |of| conformance(&saga.state, of));
        Ok(BrokenRule {
            rule,
            at,
            violations: violations.into_iter().filter(|of| of.rule == rule).collect(),
            saga,
        })
    });
    told.collect()
}
