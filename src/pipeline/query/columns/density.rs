//! How many events there are in each cell of time, by service and status.

use super::rows::{Kept, RowsSoFar};
use crate::domain::{Millis, SagaStatus};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The numbers of the services that are told apart.
    services: BTreeSet<u32>,
    of_other_services: u64,
}

impl Gathering {
    /// Of events from the first to the last of these instants.
    pub(super) fn over((first, last): (Millis, Millis)) -> Self {
        Self {
            base: first,
            cell_millis: (last.since(first) + 1).div_ceil(MAX_CELLS).max(1),
            counts: BTreeMap::new(),
            services: BTreeSet::new(),
            of_other_services: 0,
        }
    }

    pub(super) fn add(&mut self, kept: &Kept, rows: &mut RowsSoFar) {
        let service = match kept.service.as_deref() {
            Some(name) => {
                let service = self.service(name, rows);
                self.of_other_services += u64::from(service.is_none());
                service
            }
            None => None,
        };
        let cell = kept.place.recorded_at.since(self.base) / self.cell_millis;
        *self.counts.entry((cell, service, kept.status.tag())).or_default() += 1;
        while self.counts.len() > MAX_COUNTS && self.has_several_cells() {
            self.widen();
        }
    }

    /// The number of a service, if it is told apart: rows may name many more.
    fn service(&mut self, name: &str, rows: &mut RowsSoFar) -> Option<u32> {
        let has_room = self.services.len() < MAX_SERVICES;
        let service = rows.service(name, has_room)?;
        let is_told = self.services.contains(&service) || has_room && self.services.insert(service);
        is_told.then_some(service)
    }

    fn has_several_cells(&self) -> bool {
        self.counts.keys().next_back().is_some_and(|(cell, ..)| *cell > 0)
    }

    /// Makes cells twice as long.
    fn widen(&mut self) {
        self.cell_millis = self.cell_millis.saturating_mul(2);
        let mut wider: BTreeMap<(u64, Option<u32>, u8), u64> = BTreeMap::new();
        for ((cell, service, status), count) in std::mem::take(&mut self.counts) {
            *wider.entry((cell / 2, service, status)).or_default() += count;
        }
        self.counts = wider;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Position, TimelineKey};

    fn kept(at: i64, service: &str, status: SagaStatus) -> Kept {
        Kept {
            number: 1,
            place: TimelineKey {
                recorded_at: Millis(at),
                position: Position::new(0, 0),
            },
            arrived_at: Millis(at),
            step: "STEP".into(),
            service: Some(service.into()),
            status,
            effective: status,
            deliveries: 1,
            flags: 0,
            grave: false,
        }
    }

    #[test]
    fn however_many_services_rows_name_cells_stay_short_and_few_services_are_told_apart() {
        let mut rows = RowsSoFar::default();
        let names: Vec<String> = (0..40).map(|n| format!("service-{n}")).collect();
        for name in &names {
            rows.add(&kept(0, name, SagaStatus::Started));
        }
        let mut gathering = Gathering::over((Millis(0), Millis(0)));
        for (name, status) in names
            .iter()
            .flat_map(|name| SagaStatus::ALL.map(|status| (name, status)))
        {
            gathering.add(&kept(0, name, status), &mut rows);
        }
        let density = gathering.done();
        assert_eq!((density.cell_millis, density.of_other_services), (1, 38 * 5));
        let services: BTreeSet<Option<u32>> = density.cells.iter().map(|cell| cell.service).collect();
        assert_eq!(services, BTreeSet::from([None, Some(0), Some(1)]));
        assert_eq!(density.cells.iter().map(|cell| cell.count).sum::<u64>(), 200);
    }

    #[test]
    fn a_single_cell_is_not_made_longer() {
        let mut rows = RowsSoFar::default();
        let mut gathering = Gathering::over((Millis(0), Millis(0)));
        // More than there is room for.
        for service in 0..40 {
            gathering.counts.insert((0, Some(service), 0), 1);
        }
        gathering.add(&kept(0, "service", SagaStatus::Started), &mut rows);
        assert_eq!(gathering.done().cell_millis, 1);
    }
}
