//! How many events there are in each cell of time, by service and status.

use super::rows::{Kept, RowsSoFar};
use crate::domain::{Millis, SagaStatus};
use std::collections::BTreeMap;

/// Cells in all, at most.
const MAX_CELLS: u64 = if cfg!(test) { 16 } else { 1_500 };
/// Counts in all, at most: of more, cells are twice as long.
const MAX_COUNTS: usize = if cfg!(test) { 24 } else { 6_000 };
/// Services that are told apart.
const MAX_SERVICES: usize = if cfg!(test) { 2 } else { 100 };

/// Events by cell of time, service and status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Density {
    /// Where the first cell begins.
    pub base: Millis,
    /// How long each is.
    pub cell_millis: u64,
    /// Those that hold any, in order.
    pub cells: Vec<DensityCell>,
    /// Events of further services, which are counted as those that name none.
    pub of_other_services: u64,
}

/// Some events of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DensityCell {
    /// The number of the cell.
    pub cell: u64,
    /// The number of the service; `None` when they name none, or one that is not told apart.
    pub service: Option<u32>,
    /// What was reported.
    pub status: SagaStatus,
    /// How many.
    pub count: u64,
}

/// The counts so far.
pub(super) struct Gathering {
    base: Millis,
    cell_millis: u64,
    counts: BTreeMap<(u64, Option<u32>, u8), u64>,
    of_other_services: u64,
}

impl Gathering {
    /// Of events from the first to the last of these instants.
    pub(super) fn over((first, last): (Millis, Millis)) -> Self {
        Self {
            base: first,
            cell_millis: (last.since(first) + 1).div_ceil(MAX_CELLS).max(1),
            counts: BTreeMap::new(),
            of_other_services: 0,
        }
    }

    pub(super) fn add(&mut self, kept: &Kept, rows: &mut RowsSoFar) {
        let service = match kept.service.as_deref() {
            Some(name) => {
                let service = rows.service(name, MAX_SERVICES);
                self.of_other_services += u64::from(service.is_none());
                service
            }
            None => None,
        };
        let cell = kept.place.recorded_at.since(self.base) / self.cell_millis;
        *self.counts.entry((cell, service, kept.status.tag())).or_default() += 1;
        while self.counts.len() > MAX_COUNTS && self.widen() {}
    }

    /// Makes cells twice as long; false when there is but one.
    fn widen(&mut self) -> bool {
        let several = self.counts.keys().next_back().is_some_and(|(cell, ..)| *cell > 0);
        self.cell_millis = self.cell_millis.saturating_mul(2);
        let mut wider: BTreeMap<(u64, Option<u32>, u8), u64> = BTreeMap::new();
        for ((cell, service, status), count) in std::mem::take(&mut self.counts) {
            *wider.entry((cell / 2, service, status)).or_default() += count;
        }
        self.counts = wider;
        several
    }

    pub(super) fn done(self) -> Density {
        let cell = |((cell, service, status), count)| {
            let status = SagaStatus::ALL.into_iter().find(|one| one.tag() == status)?;
            Some(DensityCell {
                cell,
                service,
                status,
                count,
            })
        };
        Density {
            base: self.base,
            cell_millis: self.cell_millis,
            cells: self.counts.into_iter().filter_map(cell).collect(),
            of_other_services: self.of_other_services,
        }
    }
}
