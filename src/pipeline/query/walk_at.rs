//! Finding the k-th to the (k+n)-th of the sagas that stood in some status at an instant, in order of their
//! start, at a cost that depends neither on the depth nor on how many there are.
//!
//! As in [`super::walk`], cells are passed over by their counts; here the counts are those of the instant.

use super::QueryError;
use super::grid::Grid;
use super::trees::{Overlap, Row, Span};
use crate::domain::{Millis, SagaId, SagaStatus, SagaType, StatusAt};
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
    pub(super) direction: Direction,
    /// Of their starts.
    pub(super) span: Span,
    /// Only sagas behind this one in the walk's direction.
    pub(super) behind: Option<Row>,
    /// Sagas still to be passed over.
    pub(super) skip: u64,
    /// Sagas still to be found.
    pub(super) want: usize,
    pub(super) found: Vec<Row>,
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
        if self.direction == Direction::Reverse {
            in_order.reverse();
        }
        for (cell, sagas) in in_order {
            if self.want == 0 {
                break;
            }
            let overlap = self.overlap(level, cell);
            let sagas = u64::try_from(sagas).unwrap_or(0);
            if sagas == 0 || overlap == Overlap::None {
                continue;
            }
            if overlap == Overlap::Whole && sagas <= self.skip {
                self.skip -= sagas;
            } else if level < cells::LEAF {
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
        let cut = self
            .behind
            .as_ref()
            .is_some_and(|(edge, _)| cells::first(level, cell) <= *edge && *edge <= cells::last(level, cell));
        if cut && overlap == Overlap::Whole {
            return Overlap::Part;
        }
        overlap
    }

    fn leaf(&mut self, cell: i64) -> Result<(), QueryError> {
        let enough = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .saturating_add(self.want);
        let mut rows: Vec<Row> = Vec::new();
        for saga_type in self.grid.types_in(self.saga_type.as_ref(), cell)? {
            for now in SagaStatus::ALL {
                self.rows((now, &saga_type), cell, enough, &mut rows)?;
            }
        }
        self.corrected_rows(cell, &mut rows);
        rows.sort_unstable();
        if self.direction == Direction::Reverse {
            rows.reverse();
        }
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
        self.skip -= skipped as u64;
        let before = self.found.len();
        self.found.extend(rows.into_iter().skip(skipped).take(self.want));
        self.want -= self.found.len() - before;
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
        let direction = self.direction;
        self.grid
            .rows(of, cell, self.span, direction, |started_at, saga, path| {
                let StatusAt::Is(status) = path.at(self.grid.at) else {
                    return ControlFlow::Continue(());
                };
                if self.is_wanted(status) && self.is_behind(started_at, saga) && !self.grid.is_corrected(saga)
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
                && self.is_behind(started_at, saga.as_str())
            {
                rows.push((started_at, saga.clone()));
            }
        }
    }

    fn is_wanted(&self, status: SagaStatus) -> bool {
        self.statuses.contains(&status)
    }

    fn is_behind(&self, at: Millis, saga: &str) -> bool {
        let Some((edge, last)) = &self.behind else {
            return true;
        };
        let order = (at, saga).cmp(&(*edge, last.as_str()));
        match self.direction {
            Direction::Forward => order.is_gt(),
            Direction::Reverse => order.is_lt(),
        }
    }
}
