//! Rows of a table, written as they come: as CSV, as one JSON object a line, or as Parquet.
//!
//! A row behind which the export can be taken up again has `nextCursor`. That is known only when a part has ended,
//! so the last row is held until the next one comes.

use super::super::chunked::Parts;
use super::super::error::ApiError;
use super::columns::{Column, text};
use super::csv;
use super::format::Format;
use super::parquet_rows::ParquetRows;
use serde::Serialize;
use std::fmt::Display;
use std::ops::ControlFlow;

/// The field with the cursor that goes on behind a row; the last column.
const NEXT: &str = "nextCursor";

/// What a table is written into.
pub(super) trait Table {
    /// Writes the next row, a JSON object. Breaks when no more are wanted.
    fn row(&mut self, row: &[u8]) -> ControlFlow<()>;

    /// Closes it: that was all.
    fn end(self: Box<Self>);
}

/// Writes the table.
pub(super) struct Rows {
    table: Box<dyn Table + Send>,
    /// The last row, as JSON; empty when there is none.
    held: Vec<u8>,
}

impl Rows {
    /// Begins a table of these columns.
    pub(super) fn begin(parts: Parts, format: Format, columns: &[Column]) -> Result<Self, ApiError> {
        let columns = columns.iter().copied().chain([text(NEXT)]).collect();
        let table: Box<dyn Table + Send> = match format {
            Format::Parquet => Box::new(ParquetRows::begin(parts, columns)?),
            _ => Box::new(Lines::begin(parts, columns, format == Format::Csv)),
        };
        let held = Vec::new();
        Ok(Self { table, held })
    }

    /// Adds the next row, an object. Breaks when no more are wanted.
    pub(super) fn add(&mut self, row: &impl Serialize) -> ControlFlow<()> {
        self.write_held()?;
        // Text and numbers can always be written; were they not, the answer would break off.
        match serde_json::to_writer(&mut self.held, row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// A part has ended; what follows it is reached by this cursor. Breaks when no more is wanted.
    pub(super) fn part_ends(&mut self, cursor: Option<&str>) -> ControlFlow<()> {
        if let Some(cursor) = cursor
            && self.held.pop().is_some()
        {
            let empty = if self.held.len() > 1 { "," } else { "" };
            let text = serde_json::Value::from(cursor);
            let next = format!("{empty}\"{NEXT}\":{text}}}");
            self.held.extend_from_slice(next.as_bytes());
        }
        self.write_held()
    }

    /// Writes all rows, at most `limit`, and closes the table: `read` has some from a place on, at most so many, and
    /// the place of those behind them.
    pub(super) fn all<R: Serialize, P: Display>(
        mut self,
        limit: Option<u64>,
        mut from: Option<P>,
        mut read: impl FnMut(Option<P>, u64) -> Result<(Vec<R>, Option<P>), ApiError>,
    ) -> Result<(), ApiError> {
        let mut left = limit.unwrap_or(u64::MAX);
        loop {
            let (rows, next) = read(from.take(), left)?;
            left = left.saturating_sub(rows.len() as u64);
            let mut flow = rows.iter().try_for_each(|row| self.add(row));
            if flow.is_continue() {
                let cursor = next.as_ref().map(ToString::to_string);
                flow = self.part_ends(cursor.as_deref());
            }
            if flow.is_break() {
                return Ok(());
            }
            if left == 0 || next.is_none() {
                self.end();
                return Ok(());
            }
            from = next;
        }
    }

    fn write_held(&mut self) -> ControlFlow<()> {
        if self.held.is_empty() {
            return ControlFlow::Continue(());
        }
        let flow = self.table.row(&self.held);
        self.held.clear();
        flow
    }

    /// Closes the table, when all that is asked for was added.
    pub(super) fn end(mut self) {
        if self.write_held().is_continue() {
            self.table.end();
        }
    }
}

/// A line for each row: JSON, or CSV.
struct Lines {
    parts: Parts,
    columns: Vec<Column>,
    csv: bool,
}

impl Lines {
    fn begin(mut parts: Parts, columns: Vec<Column>, csv: bool) -> Self {
        if csv {
            csv::head(parts.part(), &columns);
        }
        Self { parts, columns, csv }
    }
}

impl Table for Lines {
    fn row(&mut self, row: &[u8]) -> ControlFlow<()> {
        let out = self.parts.part();
        if self.csv {
            if csv::row(out, &self.columns, row).is_none() {
                return ControlFlow::Break(());
            }
        } else {
            out.extend_from_slice(row);
            out.push(b'\n');
        }
        self.parts.send_when_full()
    }

    fn end(self: Box<Self>) {
        self.parts.finish();
    }
}
