//! Finding the k-th to the (k+n)-th saga in order of a count tree, at a cost that depends on neither.
//!
//! The walk goes from the widest cells to the finest: a cell of sagas to be passed over is passed over by its
//! count, and once enough is certain, nothing behind it is read. How sagas are counted is not here, but in
//! [`super::counts`].

use super::QueryError;
use super::node::{Next, Node};
use super::seek::Seek;
use super::trees::{Overlap, Row, Span, Stream, Trees};
use crate::domain::{SagaId, SagaType};
use crate::store::codec::Record;
use crate::store::keys::{Condition, Tree};
use crate::store::records::UpdatedRecord;
use crate::store::{Direction, StoreError, cells};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Finds the sagas of some streams from the `skip`-th on, in order of one tree.
pub(super) struct Walk<'r> {
    pub(super) trees: Trees<'r>,
    pub(super) tree: Tree,
    pub(super) streams: Vec<Stream>,
    /// Of the time that the tree sorts by.
    pub(super) span: Span,
    /// Of the start, in the updated tree; the others know no other time than that of `span`.
    pub(super) started: Span,
    /// In order of the tree.
    pub(super) seek: Seek,
}

/// What the streams have in one cell.
struct Child {
    sagas: u64,
    /// Whether `sagas` is how many of the cell match, or only a bound.
    exact: bool,
    streams: Vec<usize>,
}

impl Child {
    fn new() -> Self {
        Self {
            sagas: 0,
            exact: true,
            streams: Vec::new(),
        }
    }
}

impl Walk<'_> {
    /// Fills `found`.
    pub(super) fn run(&mut self) -> Result<(), QueryError> {
        let all: Vec<usize> = (0..self.streams.len()).collect();
        self.below(&all, 0, 0)
    }

    fn below(&mut self, streams: &[usize], level: u8, parent: i64) -> Result<(), QueryError> {
        let children = self.children(streams, level, parent)?;
        let mut in_order: Vec<(i64, Child)> = children.into_iter().collect();
        if self.seek.direction == Direction::Reverse {
            in_order.reverse();
        }
        for (cell, child) in in_order {
            if self.seek.is_done() {
                break;
            }
            if child.exact && self.seek.pass_over(child.sagas) {
                continue;
            }
            if level < cells::LEAF {
                self.below(&child.streams, level + 1, cell)?;
            } else {
                self.leaf(&child.streams, cell)?;
            }
        }
        Ok(())
    }

    fn children(
        &self,
        streams: &[usize],
        level: u8,
        parent: i64,
    ) -> Result<BTreeMap<i64, Child>, StoreError> {
        let mut children: BTreeMap<i64, Child> = BTreeMap::new();
        for index in streams {
            // Once so many are certain, the cells behind are not needed.
            let enough = self.seek.enough() as u64;
            let mut certain: u64 = 0;
            self.node(*index, level, parent).visit(self.trees, |key, count| {
                let by_start = key
                    .started_cell
                    .map_or(Overlap::Whole, |cell| self.started.overlap(level, cell));
                if by_start == Overlap::None {
                    return Next::On;
                }
                let whole = by_start == Overlap::Whole && self.has_whole(level, key.cell);
                let sagas = u64::try_from(count.sagas).unwrap_or(0);
                let child = children.entry(key.cell).or_insert_with(Child::new);
                child.sagas += sagas;
                child.exact &= whole;
                if child.streams.last() != Some(index) {
                    child.streams.push(*index);
                }
                certain += if whole { sagas } else { 0 };
                match () {
                    () if certain >= enough => Next::Stop,
                    // It has to be opened, whatever else is in it.
                    () if !whole => Next::PastCell,
                    () => Next::On,
                }
            })?;
        }
        Ok(children)
    }

    fn node(&self, index: usize, level: u8, parent: i64) -> Node<'_> {
        Node {
            tree: self.tree,
            stream: &self.streams[index],
            level,
            parent,
            span: self.span,
            direction: self.seek.direction,
        }
    }

    /// Whether all that a cell holds is wanted, as far as the time tells that the tree sorts by.
    fn has_whole(&self, level: u8, cell: i64) -> bool {
        // Of the sagas at the cursor's instant some are behind it and some are not.
        !self.seek.cuts(level, cell) && self.span.overlap(level, cell) == Overlap::Whole
    }

    fn leaf(&mut self, streams: &[usize], cell: i64) -> Result<(), QueryError> {
        let enough = self.seek.enough();
        let mut rows: Vec<Row> = Vec::new();
        for index in streams {
            let condition = self.streams[*index].condition;
            for saga_type in self.trees.types_in(self.tree, &self.streams[*index], cell)? {
                self.rows((condition, &saga_type), cell, enough, &mut rows)?;
            }
        }
        self.seek.take(rows);
        Ok(())
    }

    /// Adds the first rows of one type in a leaf cell, as many as can be needed.
    fn rows(
        &self,
        of: (Condition, &SagaType),
        cell: i64,
        enough: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), StoreError> {
        let mut taken = 0;
        self.trees.rows(
            self.tree,
            of,
            cell,
            self.span,
            self.seek.direction,
            usize::MAX,
            |at, saga, value| {
                if self.tree == Tree::Updated && !self.started.contains(UpdatedRecord::read(value)?.started())
                {
                    return Ok(ControlFlow::Continue(()));
                }
                if self.seek.is_behind(at, saga) {
                    rows.push((at, SagaId::new(saga)));
                    taken += 1;
                }
                Ok(if taken == enough {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )
    }
}
