//! How often sagas entered and left each status, in cells of two times: their start, and when they did.
//!
//! Both axes are cut at every level of `store::cells`, each independently of the other: so how many stood in
//! a status at any instant, in any cell of starts, is the sum of a few rows. The 4 seconds around the
//! instant are read from `moves`.
//!
//! A rebuild counts once all sagas are folded, in the order of their starts: neighbours share cells.

use super::changes::Changes;
use super::counters::Counters;
use super::{Change, Footprint, Projection, Rebuilt};
use crate::domain::{Millis, PurgedSaga, SagaType};
use crate::store::codec::Record;
use crate::store::keys::CensusCell;
use crate::store::records::{CensusRecord, StartedRecord};
use crate::store::{Batch, Key, ProjectionTable, StoreError, StoreRead, Table, cells, keys};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub(super) static PROJECTION: Projection = Projection {
    name: "census",
    tables: &[ProjectionTable::Census],
    is_on: |settings| settings.past,
    change,
    sums: Some(move_cells),
    rebuilt: Rebuilt::FromRows(&[(ProjectionTable::ByStarted, count_row)]),
};

/// Beyond so many remembered cells all are forgotten; they are read again when they change.
const REMEMBERED_CELLS: usize = if cfg!(test) { 100 } else { 60_000 };

/// The finest cells that a change of status lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pipeline::projector) struct Leaf {
    /// Index into the names of types.
    saga_type: u32,
    start: i64,
    time: i64,
}

/// The changes of a window, in the finest cells.
pub(in crate::pipeline::projector) type Leaves = HashMap<Leaf, CensusRecord, FixedState>;
/// Moves of sagas that are purged, by number of type and instant.
pub(in crate::pipeline::projector) type PurgedMoves = HashMap<(u32, Millis), CensusRecord, FixedState>;
/// Cells of a type by its number.
pub(in crate::pipeline::projector) type Cells = HashMap<(CensusCell, u32), CensusRecord, FixedState>;

fn change(changes: &mut Changes, change: &Change<'_>) {
    let after = change.after.map(|(footprint, _)| footprint);
    let known = match (change.before, after) {
        (Some(before), Some(after)) => before.common_moves(after),
        _ => 0,
    };
    for (footprint, sign) in change.signed() {
        changes.add_moves(footprint, known, sign);
    }
}

/// Counts a saga of the index by start.
fn count_row(changes: &mut Changes, partition: &[u8], sort: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let (saga_type, _) = keys::parse_index_partition(partition)?;
    let (started_at, _) = keys::parse_by_time_sort(sort)?;
    let path = StartedRecord::read(value)?.path(started_at)?;
    let number = changes.types.number(&SagaType::new(saga_type));
    for step in path.moves() {
        let leaf = leaf(number, started_at, step.at);
        let sums = changes.census.entry(leaf).or_default();
        sums.add_move(&step, started_at, 1);
    }
    Ok(())
}

fn leaf(saga_type: u32, started_at: Millis, at: Millis) -> Leaf {
    Leaf {
        saga_type,
        start: cells::cell(cells::LEAF, started_at),
        time: cells::cell(cells::LEAF, at),
    }
}

impl Changes {
    /// Counts the moves of a saga behind the first `known` ones.
    fn add_moves(&mut self, footprint: &Footprint, known: usize, sign: i64) {
        let number = self.types.number(&footprint.saga_type);
        for step in footprint.path.moves().skip(known) {
            let leaf = leaf(number, footprint.started_at, step.at);
            let sums = self.census.entry(leaf).or_default();
            sums.add_move(&step, footprint.started_at, sign);
        }
    }

    /// Counts the moves of a saga that is purged (or, with -1, restored).
    pub(in crate::pipeline::projector) fn purged_moves(&mut self, saga: &PurgedSaga, sign: i64) {
        let number = self.types.number(&saga.saga_type);
        for step in saga.path.moves() {
            let sums = self.purged.entry((number, step.at)).or_default();
            sums.add_move(&step, saga.started_at, sign);
        }
    }

    /// Takes over the moves of another share of the same window.
    pub(in crate::pipeline::projector) fn absorb_moves(&mut self, other: &mut Changes) {
        for (mut leaf, by) in other.census.drain() {
            leaf.saga_type = self.types.number(other.types.name(leaf.saga_type));
            self.census.entry(leaf).or_default().add(&by);
        }
        for ((number, at), by) in other.purged.drain() {
            let number = self.types.number(other.types.name(number));
            self.purged.entry((number, at)).or_default().add(&by);
        }
    }
}

/// The cells of all levels that changed.
fn all_levels(leaves: &mut Leaves, purged: &mut PurgedMoves) -> Cells {
    let mut all = Cells::default();
    for ((number, at), by) in purged.drain().filter(|(_, by)| *by != CensusRecord::default()) {
        let levels = (0..cells::LEVELS).map(|level| (level, cells::cell(level, at)));
        for (time_level, time) in levels.chain([(keys::INSTANTS, at.0)]) {
            let cell = CensusCell {
                start_level: keys::PURGED_STARTS,
                start: 0,
                time_level,
                time,
            };
            all.entry((cell, number)).or_default().add(&by);
        }
    }
    for (leaf, by) in leaves.drain().filter(|(_, by)| *by != CensusRecord::default()) {
        for start_level in 0..cells::LEVELS {
            for time_level in 0..cells::LEVELS {
                let cell = CensusCell {
                    start_level,
                    start: cells::up(leaf.start, start_level),
                    time_level,
                    time: cells::up(leaf.time, time_level),
                };
                all.entry((cell, leaf.saga_type)).or_default().add(&by);
            }
        }
    }
    all
}

fn move_cells(
    known: &mut Counters,
    store: &dyn StoreRead,
    changes: &mut Changes,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    if known.census.len() > REMEMBERED_CELLS {
        known.census.clear();
    }
    let table = Table::Projection(known.target.generation, ProjectionTable::Census);
    let mut key = Key::default();
    for ((cell, number), by) in all_levels(&mut changes.census, &mut changes.purged) {
        if by == CensusRecord::default() {
            continue;
        }
        let number = known.types.number(changes.types.name(number));
        keys::census(&mut key, cell, known.types.name(number));
        let mut after = match known.census.get(&(cell, number)) {
            Some(known) => *known,
            None => store
                .get(table, &key)?
                .map(|value| CensusRecord::read(&value))
                .transpose()?
                .unwrap_or_default(),
        };
        after.add(&by);
        if after == CensusRecord::default() {
            batch.delete(table, &key);
        } else {
            batch.put_with(table, &key, |bytes| after.write(bytes));
        }
        known.census.insert((cell, number), after);
    }
    Ok(())
}
