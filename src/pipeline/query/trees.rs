//! What a count tree is asked about: the sagas in one status, or that break one rule, in a range of time. How it is read is decided in
//! [`super::node`] and [`super::counts`].

use crate::domain::{Millis, SagaId, SagaType};
use crate::store::keys::Condition;
use crate::store::{Generation, StoreRead, cells};

/// The sagas in one status, that break one rule, or that have nothing to compensate, of one type or of all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    pub(super) condition: Condition,
    pub(super) saga_type: Option<SagaType>,
}

/// A closed range of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) from: Millis,
    pub(super) to: Millis,
}

/// How a cell lies to a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Overlap {
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

    pub(super) fn contains(self, at: Millis) -> bool {
        self.from <= at && at <= self.to
    }

    pub(super) fn overlap(self, level: u8, cell: i64) -> Overlap {
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
    pub(super) store: &'r dyn StoreRead,
    pub(super) generation: Generation,
}

/// A saga in an index, with the time it stands at.
pub(super) type Row = (Millis, SagaId);
