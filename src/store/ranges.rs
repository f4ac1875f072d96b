//! Shares of a table, so that several threads can scan it side by side. Not every engine can cut one.

use super::{Read, StoreError, Table, VisitTable};

/// A share of a table. Opaque: only the engine that cut it reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRange {
    pub(super) table: Table,
    /// Engine's key of the first partition, inclusive; `None` from the start.
    pub(super) from: Option<Vec<u8>>,
    /// Engine's key of the end, exclusive; `None` to the end.
    pub(super) to: Option<Vec<u8>>,
}

impl TableRange {
    /// All of a table.
    pub(super) fn whole(table: Table) -> Self {
        Self {
            table,
            from: None,
            to: None,
        }
    }

    /// Whether it begins where another share ends.
    pub fn follows(&self, other: &Self) -> bool {
        self.from.is_some() && self.from == other.to
    }
}

/// What an engine that can cut its tables can do beyond [`Read`].
pub trait TableRanges {
    /// Cuts a table into at most `parts` shares of similar size, of whole partitions.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot tell.
    fn split(&self, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError>;

    /// Visits every row of a share, as [`Read::scan_table`] does those of the table.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot go on.
    fn scan_range(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError>;
}

/// Cuts a table into at most `parts` shares: into one where the engine cannot cut.
///
/// # Errors
/// [`StoreError`] when the engine cannot tell.
pub fn split(store: &dyn Read, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
    match store.ranges() {
        Some(ranges) => ranges.split(table, parts),
        None => Ok(vec![TableRange::whole(table)]),
    }
}

/// Visits every row of a share that [`split`] made of the same store, or of one that it is a snapshot of.
///
/// # Errors
/// [`StoreError`] when the engine cannot go on.
pub fn scan_range(
    store: &dyn Read,
    range: &TableRange,
    visit: &mut VisitTable<'_>,
) -> Result<(), StoreError> {
    match store.ranges() {
        Some(ranges) => ranges.scan_range(range, visit),
        None => {
            debug_assert_eq!(*range, TableRange::whole(range.table), "a share of another store");
            store.scan_table(range.table, visit)
        }
    }
}
