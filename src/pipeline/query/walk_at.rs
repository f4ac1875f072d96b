//! Finding the k-th to the (k+n)-th of the sagas that stood in some status at an instant, in order of their
//! start, at a cost that depends neither on the depth nor on how many there are.
//!
//! As in [`super::walk`], cells are passed over by their counts; here the counts are those of the instant.

use super::QueryError;
use super::grid::Grid;
use super::seek::Seek;
use super::trees::{Overlap, Row, Span};
use crate::domain::{SagaId, SagaStatus, SagaType, StatusAt};
use crate::store::records::CensusRecord;
use crate::store::{Direction, cells};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Finds sagas from the `skip`-th on.
pub(super) struct WalkAt<'g, 'r> {
    pub(super) grid: &'g Grid<'r>,
    /// In one of these at the instant.
    pub(super) statuses: Vec<SagaStatus>,
    pub(super) saga_type: Option<SagaType>,
    /// Of their starts.
    pub(super) span: Span,
    /// In order of their start.
    pub(super) seek: Seek,
}

/// The status that is wanted, or all.
pub(super) fn statuses(wanted: Option<SagaStatus>) -> Vec<SagaStatus> {
    wanted.map_or_else(|| SagaStatus::ALL.to_vec(), |status| vec![status])
}

/// How many of the sagas that add up to these sums stood in one of these.
pub(super) fn standing(sums: &CensusRecord, statuses: &[SagaStatus]) -> i64 {
    statuses.iter().map(|status| sums.standing(*status)).sum()
}

impl WalkAt<'_, '_> {
    /// Fills `found`.
    pub(super) fn run(&mut self) -> Result<(), QueryError> {
        self.below(0, 0)
    }

    fn below(&mut self, level: u8, parent: i64) -> Result<(), QueryError> {
        let mut children: BTreeMap<i64, i64> = BTreeMap::new();
        self.grid.children(level, parent, |cell, saga_type, sums| {
            let is_wanted = |wanted: &SagaType| wanted.as_str() == saga_type;
            if self.saga_type.as_ref().is_none_or(is_wanted) {
                *children.entry(cell).or_default() += standing(sums, &self.statuses);
            }
        })?;
        let mut in_order: Vec<(i64, i64)> = children.into_iter().collect();
        if self.seek.direction == Direction::Reverse {
            in_order.reverse();
        }
        for (cell, sagas) in in_order {
            if self.seek.is_done() {
                break;
            }
            let overlap = self.overlap(level, cell);
            let sagas = u64::try_from(sagas).unwrap_or(0);
            if sagas == 0 || overlap == Overlap::None {
                continue;
            }
            if overlap == Overlap::Whole && self.seek.pass_over(sagas) {
                continue;
            }
            if level < cells::LEAF {
                self.below(level + 1, cell)?;
            } else {
                self.leaf(cell)?;
            }
        }
        Ok(())
    }

    /// How a cell lies to what is wanted. Of the sagas that started with the one of the cursor some are behind
    /// it and some are not.
    fn overlap(&self, level: u8, cell: i64) -> Overlap {
        let overlap = self.span.overlap(level, cell);
        if overlap == Overlap::Whole && self.seek.cuts(level, cell) {
            return Overlap::Part;
        }
        overlap
    }

    fn leaf(&mut self, cell: i64) -> Result<(), QueryError> {
        let enough = self.seek.enough();
        let mut rows: Vec<Row> = Vec::new();
        for saga_type in self.grid.types_in(self.saga_type.as_ref(), cell)? {
            for now in SagaStatus::ALL {
                self.rows((now, &saga_type), cell, enough, &mut rows)?;
            }
        }
        self.corrected_rows(cell, &mut rows);
        self.seek.take(rows);
        Ok(())
    }

    /// Adds those that are in one status now, as many as can be needed.
    fn rows(
        &self,
        of: (SagaStatus, &SagaType),
        cell: i64,
        enough: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), QueryError> {
        let mut taken = 0;
        let direction = self.seek.direction;
        self.grid
            .rows(of, cell, self.span, direction, |started_at, saga, path| {
                let StatusAt::Is(status) = path.at(self.grid.at) else {
                    return ControlFlow::Continue(());
                };
                if self.is_wanted(status)
                    && self.seek.is_behind(started_at, saga)
                    && !self.grid.is_corrected(saga)
                {
                    rows.push((started_at, SagaId::new(saga)));
                    taken += 1;
                }
                if taken == enough {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        Ok(())
    }

    fn corrected_rows(&self, cell: i64, rows: &mut Vec<Row>) {
        for (saga, share, status) in self.grid.corrections.begun() {
            let started_at = share.started_at;
            if cells::cell(cells::LEAF, started_at) == cell
                && self.span.contains(started_at)
                && self
                    .saga_type
                    .as_ref()
                    .is_none_or(|wanted| *wanted == share.saga_type)
                && self.is_wanted(status)
                && self.seek.is_behind(started_at, saga.as_str())
            {
                rows.push((started_at, saga.clone()));
            }
        }
    }

    fn is_wanted(&self, status: SagaStatus) -> bool {
        self.statuses.contains(&status)
    }
}
