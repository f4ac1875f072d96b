//! Reading the count trees: how many sagas lie in a range of time, at a cost that does not depend on how
//! many there are.
//!
//! Counting walks from the widest cells to the finest. A cell that lies in the range as a whole is taken by
//! its count; only the cells at the edges are opened. Below a leaf, rows of an index are read. How pages are
//! found is not here, but in [`super::walk`].

use super::QueryError;
use super::node::{Next, Node};
use super::trees::{Overlap, Span, Stream, Trees};
use crate::domain::{Millis, SagaId, SagaType};
use crate::store::keys::{Condition, Tree};
use crate::store::records::CountRecord;
use crate::store::{Direction, Key, ProjectionTable, Scan, StoreError, Table, cells, keys, reads};
use std::ops::{Bound, ControlFlow};

/// States that are read at once.
const STATES: usize = 1_000;

/// Takes a type and how many of its sagas there are more.
pub(super) type AddType<'a> = dyn FnMut(&str, CountRecord) + 'a;

impl Trees<'_> {
    /// How many sagas of the stream lie in the span: those in a status by their start, those that break a rule by
    /// when they last did.
    pub(super) fn sagas_in(self, stream: &Stream, span: Span) -> Result<u64, QueryError> {
        let mut sagas = 0;
        self.count(stream, span, false, &mut |_, count| sagas += count.sagas)?;
        Ok(u64::try_from(sagas).unwrap_or(0))
    }

    /// The same by type, each several times, with summed durations when asked for.
    pub(super) fn count(
        self,
        stream: &Stream,
        span: Span,
        durations: bool,
        add: &mut AddType<'_>,
    ) -> Result<(), QueryError> {
        let counting = Counting {
            trees: self,
            tree: match stream.condition {
                Condition::In(_) => Tree::Started,
                Condition::Breaks(_) | Condition::NothingToCompensate => Tree::Broken,
            },
            stream,
            span,
            durations,
        };
        counting.below(0, 0, add)
    }

    /// The types that have sagas in a leaf cell.
    pub(super) fn types_in(
        self,
        tree: Tree,
        stream: &Stream,
        cell: i64,
    ) -> Result<Vec<SagaType>, StoreError> {
        if let Some(one) = &stream.saga_type {
            return Ok(vec![one.clone()]);
        }
        let node = Node {
            tree,
            stream,
            level: cells::LEAF,
            parent: cells::parent(cells::LEAF, cell),
            span: Span {
                from: cells::first(cells::LEAF, cell),
                to: cells::last(cells::LEAF, cell),
            },
            direction: Direction::Forward,
        };
        let mut types: Vec<SagaType> = Vec::new();
        node.visit(self, |key, _| {
            if types.last().is_none_or(|last| last.as_str() != key.saga_type) {
                types.push(SagaType::new(key.saga_type));
            }
            Next::On
        })?;
        types.sort_unstable();
        types.dedup();
        Ok(types)
    }

    /// Visits the index rows of a leaf cell inside the span: time, saga, value.
    #[expect(
        clippy::too_many_arguments,
        reason = "the coordinates of a scan, each of its own type"
    )]
    pub(super) fn rows(
        self,
        tree: Tree,
        (condition, saga_type): (Condition, &SagaType),
        cell: i64,
        span: Span,
        direction: Direction,
        limit: usize,
        mut visit: impl FnMut(Millis, &str, &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let from = span.from.max(cells::first(cells::LEAF, cell));
        let to = span.to.min(cells::last(cells::LEAF, cell));
        let mut key = Key::default();
        let bucket = from.0 >> keys::INDEX_BUCKET_BITS;
        keys::index_partition(&mut key, saga_type, condition, bucket);
        let table = Table::Projection(
            self.generation,
            match tree {
                Tree::Started => ProjectionTable::ByStarted,
                Tree::Updated => ProjectionTable::ByUpdated,
                Tree::Broken => ProjectionTable::ByRule,
            },
        );
        let (first, end) = (keys::sortable_i64(from.0), keys::sortable_i64(to.0 + 1));
        let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
        Scan::of(table, key.partition())
            .range(range)
            .direction(direction)
            .limit(limit)
            .each(self.store, |sort, value| {
                let (at, saga) = keys::parse_by_time_sort(sort)?;
                visit(at, saga, value)
            })
    }
}

/// Counts the sagas of a stream in a span of the time that a tree sorts by.
struct Counting<'c> {
    trees: Trees<'c>,
    tree: Tree,
    stream: &'c Stream,
    span: Span,
    durations: bool,
}

impl Counting<'_> {
    fn below(&self, level: u8, parent: i64, add: &mut AddType<'_>) -> Result<(), QueryError> {
        let node = Node {
            tree: self.tree,
            stream: self.stream,
            level,
            parent,
            span: self.span,
            direction: Direction::Forward,
        };
        let mut edges = Vec::new();
        node.visit(self.trees, |key, count| {
            if self.span.overlap(level, key.cell) == Overlap::Whole {
                add(key.saga_type, count);
                return Next::On;
            }
            edges.push(key.cell);
            Next::PastCell
        })?;
        for cell in edges {
            if level < cells::LEAF {
                self.below(level + 1, cell, add)?;
            } else {
                self.leaf(cell, add)?;
            }
        }
        Ok(())
    }

    fn leaf(&self, cell: i64, add: &mut AddType<'_>) -> Result<(), QueryError> {
        for saga_type in self.trees.types_in(self.tree, self.stream, cell)? {
            let count = self.rows_of(&saga_type, cell)?;
            add(saga_type.as_str(), count);
        }
        Ok(())
    }

    fn rows_of(&self, saga_type: &SagaType, cell: i64) -> Result<CountRecord, QueryError> {
        let mut sum = CountRecord::default();
        let mut sagas = Vec::new();
        self.trees.rows(
            self.tree,
            (self.stream.condition, saga_type),
            cell,
            self.span,
            Direction::Forward,
            usize::MAX,
            |_, saga, _| {
                sum.sagas += 1;
                if self.durations {
                    sagas.push(SagaId::new(saga));
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        for some in sagas.chunks(STATES) {
            for state in reads::instances(self.trees.store, self.trees.generation, some)?
                .into_iter()
                .flatten()
            {
                let millis = state.updated_at.since(state.started_at);
                sum.duration_millis += i64::try_from(millis).unwrap_or(i64::MAX);
            }
        }
        Ok(sum)
    }
}
