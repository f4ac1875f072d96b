//! Where an interval of time stands in a table, so that those are found which an instant lies in, whatever their
//! number.
//!
//! It stands at the finest level of `cells` of which one cell holds both ends, under the cell one level below in
//! which it begins, sorted by its end. So an instant reads, at each level, the cells below its own up to the one
//! that it lies in, each from the instant on; in all but the last of these every such row is an interval that the
//! instant lies in. An interval holds its first instant and not its last.

use super::cells;
use crate::domain::Millis;

/// A level, and a cell of the level below it.
pub(super) type IntervalCell = (u8, i64);

/// Where an interval stands.
pub(super) fn cell_of(from: Millis, until: Millis) -> IntervalCell {
    let level = (0..cells::LEVELS)
        .rev()
        .find(|level| cells::cell(*level, from) == cells::cell(*level, until));
    // What no cell of any level holds stands above all.
    level.map_or((cells::LEVELS, 0), |level| {
        (level, cells::cell(below(level), from))
    })
}

/// The cells of all intervals that may contain `at` and begin by `begun_by`.
pub(super) fn cells_around(at: Millis, begun_by: Millis) -> impl Iterator<Item = IntervalCell> {
    let of_levels = (0..cells::LEVELS).flat_map(move |level| {
        let first = cells::first(level, cells::cell(level, at));
        let below = below(level);
        (cells::cell(below, first)..=cells::cell(below, begun_by)).map(move |cell| (level, cell))
    });
    of_levels.chain([(cells::LEVELS, 0)])
}

/// The level below one; the last has none.
fn below(level: u8) -> u8 {
    (level + 1).min(cells::LEAF)
}
