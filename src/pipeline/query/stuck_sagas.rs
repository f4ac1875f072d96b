//! The sagas that were stuck at an instant, page by page, with the exact total.
//!
//! Those past their deadline are found in the census, by their start, at a cost that does not depend on how many
//! there are. Whether something is owed after a failure only the state of a saga tells: the sagas that had failed
//! are looked through, up to a bound. Sagas of types without a definition are never stuck.

use super::grid::Grid;
use super::past_state::Past;
use super::seek::Seek;
use super::serving::serving;
use super::trees::{Row, Span, Trees};
use super::walk_at::{WalkAt, standing};
use super::{Basis, Moment, QueryError, SagaView, past};
use crate::domain::{
    InForce, Millis, SagaDefinition, SagaDefinitions, SagaStatus, SagaType, Stuck, StuckRule, stuck,
};
use crate::store::{Store, StoreError, reads};

/// Sagas that had failed and are looked through for one question, at most.
pub(super) const MAX_FAILED: u64 = if cfg!(test) { 60 } else { 10_000 };
/// States that are read at once.
const STATES: usize = 500;

/// Which stuck sagas, and which part of them.
#[derive(Clone, Debug, PartialEq)]
pub struct StuckRequest {
    /// Stuck then, by event time.
    pub at: Millis,
    /// By what was known then, by arrival time; everything when it is not given.
    pub known_at: Option<Millis>,
    /// Of this type.
    pub saga_type: Option<SagaType>,
    /// By this rule.
    pub rule: Option<StuckRule>,
    /// Started at or after.
    pub from: Option<Millis>,
    /// Started at or before.
    pub to: Option<Millis>,
    /// The page, from 0.
    pub page: u64,
    /// Sagas on a page.
    pub size: usize,
}

/// The part that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct StuckPage {
    /// The sagas as they were then: by rule, then type, then start.
    pub sagas: Vec<(SagaView, Stuck)>,
    /// How many there are in all. Exact.
    pub total: u64,
    /// What they were found in.
    pub basis: Basis,
}

pub(super) fn stuck_sagas(
    store: &dyn Store,
    ours: &InForce,
    request: &StuckRequest,
) -> Result<StuckPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let definitions = serving(ours, &*snapshot, generation)?;
    let cursor = reads::cursor(&*snapshot, generation)?;
    let past = Past {
        trees: Trees {
            store: &*snapshot,
            generation,
        },
        definitions: &definitions,
        cursor: &cursor,
        moment: Moment {
            as_of: Some(request.at),
            known_at: request.known_at,
        },
    };
    let asked = Asked {
        request,
        past: &past,
        grid: &past::grid(&past)?,
    };
    let mut page = Page {
        skip: request.page.saturating_mul(request.size as u64),
        size: request.size,
        total: 0,
        sagas: Vec::new(),
    };
    for (saga_type, definition) in wanted(&definitions, request) {
        if request.rule != Some(StuckRule::CompensationOverdue) {
            asked.past_deadline(&saga_type, definition, &mut page)?;
        }
    }
    if request.rule != Some(StuckRule::PastDeadline) {
        asked.overdue(&definitions, &mut page)?;
    }
    Ok(StuckPage {
        sagas: page.sagas,
        total: page.total,
        basis: Basis::of(cursor.clone(), &definitions),
    })
}

/// The types that have a definition, by name.
fn wanted<'d>(
    definitions: &'d SagaDefinitions,
    request: &'d StuckRequest,
) -> impl Iterator<Item = (SagaType, &'d SagaDefinition)> {
    let types = definitions.types.iter();
    let types = types.map(|(name, definition)| (SagaType::new(name), definition));
    types.filter(|(name, _)| request.saga_type.as_ref().is_none_or(|wanted| wanted == name))
}

/// The part that was asked for, as far as it is filled.
struct Page {
    /// Sagas still to be passed over.
    skip: u64,
    size: usize,
    total: u64,
    sagas: Vec<(SagaView, Stuck)>,
}

impl Page {
    /// Of so many further sagas, how many are passed over and how many are on the page.
    fn take(&mut self, sagas: u64) -> (u64, usize) {
        self.total += sagas;
        let skip = self.skip.min(sagas);
        self.skip -= skip;
        let room = self.size - self.sagas.len();
        let left = usize::try_from(sagas - skip).unwrap_or(usize::MAX);
        (skip, left.min(room))
    }
}

struct Asked<'q, 'r> {
    request: &'q StuckRequest,
    past: &'q Past<'r>,
    grid: &'q Grid<'r>,
}

impl<'r> Asked<'_, 'r> {
    fn past_deadline(
        &self,
        saga_type: &SagaType,
        definition: &SagaDefinition,
        page: &mut Page,
    ) -> Result<(), QueryError> {
        let unended = vec![SagaStatus::Started, SagaStatus::InProgress];
        let mut walk = self.walk(saga_type, definition.deadline_seconds, unended);
        let sagas = self.count(&walk)?;
        let (skip, want) = page.take(sagas);
        walk.seek = Seek::ascending(skip, want);
        if walk.seek.is_done() {
            return Ok(());
        }
        walk.run()?;
        for (view, stuck) in self.judged(definition, &walk.seek.found())? {
            let found = stuck.ok_or_else(|| {
                let saga = &view.saga_id;
                StoreError::Corrupt(format!("by_started: saga {saga} is indexed as what it was not"))
            })?;
            page.sagas.push((view, found));
        }
        Ok(())
    }

    fn overdue(&self, definitions: &SagaDefinitions, page: &mut Page) -> Result<(), QueryError> {
        let owing = wanted(definitions, self.request).filter(|(_, of)| !of.compensates.is_empty());
        let mut walks = Vec::new();
        let mut failed = 0;
        for (saga_type, definition) in owing {
            let mut walk = self.walk(
                &saga_type,
                definition.compensation_seconds,
                vec![SagaStatus::Failed],
            );
            let sagas = self.count(&walk)?;
            failed += sagas;
            walk.seek = Seek::ascending(0, usize::try_from(sagas).unwrap_or(usize::MAX));
            walks.push((definition, walk));
        }
        if failed > MAX_FAILED {
            return Err(QueryError::TooManyFailed {
                found: failed,
                limit: MAX_FAILED,
            });
        }
        for (definition, mut walk) in walks {
            walk.run()?;
            for some in walk.seek.found().chunks(STATES) {
                for (view, stuck) in self.judged(definition, some)? {
                    if let Some(stuck) = stuck
                        && page.take(1) == (0, 1)
                    {
                        page.sagas.push((view, stuck));
                    }
                }
            }
        }
        Ok(())
    }

    /// The sagas of a type that stood in one of these statuses, and started so long before.
    fn walk(&self, saga_type: &SagaType, seconds: u64, statuses: Vec<SagaStatus>) -> WalkAt<'_, 'r> {
        let request = self.request;
        let latest = before(request.at, seconds);
        WalkAt {
            grid: self.grid,
            statuses,
            saga_type: Some(saga_type.clone()),
            span: Span::of(request.from, Some(request.to.map_or(latest, |to| to.min(latest)))),
            seek: Seek::ascending(0, 0),
        }
    }

    fn count(&self, walk: &WalkAt<'_, '_>) -> Result<u64, QueryError> {
        let mut sagas = 0;
        self.grid
            .sums(walk.saga_type.as_ref(), walk.span, &mut |_, sums| {
                sagas += standing(sums, &walk.statuses);
            })?;
        Ok(u64::try_from(sagas).unwrap_or(0))
    }

    fn judged(
        &self,
        definition: &SagaDefinition,
        rows: &[Row],
    ) -> Result<Vec<(SagaView, Option<Stuck>)>, QueryError> {
        let views = past::views(self.past, rows)?.into_iter();
        let judge = |view: SagaView| {
            let found = stuck(&view.state, definition, self.request.at);
            (view, found)
        };
        Ok(views.map(judge).collect())
    }
}

fn before(instant: Millis, seconds: u64) -> Millis {
    let millis = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Millis(instant.0.saturating_sub(millis))
}
