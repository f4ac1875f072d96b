//! Which deliveries were under way at an instant: had happened and not arrived, or the other way round (a
//! producer's clock is ahead).
//!
//! `late` has a row for each delivery in the log whose two times are more than [`NEAR`] apart, as one of
//! [`intervals`]; those that are ahead stand apart from those that are behind, because of these only those can matter
//! that had happened by the end of what is asked. Deliveries whose times are nearer are found in the feed; `clock`
//! says where to begin.

use super::codec::Record;
use super::intervals;
use super::keys::LateKind;
use super::records::{LateRecord, PresenceRecord};
use super::{Batch, Direction, Key, Scan, StoreError, StoreRead, Table, keys, until};
use crate::domain::{Event, Millis, Position, SagaId};
use std::ops::{Bound, ControlFlow, Range};

/// Milliseconds between the two times of a delivery that stands in `late`; nearer ones do not.
pub const NEAR: i64 = if cfg!(test) { 40 } else { 4_000 };

/// `clock` has one row for so many offsets, as a power of two.
const CLOCK_BITS: u32 = if cfg!(test) { 2 } else { 12 };

/// A delivery that was under way at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Its saga.
    pub saga: SagaId,
    /// Where it stands in the topic.
    pub position: Position,
    /// When it happened.
    pub recorded_at: Millis,
    /// When it arrived.
    pub arrived_at: Millis,
}

/// Whether a delivery has a row.
pub fn has_row(recorded_at: Millis, arrived_at: Millis) -> bool {
    recorded_at.0.abs_diff(arrived_at.0) > NEAR.unsigned_abs()
}

/// Adds the row of a delivery, if it has one. It belongs into the write that logs the delivery.
pub fn put(rows: &mut Batch, event: &Event) {
    if !has_row(event.recorded_at, event.arrived_at) {
        return;
    }
    rows.put_with(
        Table::Late,
        &key_of(event.recorded_at, event.arrived_at, event.position),
        |bytes| {
            LateRecord {
                saga_id: event.saga_id.as_str(),
                earlier: event.recorded_at.min(event.arrived_at).0,
            }
            .write(bytes);
        },
    );
}

/// Removes the row of a delivery, if it has one. It belongs into the write that removes the delivery from the log.
pub fn delete(rows: &mut Batch, (recorded_at, arrived_at): (Millis, Millis), position: Position) {
    if has_row(recorded_at, arrived_at) {
        rows.delete(Table::Late, &key_of(recorded_at, arrived_at, position));
    }
}

/// The key of a delivery's row.
pub fn key_of(recorded_at: Millis, arrived_at: Millis, position: Position) -> Key {
    let (earlier, later) = (recorded_at.min(arrived_at), recorded_at.max(arrived_at));
    let mut key = Key::default();
    let kind = LateKind::of(recorded_at, arrived_at);
    keys::late_partition(&mut key, kind, intervals::cell_of(earlier, later));
    keys::late_sort(&mut key, later, position);
    key
}

/// Visits the deliveries with rows that were under way at the first instant and had happened by the second one, and
/// others that are read on the way.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn each_under_way(
    store: &dyn StoreRead,
    at: Millis,
    happened_by: Millis,
    mut visit: impl FnMut(UnderWay) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    // What is behind ends when it arrives, whenever that was.
    let behind = (LateKind::Behind, at.min(happened_by), None);
    let goes_on = each_of_kind(store, at, behind, &mut visit)?;
    if goes_on && happened_by > at {
        each_of_kind(store, at, (LateKind::Ahead, at, Some(happened_by)), &mut visit)?;
    }
    Ok(())
}

/// Visits the rows of one kind that end behind the first instant and, if there is one, by the last one; the cells that
/// are read begin by the one between. Whether the visitor wants more.
fn each_of_kind(
    store: &dyn StoreRead,
    at: Millis,
    (kind, begun_by, ended_by): (LateKind, Millis, Option<Millis>),
    visit: &mut dyn FnMut(UnderWay) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    let sort = |behind: Millis| keys::sortable_i64(behind.0.saturating_add(1));
    let (first, end) = (sort(at), ended_by.map(sort));
    let end = end
        .as_ref()
        .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
    let mut goes_on = true;
    for cell in intervals::cells_around(at, begun_by) {
        let mut key = Key::default();
        keys::late_partition(&mut key, kind, cell);
        Scan::of(Table::Late, key.partition())
            .range((Bound::Included(&first[..]), end))
            .each(store, |sort, value| {
                let (later, position) = keys::parse_late_sort(sort)?;
                let record = LateRecord::read(value)?;
                goes_on = visit(record.under_way(kind, later, position)).is_continue();
                Ok(until(!goes_on))
            })?;
        if !goes_on {
            break;
        }
    }
    Ok(goes_on)
}

impl LateRecord<'_> {
    fn under_way(&self, kind: LateKind, later: Millis, position: Position) -> UnderWay {
        let (recorded_at, arrived_at) = match kind {
            LateKind::Ahead => (later, Millis(self.earlier)),
            LateKind::Behind => (Millis(self.earlier), later),
        };
        UnderWay {
            saga: SagaId::new(self.saga_id),
            position,
            recorded_at,
            arrived_at,
        }
    }
}

/// Adds what `clock` is told of a record, if anything; `next` is the offset that was expected.
pub fn put_clock(rows: &mut Batch, position: Position, next: u64, arrived_at: Millis) {
    if position.offset >> CLOCK_BITS == next.saturating_sub(1) >> CLOCK_BITS {
        return;
    }
    let mut key = Key::default();
    keys::clock(&mut key, arrived_at, position);
    rows.put_with(Table::Clock, &key, |bytes| PresenceRecord.write(bytes));
}

/// Offsets of a partition that hold all records which arrived less than [`NEAR`] before an instant, or up to so long
/// behind it, and few others.
///
/// # Errors
/// [`StoreError`] when the clock cannot be read.
pub fn offsets_near(store: &dyn StoreRead, partition: u32, at: Millis) -> Result<Range<u64>, StoreError> {
    let (from, to) = (at.0.saturating_sub(NEAR), at.0.saturating_add(NEAR));
    let before = keys::sortable_i64(from.saturating_add(1));
    let behind = keys::sortable_i64(to.saturating_add(1));
    let first = (Bound::Unbounded, Bound::Excluded(&before[..]));
    let end = (Bound::Included(&behind[..]), Bound::Unbounded);
    let mut key = Key::default();
    keys::clock_partition(&mut key, partition);
    let one = |range, direction| -> Result<Option<u64>, StoreError> {
        let mut found = None;
        Scan::of(Table::Clock, key.partition())
            .range(range)
            .direction(direction)
            .limit(1)
            .each(store, |sort, _| {
                found = Some(keys::parse_clock_sort(sort)?.1);
                Ok(ControlFlow::Break(()))
            })?;
        Ok(found)
    };
    Ok(one(first, Direction::Reverse)?.unwrap_or(0)..one(end, Direction::Forward)?.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use crate::testkit::{event_at, store};
    use proptest::prelude::*;

    fn delivery(offset: u64, (recorded_at, arrived_at): (i64, i64)) -> Event {
        Event {
            recorded_at: Millis(recorded_at),
            arrived_at: Millis(arrived_at),
            ..event_at("s", offset, "STEP", crate::domain::SagaStatus::Started)
        }
    }

    fn under_way(store: &dyn StoreRead, at: i64, happened_by: i64) -> Vec<u64> {
        let mut found = Vec::new();
        each_under_way(store, Millis(at), Millis(happened_by), |one| {
            assert!(has_row(one.recorded_at, one.arrived_at));
            if one.recorded_at.min(one.arrived_at).0 <= at && one.recorded_at.0 <= happened_by {
                found.push(one.position.offset);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn what_was_under_way_is_found_and_nothing_else(
            times in proptest::collection::vec((0i64..1 << 34, -2_000i64..1 << 20, any::<bool>()), 1..40),
            wide in proptest::collection::vec((0i64..1 << 34, 0i64..1 << 34), 0..10),
            gone in 0usize..10, other in -1i64 << 20..1 << 34,
        ) {
            let near = times.into_iter().map(|(at, by, ahead)| if ahead { (at + by, at) } else { (at, at + by) });
            let all: Vec<Event> = (0..).zip(near.chain(wide)).map(|(offset, times)| delivery(offset, times)).collect();
            let store = store();
            let mut rows = Batch::new();
            all.iter().for_each(|event| put(&mut rows, event));
            store.write(&rows, Durability::None).unwrap();
            let mut rows = Batch::new();
            for event in &all[..gone.min(all.len())] {
                delete(&mut rows, (event.recorded_at, event.arrived_at), event.position);
            }
            store.write(&rows, Durability::None).unwrap();
            for at in all.iter().flat_map(|event| [event.recorded_at.0, event.arrived_at.0]) {
                let happened_by = [at - 1, at, at + 1, i64::MAX, other, at - other, at + other];
                for (at, happened_by) in [at - 1, at, at + 1].into_iter().flat_map(|at| happened_by.map(|by| (at, by))) {
                    let expected: Vec<u64> = all[gone.min(all.len())..]
                        .iter()
                        .filter(|event| has_row(event.recorded_at, event.arrived_at))
                        .filter(|event| {
                            let (recorded, arrived) = (event.recorded_at.0, event.arrived_at.0);
                            recorded.min(arrived) <= at && at < recorded.max(arrived) && recorded <= happened_by
                        })
                        .map(|event| event.position.offset)
                        .collect();
                    prop_assert_eq!(under_way(&*store, at, happened_by), expected, "at {}, by {}", at, happened_by);
                }
            }
        }

        #[test]
        fn the_offsets_near_an_instant_hold_all_that_arrived_near_it(
            steps in proptest::collection::vec((1u64..4, 0i64..60), 1..60),
            first in 0u64..9,
        ) {
            let (store, mut rows) = (store(), Batch::new());
            let (mut next, mut at) = (first, 1_000);
            let mut all = Vec::new();
            for (skip, by) in steps {
                at += by;
                let offset = next + skip - 1;
                put_clock(&mut rows, Position::new(3, offset), next, Millis(at));
                next = offset + 1;
                all.push((offset, at));
            }
            store.write(&rows, Durability::None).unwrap();
            for (_, at) in &all {
                let range = offsets_near(&*store, 3, Millis(*at)).unwrap();
                for (offset, arrived) in &all {
                    let near = *arrived > at - NEAR && *arrived <= at + NEAR;
                    prop_assert!(!near || range.contains(offset), "{offset} at {arrived}, near {at}: {range:?}");
                    let far = (at - arrived).abs() > NEAR + 16 * 60;
                    prop_assert!(!far || !range.contains(offset), "{offset} at {arrived}, far of {at}: {range:?}");
                }
            }
            prop_assert_eq!(offsets_near(&*store, 4, Millis(1_000)).unwrap(), 0..u64::MAX);
        }
    }
}
