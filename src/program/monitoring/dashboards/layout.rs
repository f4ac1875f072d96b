//! Where panels are: from left to right, as many as fit, under the heading of their row.

use super::model::{Panel, Row};

/// How many columns Grafana's grid has.
pub(super) const COLUMNS: u32 = 24;

/// A place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The places of a row's panels, of which the first line begins at `top`, and where the next row may begin.
pub(super) fn of_row(row: &Row, top: u32) -> (Vec<Place>, u32) {
    let (mut x, mut y, mut line) = (0, top, 0);
    let mut places = Vec::new();
    for Panel { width, height, .. } in &row.panels {
        if x + width > COLUMNS {
            (x, y, line) = (0, y + line, 0);
        }
        places.push(Place {
            x,
            y,
            width: *width,
            height: *height,
        });
        x += width;
        line = line.max(*height);
    }
    (places, y + line)
}
