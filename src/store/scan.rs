//! Scans of one partition, with what most of them leave at its default said nowhere.

use super::{Direction, SortRange, StoreError, StoreRead, Table, VisitRow, WHOLE};
use std::ops::ControlFlow;

/// What a visitor returns that stops as soon as it has enough.
pub const fn until(enough: bool) -> ControlFlow<()> {
    if enough {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// The rows of one partition that are to be visited: all, in order, unless it is told otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    table: Table,
    partition: &'a [u8],
    range: SortRange<'a>,
    direction: Direction,
    limit: usize,
}

impl<'a> Scan<'a> {
    /// All rows of a partition.
    pub fn of(table: Table, partition: &'a [u8]) -> Self {
        Self {
            table,
            partition,
            range: WHOLE,
            direction: Direction::Forward,
            limit: usize::MAX,
        }
    }

    /// Only those between two sort keys.
    #[must_use]
    pub fn range(self, range: SortRange<'a>) -> Self {
        Self { range, ..self }
    }

    /// In this direction.
    #[must_use]
    pub fn direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// At most so many.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Visits them, with a visitor that may fail and may stop.
    ///
    /// # Errors
    /// The engine's error, or the visitor's first.
    pub fn each(
        self,
        store: &(impl StoreRead + ?Sized),
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut failed = None;
        let mut row = |sort: &[u8], value: &[u8]| {
            visit(sort, value).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        };
        self.visit(store, &mut row)?;
        failed.map_or(Ok(()), Err)
    }

    /// Visits them as [`StoreRead::scan`] does.
    ///
    /// # Errors
    /// The engine's error.
    pub fn visit(
        self,
        store: &(impl StoreRead + ?Sized),
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        store.scan(
            self.table,
            self.partition,
            self.range,
            self.direction,
            self.limit,
            visit,
        )
    }

    /// Of which table.
    pub fn table(&self) -> Table {
        self.table
    }
}
