//! Reading the census: how many sagas stood in each status at an instant, in any cell of starts, at a cost that
//! depends neither on how many sagas there are nor on which instant it is.
//!
//! Of every level of time the cells that lie before the instant, inside the cell of the level above that it
//! lies in, are read; what is left, 4 seconds at most, is read from the single moves. How pages are found is
//! not here, but in [`super::walk_at`].

use super::QueryError;
use super::corrections::Corrections;
use super::trees::{Overlap, Span, Trees};
use crate::domain::{Millis, SagaId, SagaStatus, SagaType, StatusPath};
use crate::store::codec::Record;
use crate::store::keys::{self, CensusCell};
use crate::store::records::{CensusRecord, MoveRecord, StartedRecord};
use crate::store::{Direction, Key, ProjectionTable, Scan, StoreError, Table, cells};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

/// Takes a type and what its sagas add.
pub(super) type AddSums<'a> = dyn FnMut(&str, &CensusRecord) + 'a;

/// The sagas as they stood at an instant.
pub(super) struct Grid<'r> {
    pub(super) trees: Trees<'r>,
    pub(super) at: Millis,
    /// What moved inside the finest cell of time, up to the instant: by the finest cell of starts, and type.
    recent: BTreeMap<(i64, String), CensusRecord>,
    pub(super) corrections: Corrections,
}

impl<'r> Grid<'r> {
    pub(super) fn new(trees: Trees<'r>, at: Millis, corrections: Corrections) -> Result<Self, StoreError> {
        let mut recent: BTreeMap<(i64, String), CensusRecord> = BTreeMap::new();
        let mut key = Key::default();
        keys::moves_partition(&mut key, at);
        let first = cells::first(cells::LEAF, cells::cell(cells::LEAF, at));
        let (from, to) = (
            keys::sortable_i64(first.0),
            at.0.checked_add(1).map(keys::sortable_i64),
        );
        let end = to
            .as_ref()
            .map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
        let table = Table::Projection(trees.generation, ProjectionTable::Moves);
        Scan::of(table, key.partition())
            .range((Bound::Included(&from[..]), end))
            .each(trees.store, |sort, value| {
                let (at, _) = keys::parse_by_time_sort(sort)?;
                let record = MoveRecord::read(value)?;
                let (step, started_at) = record.at(at)?;
                let cell = cells::cell(cells::LEAF, started_at);
                let sums = recent.entry((cell, record.saga_type.to_owned())).or_default();
                sums.add_move(&step, started_at, 1);
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(Self {
            trees,
            at,
            recent,
            corrections,
        })
    }

    /// Visits what the sagas add up to that started in the cells of a level that lie in one cell, each cell and
    /// type several times.
    pub(super) fn children(
        &self,
        level: u8,
        parent: i64,
        mut visit: impl FnMut(i64, &str, &CensusRecord),
    ) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::census_partition(&mut key, level, parent);
        for time_level in 0..cells::LEVELS {
            self.each_row(&key, level, time_level, &mut visit)?;
        }
        let inside = |leaf: i64| {
            let start = cells::up(leaf, level);
            (cells::parent(level, start) == parent).then_some(start)
        };
        for ((leaf, saga_type), sums) in &self.recent {
            if let Some(start) = inside(*leaf) {
                visit(start, saga_type, sums);
            }
        }
        for (started_at, saga_type, sums) in self.corrections.sums() {
            if let Some(start) = inside(cells::cell(cells::LEAF, started_at)) {
                visit(start, saga_type, &sums);
            }
        }
        Ok(())
    }

    /// The cells of a level of time that lie before the instant, and in the cell above that it lies in. Of
    /// single instants it is one of them.
    fn times(&self, time_level: u8) -> ([u8; 9], [u8; 9]) {
        let above = |level: u8| cells::first(level, cells::cell(level, self.at));
        let (first, end) = match time_level {
            0 => (i64::MIN, cells::cell(0, self.at)),
            keys::INSTANTS => (above(cells::LEAF).0, self.at.0.saturating_add(1)),
            level => (cells::cell(level, above(level - 1)), cells::cell(level, self.at)),
        };
        (
            keys::census_times(time_level, first),
            keys::census_times(time_level, end),
        )
    }

    /// Visits what the sagas add up to that are purged, by type, each several times.
    pub(super) fn purged(&self, add: &mut AddSums<'_>) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::census_partition(&mut key, keys::PURGED_STARTS, 0);
        (0..=keys::INSTANTS).try_for_each(|level| {
            self.each_row(&key, keys::PURGED_STARTS, level, |_, saga_type, sums| {
                add(saga_type, sums);
            })
        })
    }

    /// Visits the rows of a level of time up to the instant: cell of starts, type, sums.
    fn each_row(
        &self,
        partition: &Key,
        start_level: u8,
        time_level: u8,
        mut visit: impl FnMut(i64, &str, &CensusRecord),
    ) -> Result<(), StoreError> {
        let table = Table::Projection(self.trees.generation, ProjectionTable::Census);
        let (from, to) = self.times(time_level);
        Scan::of(table, partition.partition())
            .range((Bound::Included(&from[..]), Bound::Excluded(&to[..])))
            .each(self.trees.store, |sort, value| {
                let (CensusCell { start, .. }, saga_type) = keys::parse_census_sort(start_level, sort)?;
                visit(start, saga_type, &CensusRecord::read(value)?);
                Ok(ControlFlow::Continue(()))
            })
    }

    /// Sums up the sagas of a type (none: of all) that started in the span, by type, each several times.
    pub(super) fn sums(
        &self,
        saga_type: Option<&SagaType>,
        span: Span,
        add: &mut AddSums<'_>,
    ) -> Result<(), QueryError> {
        self.below(saga_type, span, (0, 0), add)
    }

    fn below(
        &self,
        wanted: Option<&SagaType>,
        span: Span,
        (level, parent): (u8, i64),
        add: &mut AddSums<'_>,
    ) -> Result<(), QueryError> {
        let mut edges = BTreeSet::new();
        self.children(level, parent, |cell, saga_type, sums| {
            if wanted.is_some_and(|wanted| wanted.as_str() != saga_type) {
                return;
            }
            match span.overlap(level, cell) {
                Overlap::None => {}
                Overlap::Whole => add(saga_type, sums),
                Overlap::Part => {
                    edges.insert(cell);
                }
            }
        })?;
        for cell in edges {
            if level < cells::LEAF {
                self.below(wanted, span, (level + 1, cell), add)?;
            } else {
                self.sums_of_leaf(wanted, span, cell, add)?;
            }
        }
        Ok(())
    }

    fn sums_of_leaf(
        &self,
        wanted: Option<&SagaType>,
        span: Span,
        cell: i64,
        add: &mut AddSums<'_>,
    ) -> Result<(), QueryError> {
        let at = self.at;
        for saga_type in self.types_in(wanted, cell)? {
            let mut sums = CensusRecord::default();
            for status in SagaStatus::ALL {
                let of = (status, &saga_type);
                self.rows(of, cell, span, Direction::Forward, |started_at, _, path| {
                    for step in path.moves().take_while(|step| step.at <= at) {
                        sums.add_move(&step, started_at, 1);
                    }
                    ControlFlow::Continue(())
                })?;
            }
            for (started_at, corrected, by) in self.corrections.sums() {
                if span.contains(started_at)
                    && cells::cell(cells::LEAF, started_at) == cell
                    && corrected == saga_type.as_str()
                {
                    sums.add(&by);
                }
            }
            add(saga_type.as_str(), &sums);
        }
        Ok(())
    }

    /// The types of the sagas that started in a finest cell, up to the instant.
    pub(super) fn types_in(
        &self,
        wanted: Option<&SagaType>,
        cell: i64,
    ) -> Result<BTreeSet<SagaType>, StoreError> {
        if let Some(one) = wanted {
            return Ok(BTreeSet::from([one.clone()]));
        }
        let mut types: BTreeSet<SagaType> = BTreeSet::new();
        let mut last = String::new();
        self.children(
            cells::LEAF,
            cells::parent(cells::LEAF, cell),
            |start, saga_type, _| {
                if start == cell && last != saga_type {
                    saga_type.clone_into(&mut last);
                    types.insert(SagaType::new(saga_type));
                }
            },
        )?;
        Ok(types)
    }

    /// Visits the sagas that are in a status now and started in a finest cell, inside the span: start, id, and
    /// their status at every instant.
    pub(super) fn rows(
        &self,
        (status, saga_type): (SagaStatus, &SagaType),
        cell: i64,
        span: Span,
        direction: Direction,
        mut visit: impl FnMut(Millis, &str, &StatusPath) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let tree = keys::Tree::Started;
        self.trees.rows(
            tree,
            (status.into(), saga_type),
            cell,
            span,
            direction,
            usize::MAX,
            |started_at, saga, value| {
                let path = StartedRecord::read(value)?.path(started_at)?;
                Ok(visit(started_at, saga, &path))
            },
        )
    }

    /// Whether what the index says of a saga does not hold, so that the corrections have to be asked.
    pub(super) fn is_corrected(&self, saga: &str) -> bool {
        !self.corrections.is_empty() && self.corrections.has(&SagaId::new(saga))
    }
}
