//! The sagas that are stuck, or were at an instant, page by page, with the exact total.
//!
//! Now, those past their deadline are found by their start, and those that owe a compensation by when they failed
//! (the index of who breaks NEVER_COMPENSATED is that): at a cost that does not depend on how many there are. Then,
//! those past their deadline are found in the census; whether something was owed only the state of that moment
//! tells, so the sagas that had failed are looked through, up to a bound. So they are, too, where only sagas that
//! started in some period are asked for. Sagas of types without a definition are never stuck.

mod candidates;

use super::grid::Grid;
use super::past_state::Past;
use super::seek::Seek;
use super::trees::{Row, Span, Stream, Trees};
use super::views::views;
use super::walk::Walk;
use super::walk_at::{WalkAt, standing};
use super::{Basis, Moment, QueryError, SagaView, broken_rules, past};
use crate::domain::{
    ConformanceRule, InForce, Millis, SagaDefinition, SagaDefinitions, SagaStatus, SagaType, Stuck,
    StuckRule, stuck,
};
use crate::store::keys::Tree;
use crate::store::{Store, StoreError, reads};
use std::collections::BTreeMap;

pub(super) use candidates::candidates;

/// Sagas that are looked through for one question, at most.
pub(super) const MAX_FAILED: u64 = if cfg!(test) { 60 } else { 100_000 };
/// The statuses in which a saga has a deadline.
const UNENDED: [SagaStatus; 2] = [SagaStatus::Started, SagaStatus::InProgress];
/// States that are read at once.
const STATES: usize = 500;

/// Which stuck sagas, and which part of them.
#[derive(Clone, Debug, PartialEq)]
pub struct StuckRequest {
    /// Stuck at this moment; otherwise as they stand now.
    pub moment: Moment,
    /// When is now.
    pub now: Millis,
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
    /// Within a type, those that came to be stuck last are first.
    pub newest_first: bool,
}

/// The part that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct StuckPage {
    /// The sagas as they were then: by rule, then type, then since when they were stuck.
    pub sagas: Vec<(SagaView, Stuck)>,
    /// How many there are in all. Exact.
    pub total: u64,
    /// What they were found in.
    pub basis: Basis,
}

/// How many sagas of a type are stuck now, by each rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StuckCounts {
    /// Past their deadline.
    pub past_deadline: u64,
    /// Failed, and not compensated in time.
    pub compensation_overdue: u64,
}

pub(super) fn stuck_sagas(
    store: &dyn Store,
    ours: &InForce,
    request: &StuckRequest,
) -> Result<StuckPage, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let definitions = reads::definitions_of(&*snapshot, generation, ours)?;
    let cursor = reads::cursor(&*snapshot, generation)?;
    let past = Past {
        trees: Trees {
            store: &*snapshot,
            generation,
        },
        definitions: &definitions,
        cursor: &cursor,
        moment: Moment {
            as_of: Some(request.at()),
            known_at: request.moment.known_at,
        },
    };
    let asked = Asked {
        request,
        past: &past,
        grid: if request.moment.is_now() {
            None
        } else {
            Some(past::grid(&past)?)
        },
    };
    let mut page = Page {
        skip: request.page.saturating_mul(request.size as u64),
        size: request.size,
        total: 0,
        sagas: Vec::new(),
    };
    if request.rule != Some(StuckRule::CompensationOverdue) {
        for (saga_type, definition) in wanted(&definitions, request) {
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

/// The same, counted by type.
pub(super) fn stuck_counts(
    trees: Trees<'_>,
    definitions: &SagaDefinitions,
    now: Millis,
) -> Result<BTreeMap<String, StuckCounts>, QueryError> {
    let mut counts = BTreeMap::new();
    for (name, definition) in &definitions.types {
        let saga_type = SagaType::new(name);
        let mut of = StuckCounts::default();
        let unended = Group {
            saga_type: &saga_type,
            statuses: &UNENDED,
            started: until(now, definition.deadline_seconds),
        };
        for stream in unended.streams() {
            of.past_deadline += trees.sagas_in(&stream, unended.started)?;
        }
        let span = until(now, definition.compensation_seconds);
        of.compensation_overdue = trees.sagas_in(&owing(&saga_type), span)?;
        counts.insert(name.clone(), of);
    }
    Ok(counts)
}

/// The sagas of a type that failed and owe a compensation, by when they failed.
fn owing(saga_type: &SagaType) -> Stream {
    broken_rules::stream(Some(saga_type), ConformanceRule::NeverCompensated)
}

impl StuckRequest {
    /// The instant at which they are, or were, stuck.
    pub fn at(&self) -> Millis {
        self.moment.as_of.unwrap_or(self.now)
    }

    fn is_dated(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Whether the state of each saga that had failed has to be read.
    pub fn reads_each_failed(&self) -> bool {
        self.rule != Some(StuckRule::PastDeadline) && (self.is_dated() || !self.moment.is_now())
    }
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

/// Sagas of a type that stood, or stand, in one of these statuses, by their start.
struct Group<'g> {
    saga_type: &'g SagaType,
    statuses: &'g [SagaStatus],
    started: Span,
}

struct Asked<'q, 'r> {
    request: &'q StuckRequest,
    past: &'q Past<'r>,
    /// How all stood at the moment, unless that is now.
    grid: Option<Grid<'r>>,
}

impl Asked<'_, '_> {
    fn past_deadline(
        &self,
        saga_type: &SagaType,
        definition: &SagaDefinition,
        page: &mut Page,
    ) -> Result<(), QueryError> {
        let group = self.unended(saga_type, definition);
        let (skip, want) = page.take(self.count(&group)?);
        if want == 0 {
            return Ok(());
        }
        let rows = self.find(&group, self.seek(skip, want))?;
        self.put(definition, &rows, page)
    }

    fn overdue(&self, definitions: &SagaDefinitions, page: &mut Page) -> Result<(), QueryError> {
        let can_owe = wanted(definitions, self.request).filter(|(_, of)| !of.compensates.is_empty());
        let can_owe: Vec<(SagaType, &SagaDefinition)> = can_owe.collect();
        if !self.request.reads_each_failed() {
            for (saga_type, definition) in can_owe {
                self.owing(&saga_type, definition, page)?;
            }
            return Ok(());
        }
        let mut found = 0;
        for (saga_type, definition) in &can_owe {
            found += self.count(&self.failed(saga_type, definition))?;
        }
        if found > MAX_FAILED {
            let limit = MAX_FAILED;
            return Err(QueryError::TooManyFailed { found, limit });
        }
        for (saga_type, definition) in can_owe {
            self.look_through(&self.failed(&saga_type, definition), definition, page)?;
        }
        Ok(())
    }

    /// Those that owe a compensation now and failed long enough ago.
    fn owing(
        &self,
        saga_type: &SagaType,
        definition: &SagaDefinition,
        page: &mut Page,
    ) -> Result<(), QueryError> {
        let (trees, stream) = (self.past.trees, owing(saga_type));
        let span = until(self.request.now, definition.compensation_seconds);
        let (skip, want) = page.take(trees.sagas_in(&stream, span)?);
        if want == 0 {
            return Ok(());
        }
        let found = broken_rules::walk(trees, vec![stream], span, self.seek(skip, want))?;
        self.put(definition, &found.found(), page)
    }

    /// Those that had not ended and started before their deadline.
    fn unended<'g>(&self, saga_type: &'g SagaType, definition: &SagaDefinition) -> Group<'g> {
        Group {
            saga_type,
            statuses: &UNENDED,
            started: self.started_until(definition.deadline_seconds),
        }
    }

    /// Those that had failed and started long enough before.
    fn failed<'g>(&self, saga_type: &'g SagaType, definition: &SagaDefinition) -> Group<'g> {
        Group {
            saga_type,
            statuses: &[SagaStatus::Failed],
            started: self.started_until(definition.compensation_seconds),
        }
    }

    /// Looks at every saga of a group for whether it is stuck.
    fn look_through(
        &self,
        group: &Group<'_>,
        definition: &SagaDefinition,
        page: &mut Page,
    ) -> Result<(), QueryError> {
        let all = self.find(
            group,
            Seek::ascending(0, usize::try_from(MAX_FAILED).unwrap_or(usize::MAX)),
        )?;
        let mut late: Vec<Row> = Vec::new();
        for some in all.chunks(STATES) {
            let judged = self.judged(definition, some)?.into_iter();
            late.extend(judged.filter_map(|(view, stuck)| Some((stuck?.since, view.saga_id))));
        }
        late.sort_unstable();
        if self.request.newest_first {
            late.reverse();
        }
        let (skip, want) = page.take(late.len() as u64);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let rows: Vec<Row> = late.into_iter().skip(skip).take(want).collect();
        self.put(definition, &rows, page)
    }

    fn seek(&self, skip: u64, want: usize) -> Seek {
        let seek = Seek::ascending(skip, want);
        if self.request.newest_first {
            seek.reversed()
        } else {
            seek
        }
    }

    /// Puts sagas that are stuck onto the page.
    fn put(&self, definition: &SagaDefinition, rows: &[Row], page: &mut Page) -> Result<(), QueryError> {
        for (view, stuck) in self.judged(definition, rows)? {
            let found = stuck.ok_or_else(|| {
                let saga = &view.saga_id;
                StoreError::Corrupt(format!("counts: saga {saga} is indexed as what it was not"))
            })?;
            page.sagas.push((view, found));
        }
        Ok(())
    }

    fn started_until(&self, seconds: u64) -> Span {
        let latest = until(self.request.at(), seconds).to;
        Span::of(
            self.request.from,
            Some(self.request.to.map_or(latest, |to| to.min(latest))),
        )
    }

    fn count(&self, group: &Group<'_>) -> Result<u64, QueryError> {
        let Some(grid) = &self.grid else {
            let mut sagas = 0;
            for stream in group.streams() {
                sagas += self.past.trees.sagas_in(&stream, group.started)?;
            }
            return Ok(sagas);
        };
        let mut sagas = 0;
        grid.sums(Some(group.saga_type), group.started, &mut |_, sums| {
            sagas += standing(sums, group.statuses);
        })?;
        Ok(u64::try_from(sagas).unwrap_or(0))
    }

    fn find(&self, group: &Group<'_>, seek: Seek) -> Result<Vec<Row>, QueryError> {
        let Some(grid) = &self.grid else {
            let mut walk = Walk {
                trees: self.past.trees,
                tree: Tree::Started,
                streams: group.streams(),
                span: group.started,
                started: group.started,
                seek,
            };
            walk.run()?;
            return Ok(walk.seek.found());
        };
        let mut walk = WalkAt {
            grid,
            statuses: group.statuses.to_vec(),
            saga_type: Some(group.saga_type.clone()),
            span: group.started,
            seek,
        };
        walk.run()?;
        Ok(walk.seek.found())
    }

    fn judged(
        &self,
        definition: &SagaDefinition,
        rows: &[Row],
    ) -> Result<Vec<(SagaView, Option<Stuck>)>, QueryError> {
        let views = match &self.grid {
            None => views(self.past.trees, rows)?,
            Some(_) => past::views(self.past, rows)?,
        };
        let judge = |view: SagaView| {
            let found = stuck(&view.state, definition, self.request.at());
            (view, found)
        };
        Ok(views.into_iter().map(judge).collect())
    }
}

impl Group<'_> {
    fn streams(&self) -> Vec<Stream> {
        let streams = self.statuses.iter().map(|status| Stream {
            condition: (*status).into(),
            saga_type: Some(self.saga_type.clone()),
        });
        streams.collect()
    }
}

/// All until so long before an instant.
fn until(instant: Millis, seconds: u64) -> Span {
    let millis = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Span::of(None, Some(Millis(instant.0.saturating_sub(millis))))
}
