//! One node of a count tree: the cells that lie in one cell, of one type or of all.
//!
//! A node's rows lie in the order of their cells, and within a cell by type. So what all types have together
//! is one scan, and what is enough ends it early. Rows that are not wanted are passed over; many of them are
//! jumped over. What the counts are for is not known here.

use super::trees::{Span, Stream, Trees};
use crate::store::codec::Record;
use crate::store::keys::{self, CountKey, Tree};
use crate::store::records::CountRecord;
use crate::store::{Direction, Key, ProjectionTable, Scan, StoreError, Table, cells, until};
use std::ops::{Bound, ControlFlow};

/// So many unwanted rows are passed over one by one; then it is cheaper to look for the next wanted one.
const MAX_PROBES: usize = 16;

/// What to do behind a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    On,
    /// Go on behind this cell.
    PastCell,
    /// Enough.
    Stop,
}

/// The children of a cell that a span touches.
pub(super) struct Node<'s> {
    pub(super) tree: Tree,
    pub(super) stream: &'s Stream,
    pub(super) level: u8,
    /// The cell.
    pub(super) parent: i64,
    pub(super) span: Span,
    pub(super) direction: Direction,
}

/// Sort keys from one on, up to another one.
struct Part {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Node<'_> {
    /// Visits the rows of the stream, in order of their cells.
    pub(super) fn visit(
        &self,
        trees: Trees<'_>,
        mut visit: impl FnMut(CountKey<'_>, CountRecord) -> Next,
    ) -> Result<(), StoreError> {
        let mut part = self.whole();
        while let Some(jump) = self.scan(trees, &part, &mut visit)? {
            match self.direction {
                Direction::Forward => part.from = jump,
                Direction::Reverse => part.to = Some(jump),
            }
        }
        Ok(())
    }

    fn whole(&self) -> Part {
        let end = cells::cell(self.level, self.span.to).checked_add(1);
        Part {
            from: at(cells::cell(self.level, self.span.from)),
            to: end.map(at),
        }
    }

    /// Visits rows until all have been, it is enough, or there is something to jump over; then where to.
    fn scan(
        &self,
        trees: Trees<'_>,
        part: &Part,
        visit: &mut impl FnMut(CountKey<'_>, CountRecord) -> Next,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut key = Key::default();
        keys::count_partition(
            &mut key,
            self.tree,
            self.stream.condition,
            self.level,
            self.parent,
        );
        let table = Table::Projection(trees.generation, ProjectionTable::Counts);
        let (mut past, mut unwanted, mut jump) = (None, 0, None);
        let to = part.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(&part.from[..]), to);
        Scan::of(table, key.partition())
            .range(range)
            .direction(self.direction)
            .each(trees.store, |sort, value| {
                let key = keys::parse_count_sort(self.tree, sort)?;
                if past == Some(key.cell) || !self.is_wanted(&key) {
                    unwanted += 1;
                    if unwanted >= MAX_PROBES {
                        jump = if past == Some(key.cell) {
                            self.behind(key.cell)
                        } else {
                            self.to_wanted(&key, sort)
                        };
                    }
                    return Ok(until(jump.is_some()));
                }
                unwanted = 0;
                match visit(key, CountRecord::read(value)?) {
                    Next::On => {}
                    Next::PastCell => past = Some(key.cell),
                    Next::Stop => return Ok(ControlFlow::Break(())),
                }
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(jump)
    }

    fn is_wanted(&self, key: &CountKey<'_>) -> bool {
        let wanted = self.stream.saga_type.as_ref();
        wanted.is_none_or(|wanted| wanted.as_str() == key.saga_type)
    }

    /// Where the rows behind a cell begin.
    fn behind(&self, cell: i64) -> Option<Vec<u8>> {
        match self.direction {
            Direction::Forward => cell.checked_add(1).map(at),
            Direction::Reverse => Some(at(cell)),
        }
    }

    /// Where the next rows of the wanted type can lie, seen from a row of another; `None` where that is close.
    fn to_wanted(&self, key: &CountKey<'_>, sort: &[u8]) -> Option<Vec<u8>> {
        let wanted = self.stream.saga_type.as_ref()?.as_str();
        let first = |cell: i64| [&at(cell)[..], wanted.as_bytes()].concat();
        // Longer than what stands behind the type.
        let last = |cell: i64| [&first(cell)[..], &[0xff; 9]].concat();
        let (lower, upper) = (first(key.cell), last(key.cell));
        match self.direction {
            Direction::Forward if sort < &lower[..] => Some(lower),
            Direction::Forward if sort > &upper[..] => key.cell.checked_add(1).map(first),
            Direction::Reverse if sort > &upper[..] => Some(upper),
            Direction::Reverse if sort < &lower[..] => key.cell.checked_sub(1).map(last),
            Direction::Forward | Direction::Reverse => None,
        }
    }
}

fn at(cell: i64) -> Vec<u8> {
    keys::sortable_i64(cell).to_vec()
}
