//! Rows of a table, written as they come: as CSV, or as one JSON object a line.
//!
//! A row behind which the export can be taken up again has `nextCursor`. That is known only when a part has ended,
//! so the last row is held until the next one comes.

use super::super::chunked::Parts;
use super::csv;
use super::format::Format;
use serde::Serialize;
use std::ops::ControlFlow;

/// The field with the cursor that goes on behind a row; the last column.
const NEXT: &str = "nextCursor";

/// Writes the table.
pub(super) struct Rows {
    parts: Parts,
    csv: bool,
    columns: Vec<&'static str>,
    /// The last row, as JSON; empty when there is none.
    held: Vec<u8>,
}

impl Rows {
    /// Begins a table of these columns.
    pub(super) fn begin(parts: Parts, format: Format, columns: &[&'static str]) -> Self {
        let columns = columns.iter().copied().chain([NEXT]).collect();
        let mut rows = Self {
            parts,
            csv: format == Format::Csv,
            columns,
            held: Vec::new(),
        };
        if rows.csv {
            csv::head(rows.parts.part(), &rows.columns);
        }
        rows
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

    fn write_held(&mut self) -> ControlFlow<()> {
        if self.held.is_empty() {
            return ControlFlow::Continue(());
        }
        let out = self.parts.part();
        if self.csv {
            if csv::row(out, &self.columns, &self.held).is_none() {
                return ControlFlow::Break(());
            }
        } else {
            out.extend_from_slice(&self.held);
            out.push(b'\n');
        }
        self.held.clear();
        self.parts.send_when_full()
    }

    /// Closes the table, when all that is asked for was added.
    pub(super) fn end(mut self) {
        if self.write_held().is_continue() {
            self.parts.finish();
        }
    }
}
