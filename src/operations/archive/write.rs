//! Makes a file of some sagas, delivery by delivery. What is in memory is one row group.

use super::ArchiveError;
use super::schema::{Line, MESSAGE, cells};
use crate::domain::{Event, RowGroups, SagaState};
use crate::parquet_table::ParquetTable;
use std::io::Write;

/// Rows after which the next saga begins a row group: few, so that one saga is a small read.
const GROUP_ROWS: usize = 2_048;
/// Rows after which a row group ends even within a saga.
const MAX_GROUP_ROWS: usize = 2 * GROUP_ROWS;
/// Bytes of text after which it does.
const MAX_GROUP_BYTES: usize = 4 << 20;
/// ZSTD level: a file is written once and kept for years.
const LEVEL: i32 = 6;

/// A file that is being written: one saga after the other, by id, each with its deliveries in the order
/// of its timeline.
pub struct Writer<W: Write + Send> {
    table: ParquetTable<W>,
    /// The number of the row group that is not written yet.
    group: u32,
    saga: Option<Saga>,
}

/// The saga that deliveries are added of.
struct Saga {
    state: SagaState,
    /// Its first row group.
    first: u32,
    /// Events of its timeline so far.
    steps: i32,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn new(out: W) -> Result<Self, ArchiveError> {
        Ok(Self {
            table: ParquetTable::begin(out, MESSAGE, LEVEL)?,
            group: 0,
            saga: None,
        })
    }

    /// Begins a saga, whose final state this is.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin(&mut self, state: &SagaState) -> Result<(), ArchiveError> {
        if self.table.rows() >= GROUP_ROWS {
            self.end_group()?;
        }
        self.saga = Some(Saga {
            state: state.clone(),
            first: self.group,
            steps: 0,
        });
        Ok(())
    }

    /// Adds the saga's next delivery, and whether it is the one that stands for its event.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn add(&mut self, event: &Event, stands: bool) -> Result<(), ArchiveError> {
        if self.table.rows() >= MAX_GROUP_ROWS || self.table.bytes() >= MAX_GROUP_BYTES {
            self.end_group()?;
        }
        let none = || ArchiveError::Format("a delivery of no saga".to_owned());
        let saga = self.saga.as_mut().ok_or_else(none)?;
        saga.steps += i32::from(stands);
        self.table.add(cells(&Line {
            state: &saga.state,
            number: stands.then_some(saga.steps),
            event,
        }));
        Ok(())
    }

    /// Ends the saga. Where it lies.
    pub fn end(&mut self) -> RowGroups {
        let first = self.saga.take().map_or(self.group, |saga| saga.first);
        RowGroups {
            first,
            count: self.group - first + 1,
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish(self) -> Result<W, ArchiveError> {
        Ok(self.table.finish()?)
    }

    #[cfg(test)]
    pub(super) fn held_rows(&self) -> usize {
        self.table.rows()
    }

    fn end_group(&mut self) -> Result<(), ArchiveError> {
        self.table.end_group()?;
        self.group += 1;
        Ok(())
    }
}
