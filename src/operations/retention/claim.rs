//! By whose time a saga is due, in a form that every replica can check from the topics alone.
//!
//! Neither a clock nor how far somebody has read can be checked by others. So a saga is due by the
//! time of its own partitions: in each of them the arrival of the last delivery that a decision has
//! *seen*, and never ahead of the decision itself. Whoever has not read what came last is behind in
//! that time as well, and a clock that jumps ahead moves nothing. Arrival times are monotone within a
//! partition, so what comes after the cut of a decision arrived later than what it was made by.
//!
//! Where a partition stands still nothing becomes due in it until something arrives.

use crate::domain::{Cut, DAY_MILLIS, Event, Evidence, HOUR_MILLIS, Millis, Position, SagaId, TimelineKey};
use crate::pipeline::projector::Extent;
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Key, StoreError, StoreRead, Table, WHOLE, keys, offsets, purged, reads, until};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Rows that are looked at for the last delivery that stands in a partition.
const MAX_ROWS_BACK: usize = 4_096;

/// The first bytes of a delivery's evidence.
pub(super) type Mark = [u8; 8];

/// The last delivery that a decision has seen of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its offset.
    pub offset: u64,
    /// When it arrived.
    pub arrived_at: Millis,
    /// By which it is told from what another topic of the same name holds there.
    pub mark: Mark,
}

/// What was seen, by partition.
pub(crate) type SeenAll = BTreeMap<u32, Seen>;

/// The last delivery inside the cut, of every partition in which one stands in the log.
///
/// # Errors
/// [`StoreError`] when feed or log cannot be read.
pub(super) fn seen_within(store: &dyn StoreRead, cut: &Cut) -> Result<SeenAll, StoreError> {
    let mut all = SeenAll::new();
    for (partition, next) in cut.iter() {
        if let Some(event) = last_before(store, partition, next)? {
            all.insert(partition, seen(&event));
        }
    }
    Ok(all)
}

fn seen(event: &Event) -> Seen {
    let mut evidence = Evidence::default();
    evidence.add(&event.saga_id, &event.view());
    let mut mark = Mark::default();
    mark.copy_from_slice(&evidence.hash()[..8]);
    Seen {
        offset: event.position.offset,
        arrived_at: event.arrived_at,
        mark,
    }
}

/// The last delivery that stands in the log before an offset. Dead letters and what was purged tell no time: the
/// former may go at another moment on another replica.
fn last_before(store: &dyn StoreRead, partition: u32, mut before: u64) -> Result<Option<Event>, StoreError> {
    let (mut found, mut looked) = (None, 0);
    let rows = offsets::of_partition(store, Table::Feed, partition);
    while before > 0 && looked < MAX_ROWS_BACK && found.is_none() {
        let first = keys::offset_bucket(before - 1).start;
        // A bucket costs a look even when nothing is in it.
        let least = looked + 1;
        rows.backward(first..before, |offset, value| {
            looked += 1;
            if let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)? {
                let position = Position::new(partition, offset);
                found = Some((SagaId::from(saga_id), Millis(recorded_at), position));
            }
            let ends = found.is_some() || looked >= MAX_ROWS_BACK;
            Ok(until(ends))
        })?;
        looked = looked.max(least);
        before = first;
    }
    match found {
        Some((saga, recorded_at, position)) => delivery(store, &saga, recorded_at, position),
        None => Ok(None),
    }
}

fn delivery(
    store: &dyn StoreRead,
    saga: &SagaId,
    recorded_at: Millis,
    position: Position,
) -> Result<Option<Event>, StoreError> {
    let at = TimelineKey {
        recorded_at,
        position,
    };
    let mut key = Key::default();
    keys::log(&mut key, saga, at);
    let row = store.get(Table::Log, &key)?;
    row.map(|row| reads::event(saga, at, &row)).transpose()
}

/// A place where another delivery stands than the one that was seen: the decision was made about
/// another topic of this name.
///
/// # Errors
/// [`StoreError`] when feed or log cannot be read.
pub(super) fn stranger(
    store: &dyn StoreRead,
    all: &SeenAll,
    within: &Cut,
) -> Result<Option<Position>, StoreError> {
    for (partition, expected) in all {
        let position = Position::new(*partition, expected.offset);
        if within.contains(position)
            && let Some(found) = logged_at(store, position)?
            && seen(&found) != *expected
        {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// The delivery that stands in the log at a position.
fn logged_at(store: &dyn StoreRead, position: Position) -> Result<Option<Event>, StoreError> {
    match stands_at(store, position)? {
        Stands::Delivery(event) => Ok(Some(event)),
        Stands::Purged(_) | Stands::Nothing => Ok(None),
    }
}

/// What stands in the log at a position.
enum Stands {
    Delivery(Event),
    /// Nothing any more, by this decision.
    Purged(u64),
    Nothing,
}

fn stands_at(store: &dyn StoreRead, position: Position) -> Result<Stands, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, position);
    let Some(row) = store.get(Table::Feed, &key)? else {
        return Ok(Stands::Nothing);
    };
    Ok(match FeedRecord::read(&row)? {
        FeedRecord::Logged { saga_id, recorded_at } => {
            delivery(store, &saga_id.into(), Millis(recorded_at), position)?
                .map_or(Stands::Nothing, Stands::Delivery)
        }
        FeedRecord::Purged { decision } => Stands::Purged(decision),
        _ => Stands::Nothing,
    })
}

/// What a decision to purge claims.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    days: u64,
    quiet_hours: u64,
    /// By partition, the time that it is there.
    times: BTreeMap<u32, Millis>,
}

impl Claim {
    /// What is claimed by whoever has seen that much, at an instant: for the one that decides its
    /// clock, for those that apply it the arrival of the decision.
    pub(super) fn new(days: u64, quiet_hours: u64, all: &SeenAll, at: Millis) -> Self {
        let time = |(partition, seen): (&u32, &Seen)| (*partition, seen.arrived_at.min(at));
        Self {
            days,
            quiet_hours,
            times: all.iter().map(time).collect(),
        }
    }

    /// The same by a decision, of which only counts what is still there to be checked: what another decision
    /// removed meanwhile tells no time. What it removed itself was checked when it began: it is done in several
    /// writes, and goes on after a crash by the same time.
    ///
    /// # Errors
    /// [`StoreError`] when feed or log cannot be read.
    pub(super) fn checked(
        days: u64,
        quiet_hours: u64,
        all: &SeenAll,
        (decision, at): (u64, Millis),
        store: &dyn StoreRead,
    ) -> Result<Self, StoreError> {
        let mut there = SeenAll::new();
        for (partition, expected) in all {
            let position = Position::new(*partition, expected.offset);
            let counts = match stands_at(store, position)? {
                Stands::Delivery(found) => seen(&found) == *expected,
                Stands::Purged(by) => by == decision,
                Stands::Nothing => false,
            };
            if counts {
                there.insert(*partition, *expected);
            }
        }
        Ok(Self::new(days, quiet_hours, &there, at))
    }

    /// The latest time of all partitions: nothing is due by a later one.
    pub(super) fn latest(&self) -> Option<Millis> {
        self.times.values().max().copied()
    }

    /// Whether a saga with these deliveries is due, and quiet; one that came back counts from then on.
    pub(super) fn is_due(&self, deliveries: &Deliveries, came_back: Option<Millis>) -> bool {
        let times = deliveries.partitions.iter().map(|number| self.times.get(number));
        let Some(Some(now)) = times.min() else {
            return false;
        };
        let before = |span: u64, unit: i64| {
            let span = i64::try_from(span).unwrap_or(i64::MAX).saturating_mul(unit);
            Millis(now.0.saturating_sub(span))
        };
        let cutoff = before(self.days, DAY_MILLIS);
        deliveries.last_event <= cutoff
            && (self.quiet_hours == 0 || deliveries.last_arrival <= before(self.quiet_hours, HOUR_MILLIS))
            && came_back.is_none_or(|at| at <= cutoff)
    }

    /// The same of what the log holds of a saga that a decision is about. A saga of which it holds nothing is
    /// nobody's to keep.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read.
    pub(super) fn holds_of(
        &self,
        store: &dyn StoreRead,
        saga: &SagaId,
        extent: &Extent,
    ) -> Result<bool, StoreError> {
        let Some(deliveries) = Deliveries::read(store, saga, extent)? else {
            return Ok(true);
        };
        let came_back = came_back(store, saga)?;
        Ok(self.is_due(&deliveries, came_back))
    }
}

/// When a saga was last restored.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub(super) fn came_back(store: &dyn StoreRead, saga: &SagaId) -> Result<Option<Millis>, StoreError> {
    let restored = purged::purged(store, saga)?.and_then(|record| record.restored);
    Ok(restored.map(|(_, at)| at))
}

/// What of a saga's deliveries says whether it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deliveries {
    last_event: Millis,
    last_arrival: Millis,
    partitions: BTreeSet<u32>,
    count: u64,
}

impl Deliveries {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn of_one(at: TimelineKey, arrived_at: Millis) -> Self {
        Self {
            last_event: at.recorded_at,
            last_arrival: arrived_at,
            partitions: BTreeSet::from([at.position.partition]),
            count: 1,
        }
    }

    fn and(mut self, at: TimelineKey, arrived_at: Millis) -> Self {
        self.last_event = self.last_event.max(at.recorded_at);
        self.last_arrival = self.last_arrival.max(arrived_at);
        self.partitions.insert(at.position.partition);
        self.count += 1;
        self
    }

    /// Of these deliveries; `None` when there are none.
    #[cfg(test)]
    pub(super) fn of(events: &[Event]) -> Option<Self> {
        events.iter().fold(None, |all, event| {
            Some(with(all, event.timeline_key(), event.arrived_at))
        })
    }

    /// Of those that the log holds of a saga there, one by one.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read.
    pub(super) fn read(
        store: &dyn StoreRead,
        saga: &SagaId,
        extent: &Extent,
    ) -> Result<Option<Self>, StoreError> {
        let mut all = None;
        reads::try_scan_saga(store, saga, WHOLE, |sort, value| {
            let at = keys::parse_log_sort(sort)?;
            if extent.contains(at.position) {
                all = Some(with(all.take(), at, LogRecord::read(value)?.arrived_at()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }
}

/// What there is, with one more.
pub(super) fn with(all: Option<Deliveries>, at: TimelineKey, arrived_at: Millis) -> Deliveries {
    match all {
        Some(all) => all.and(at, arrived_at),
        None => Deliveries::of_one(at, arrived_at),
    }
}

#[cfg(test)]
mod tests;
