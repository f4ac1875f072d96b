//! The arithmetic of the `counts` trees: how time is cut into cells, and cells into parents.
//!
//! A tree counts the sagas of one type and status by an instant (their start, or their last event), or those
//! that break one rule by when they last did. `census` and `late` cut time into the same cells.
//!
//! Level 0 cells are 2^32 ms wide (50 days), each further level is 32 times finer, down to 2^12 ms
//! (4 s). A range of time, a total or the k-th saga are found by reading the children of a few cells
//! per level, whatever the number of sagas; below a leaf the rows of the index are read.
//!
//! In the updated tree a cell is told apart by the sagas' start, cut at the same level: so a range
//! of *starts* can be counted in the order of *last events* without reading the sagas.

use crate::domain::Millis;

/// Width of a cell at each level, as a power of two of milliseconds.
pub const SHIFTS: [u32; 5] = [32, 27, 22, 17, 12];

/// Levels in a tree.
pub const LEVELS: u8 = 5;

/// The last level.
pub const LEAF: u8 = LEVELS - 1;

/// The cell of a level that an instant lies in.
pub const fn cell(level: u8, at: Millis) -> i64 {
    at.0 >> SHIFTS[level as usize]
}

/// The cell one level up that a cell lies in; all of level 0 lie in 0.
pub const fn parent(level: u8, cell: i64) -> i64 {
    if level == 0 {
        0
    } else {
        cell >> (SHIFTS[level as usize - 1] - SHIFTS[level as usize])
    }
}

/// The cell of a level that a finest cell lies in.
pub const fn up(leaf: i64, level: u8) -> i64 {
    leaf >> (SHIFTS[level as usize] - SHIFTS[LEAF as usize])
}

/// The first instant of a cell.
pub const fn first(level: u8, cell: i64) -> Millis {
    Millis(cell << SHIFTS[level as usize])
}

/// The last instant of a cell.
pub const fn last(level: u8, cell: i64) -> Millis {
    Millis(((cell + 1) << SHIFTS[level as usize]) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_lies_in_its_parent() {
        let at = Millis(1_763_668_123_456);
        for level in 1..LEVELS {
            assert_eq!(parent(level, cell(level, at)), cell(level - 1, at));
        }
        assert_eq!(parent(0, cell(0, at)), 0);
        for level in 0..LEVELS {
            let here = cell(level, at);
            assert!(first(level, here) <= at && at <= last(level, here));
            assert_eq!(cell(level, last(level, here)), here);
            assert_eq!(cell(level, Millis(last(level, here).0 + 1)), here + 1);
        }
    }
}
