//! Reading the count trees: how many sagas lie in a range of time, and which ones are the k-th to
//! the (k+n)-th, at a cost that depends on neither.
//!
//! Both walk from the widest cells to the finest. A cell that lies in the range as a whole is taken
//! (or skipped) by its count; only the cells at the edges are opened. Below a leaf, rows are read.

use super::QueryError;
use crate::domain::{Millis, SagaId, SagaStatus, SagaType};
use crate::store::codec::Record;
use crate::store::keys::Tree;
use crate::store::records::{CountRecord, UpdatedRecord};
use crate::store::{
    Direction, Generation, Key, ProjectionTable, Read, StoreError, Table, cells, keys, read, totals,
};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// The sagas of one type in one status: what a tree counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    pub(super) saga_type: SagaType,
    pub(super) status: SagaStatus,
}

/// A closed range of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) from: Millis,
    pub(super) to: Millis,
}

/// How a cell lies to a span.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Overlap {
    None,
    Part,
    Whole,
}

impl Span {
    pub(super) const ALL: Span = Span {
        from: Millis(i64::MIN),
        to: Millis(i64::MAX),
    };

    pub(super) fn of(from: Option<Millis>, to: Option<Millis>) -> Self {
        Self {
            from: from.unwrap_or(Self::ALL.from),
            to: to.unwrap_or(Self::ALL.to),
        }
    }

    fn contains(self, at: Millis) -> bool {
        self.from <= at && at <= self.to
    }

    fn overlap(self, level: u8, cell: i64) -> Overlap {
        let (first, last) = (cells::first(level, cell), cells::last(level, cell));
        if last < self.from || self.to < first {
            Overlap::None
        } else if self.from <= first && last <= self.to {
            Overlap::Whole
        } else {
            Overlap::Part
        }
    }
}

/// Where the trees are read.
#[derive(Clone, Copy)]
pub(super) struct Trees<'r> {
    pub(super) read: &'r dyn Read,
    pub(super) generation: Generation,
}

/// A saga in an index, with the time it stands at.
pub(super) type Row = (Millis, SagaId);

impl Trees<'_> {
    /// The saga types that there are.
    pub(super) fn types(self) -> Result<Vec<SagaType>, StoreError> {
        let mut types = Vec::new();
        read::totals_of(self.read, self.generation, totals::TYPES, |name, _| {
            types.push(SagaType::new(keys::parse_text("totals", name)?));
            Ok(())
        })?;
        Ok(types)
    }

    /// How many sagas of the stream started in the span, and their summed duration when asked for.
    pub(super) fn started_in(
        self,
        stream: &Stream,
        span: Span,
        durations: bool,
    ) -> Result<CountRecord, QueryError> {
        self.started_below(stream, span, durations, 0, 0)
    }

    fn started_below(
        self,
        stream: &Stream,
        span: Span,
        durations: bool,
        level: u8,
        parent: i64,
    ) -> Result<CountRecord, QueryError> {
        let mut sum = CountRecord::default();
        let mut edges = Vec::new();
        self.children(
            Tree::Started,
            stream,
            level,
            parent,
            span,
            Direction::Forward,
            |cell, _, count| {
                if span.overlap(level, cell) == Overlap::Whole {
                    sum.sagas += count.sagas;
                    sum.duration_millis += count.duration_millis;
                } else {
                    edges.push(cell);
                }
            },
        )?;
        for cell in edges {
            let below = if level < cells::LEAF {
                self.started_below(stream, span, durations, level + 1, cell)?
            } else {
                self.started_in_leaf(stream, span, durations, cell)?
            };
            sum.sagas += below.sagas;
            sum.duration_millis += below.duration_millis;
        }
        Ok(sum)
    }

    fn started_in_leaf(
        self,
        stream: &Stream,
        span: Span,
        durations: bool,
        cell: i64,
    ) -> Result<CountRecord, QueryError> {
        let mut sagas = Vec::new();
        self.rows(
            Tree::Started,
            stream,
            cell,
            span,
            Direction::Forward,
            usize::MAX,
            |_, saga, _| {
                sagas.push(SagaId::new(saga));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        let mut sum = CountRecord {
            sagas: sagas.len() as i64,
            duration_millis: 0,
        };
        if durations {
            for state in read::instances(self.read, self.generation, &sagas)?
                .into_iter()
                .flatten()
            {
                let millis = state.updated_at.since(state.started_at);
                sum.duration_millis += i64::try_from(millis).unwrap_or(i64::MAX);
            }
        }
        Ok(sum)
    }

    /// Visits the children of a cell that the span touches: cell, started cell (in the updated
    /// tree), count.
    #[expect(
        clippy::too_many_arguments,
        reason = "the coordinates of a scan, each of its own type"
    )]
    fn children(
        self,
        tree: Tree,
        stream: &Stream,
        level: u8,
        parent: i64,
        span: Span,
        direction: Direction,
        mut visit: impl FnMut(i64, Option<i64>, CountRecord),
    ) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::count_partition(&mut key, tree, &stream.saga_type, stream.status, level, parent);
        let from = keys::sortable_i64(cells::cell(level, span.from));
        // Sort keys of the updated tree go on behind the cell: the end is the first key of the next.
        let end = cells::cell(level, span.to).checked_add(1).map(keys::sortable_i64);
        let to = end
            .as_ref()
            .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        let table = Table::Projection(self.generation, ProjectionTable::Counts);
        read::try_scan(
            |row| {
                let range = (Bound::Included(&from[..]), to);
                self.read
                    .scan(table, key.partition(), range, direction, usize::MAX, row)
            },
            |sort, value| {
                let (cell, started) = keys::parse_count_sort(sort)?;
                visit(cell, started, CountRecord::read(value)?);
                Ok(ControlFlow::Continue(()))
            },
        )
    }

    /// Visits the index rows of a leaf cell inside the span: time, saga, value.
    #[expect(
        clippy::too_many_arguments,
        reason = "the coordinates of a scan, each of its own type"
    )]
    fn rows(
        self,
        tree: Tree,
        stream: &Stream,
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
        keys::index_partition(&mut key, &stream.saga_type, stream.status, bucket);
        let table = Table::Projection(
            self.generation,
            match tree {
                Tree::Started => ProjectionTable::ByStarted,
                Tree::Updated => ProjectionTable::ByUpdated,
            },
        );
        let (first, end) = (keys::sortable_i64(from.0), keys::sortable_i64(to.0 + 1));
        read::try_scan(
            |row| {
                let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
                self.read
                    .scan(table, key.partition(), range, direction, limit, row)
            },
            |sort, value| {
                let (at, saga) = keys::parse_by_time_sort(sort)?;
                visit(at, saga, value)
            },
        )
    }
}

/// Finds the sagas of some streams from the `skip`-th on, in order of one tree.
pub(super) struct Walk<'r> {
    pub(super) trees: Trees<'r>,
    pub(super) tree: Tree,
    pub(super) streams: Vec<Stream>,
    pub(super) direction: Direction,
    /// Of the time that the tree sorts by.
    pub(super) span: Span,
    /// Of the start, in the updated tree; the started tree has it in `span`.
    pub(super) started: Span,
    /// Only sagas behind this one in the walk's direction.
    pub(super) behind: Option<Row>,
    /// Sagas still to be passed over.
    pub(super) skip: u64,
    /// Sagas still to be found.
    pub(super) want: usize,
    pub(super) found: Vec<Row>,
}

/// What the streams have in one cell.
#[derive(Default)]
struct Child {
    sagas: u64,
    /// Whether `sagas` is how many of the cell match, or only a bound.
    exact: bool,
    streams: Vec<usize>,
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
        if self.direction == Direction::Reverse {
            in_order.reverse();
        }
        for (cell, child) in in_order {
            if self.want == 0 {
                break;
            }
            if child.exact && child.sagas <= self.skip {
                self.skip -= child.sagas;
            } else if level < cells::LEAF {
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
            let stream = &self.streams[*index];
            self.trees.children(
                self.tree,
                stream,
                level,
                parent,
                self.span,
                Direction::Forward,
                |cell, started, count| {
                    let by_start = started.map_or(Overlap::Whole, |cell| self.started.overlap(level, cell));
                    if by_start == Overlap::None {
                        return;
                    }
                    let whole =
                        by_start == Overlap::Whole && self.span.overlap(level, cell) == Overlap::Whole;
                    let child = children.entry(cell).or_insert_with(|| Child {
                        exact: true,
                        ..Child::default()
                    });
                    child.sagas += u64::try_from(count.sagas).unwrap_or(0);
                    child.exact &= whole;
                    if child.streams.last() != Some(index) {
                        child.streams.push(*index);
                    }
                },
            )?;
        }
        Ok(children)
    }

    fn leaf(&mut self, streams: &[usize], cell: i64) -> Result<(), QueryError> {
        let enough = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .saturating_add(self.want);
        let mut rows: Vec<Row> = Vec::new();
        for index in streams {
            let mut taken = 0;
            let stream = &self.streams[*index];
            self.trees.rows(
                self.tree,
                stream,
                cell,
                self.span,
                self.direction,
                usize::MAX,
                |at, saga, value| {
                    if self.tree == Tree::Updated
                        && !self.started.contains(UpdatedRecord::read(value)?.started())
                    {
                        return Ok(ControlFlow::Continue(()));
                    }
                    if self.is_behind(at, saga) {
                        rows.push((at, SagaId::new(saga)));
                        taken += 1;
                    }
                    Ok(if taken == enough {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    })
                },
            )?;
        }
        rows.sort_unstable();
        if self.direction == Direction::Reverse {
            rows.reverse();
        }
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
        self.skip -= skipped as u64;
        let before = self.found.len();
        self.found.extend(rows.into_iter().skip(skipped).take(self.want));
        self.want -= self.found.len() - before;
        Ok(())
    }

    fn is_behind(&self, at: Millis, saga: &str) -> bool {
        let Some((edge, last)) = &self.behind else {
            return true;
        };
        let order = (at, saga).cmp(&(*edge, last.as_str()));
        match self.direction {
            Direction::Forward => order.is_gt(),
            Direction::Reverse => order.is_lt(),
        }
    }
}
