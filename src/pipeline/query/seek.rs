//! The rows that a walk through the sagas in some order is to find, and those it has found.

use super::Sort;
use super::order::Part;
use super::trees::{Row, Span};
use crate::domain::Millis;
use crate::store::{Direction, cells};

/// The `skip`-th to the (`skip` + `want`)-th row behind another.
pub(super) struct Seek {
    pub(super) direction: Direction,
    /// Only rows behind this one, in the walk's direction.
    behind: Option<Row>,
    /// Rows still to be passed over.
    skip: u64,
    /// Rows still to be found.
    want: usize,
    found: Vec<Row>,
    /// Whether the walk comes from the end of what was asked for.
    from_end: bool,
}

impl Seek {
    /// So many rows in ascending order, after so many others.
    pub(super) fn ascending(skip: u64, want: usize) -> Self {
        Self {
            direction: Direction::Forward,
            behind: None,
            skip,
            want,
            found: Vec::new(),
            from_end: false,
        }
    }

    /// The last so many rows, the last one first.
    pub(super) fn descending(want: usize) -> Self {
        Self::ascending(0, want).reversed()
    }

    /// The same number of rows, counted from the other end.
    pub(super) fn reversed(self) -> Self {
        Self {
            direction: Direction::Reverse,
            ..self
        }
    }

    /// A part of `total` rows. One of the second half is sought from the end: what is passed over at an edge of
    /// the dates has to be counted row by row, and so is passed over only at one edge.
    pub(super) fn part(part: &Part, total: u64, sort: Sort) -> Self {
        let from_end = part.behind.is_none() && part.skip > total / 2;
        let left = total.saturating_sub(part.skip);
        let want = usize::try_from(left).map_or(part.size, |left| left.min(part.size));
        Self {
            direction: if sort.descending == from_end {
                Direction::Forward
            } else {
                Direction::Reverse
            },
            behind: part.behind.clone(),
            skip: if from_end { left - want as u64 } else { part.skip },
            want,
            found: Vec::with_capacity(want),
            from_end,
        }
    }

    /// What of a span can hold rows that are wanted, where the rows are sorted by the span's time.
    pub(super) fn narrow(&self, mut span: Span) -> Span {
        match (&self.behind, self.direction) {
            (None, _) => {}
            (Some((edge, _)), Direction::Forward) => span.from = span.from.max(*edge),
            (Some((edge, _)), Direction::Reverse) => span.to = span.to.min(*edge),
        }
        span
    }

    /// Whether nothing is left to be found.
    pub(super) fn is_done(&self) -> bool {
        self.want == 0
    }

    /// How many rows on are enough.
    pub(super) fn enough(&self) -> usize {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        skip.saturating_add(self.want)
    }

    /// Passes over so many rows, if none of them is wanted.
    pub(super) fn pass_over(&mut self, rows: u64) -> bool {
        let passed = rows <= self.skip;
        if passed {
            self.skip -= rows;
        }
        passed
    }

    /// Whether some rows of a cell may lie behind that row and others not.
    pub(super) fn cuts(&self, level: u8, cell: i64) -> bool {
        self.behind
            .as_ref()
            .is_some_and(|(edge, _)| cells::first(level, cell) <= *edge && *edge <= cells::last(level, cell))
    }

    /// Whether a row lies behind that one.
    pub(super) fn is_behind(&self, at: Millis, saga: &str) -> bool {
        let Some((edge, last)) = &self.behind else {
            return true;
        };
        let order = (at, saga).cmp(&(*edge, last.as_str()));
        match self.direction {
            Direction::Forward => order.is_gt(),
            Direction::Reverse => order.is_lt(),
        }
    }

    /// Takes what is wanted of the next rows, which come in any order and lie behind that row.
    pub(super) fn take(&mut self, mut rows: Vec<Row>) {
        rows.sort_unstable();
        if self.direction == Direction::Reverse {
            rows.reverse();
        }
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
        self.skip -= skipped as u64;
        let before = self.found.len();
        self.found.extend(rows.into_iter().skip(skipped).take(self.want));
        self.want -= self.found.len() - before;
    }

    /// What was found, in the order that was asked for.
    pub(super) fn found(mut self) -> Vec<Row> {
        if self.from_end {
            self.found.reverse();
        }
        self.found
    }
}
