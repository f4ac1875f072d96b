//! What became of the offsets that were logged, by partition and by day of arrival: which deliveries stand, which
//! are duplicates, which are of sagas that are gone. Each is in one class at any moment, whatever came after it.

use super::changes::Changes;
use super::counters::Counters;
use super::{Projection, Rebuilt};
use crate::domain::{EventRef, Millis, OPERATOR_STATUS_CHANGE, Position, PurgedSaga};
use crate::store::ledger::OffsetSums;
use crate::store::records::OffsetClass;
use crate::store::{Batch, ProjectionTable, StoreError, StoreRead, Table};

pub(super) static PROJECTION: Projection = Projection {
    name: "ledger",
    tables: &[ProjectionTable::Ledger],
    is_on: |settings| settings.ledger,
    // A state does not tell which of its deliveries arrived when: they are counted as they are met.
    change: |_, _| {},
    sums: Some(move_offsets),
    rebuilt: Rebuilt::WithSagas,
};

/// A delivery, as far as it is counted here.
#[derive(Clone, Copy)]
pub(in crate::pipeline::projector) struct Delivered<'e> {
    position: Position,
    arrived_at: Millis,
    step: &'e str,
}

impl<'e> From<&EventRef<'e>> for Delivered<'e> {
    fn from(event: &EventRef<'e>) -> Self {
        Self {
            position: event.place.position,
            arrived_at: event.arrived_at,
            step: event.step,
        }
    }
}

impl<'e> From<&'e crate::domain::Event> for Delivered<'e> {
    fn from(event: &'e crate::domain::Event) -> Self {
        Self {
            position: event.position,
            arrived_at: event.arrived_at,
            step: event.step.as_str(),
        }
    }
}

impl Delivered<'_> {
    /// What it is as long as it stands.
    fn standing(&self) -> OffsetClass {
        OffsetClass::of_standing(self.step == OPERATOR_STATUS_CHANGE)
    }
}

impl Changes {
    /// A delivery stands from now on; with -1, what stood is not there any more.
    pub(in crate::pipeline::projector) fn stands<'e>(
        &mut self,
        delivery: impl Into<Delivered<'e>>,
        sign: i64,
    ) {
        let delivery = delivery.into();
        self.count_offset(delivery, delivery.standing(), sign);
    }

    /// A delivery is there and does not stand; with -1, it is not there any more.
    pub(in crate::pipeline::projector) fn repeats<'e>(
        &mut self,
        delivery: impl Into<Delivered<'e>>,
        sign: i64,
    ) {
        self.count_offset(delivery.into(), OffsetClass::Duplicate, sign);
    }

    /// A delivery came to a saga that is gone.
    pub(super) fn comes_late(&mut self, delivery: Delivered<'_>) {
        self.count_offset(delivery, OffsetClass::Purged, 1);
    }

    /// The deliveries that a purge removed are those of a saga that is gone.
    pub(in crate::pipeline::projector) fn removed_offsets(&mut self, saga: &PurgedSaga) {
        for ((partition, day), count) in &saga.arrivals {
            let count = i64::from(*count);
            self.offsets.add_on(*partition, *day, OffsetClass::Purged, count);
        }
    }

    /// All deliveries that were counted so far are of a saga that was gone and is back.
    pub(in crate::pipeline::projector) fn returned_offsets(&mut self) {
        let classes = [
            OffsetClass::Applied,
            OffsetClass::Duplicate,
            OffsetClass::Operator,
        ];
        let back: Vec<((u32, i64), i64)> = self
            .offsets
            .iter()
            .map(|(place, counts)| (place, counts.sum(&classes)))
            .collect();
        for ((partition, day), count) in back {
            self.offsets.add_on(partition, day, OffsetClass::Purged, -count);
        }
    }

    fn count_offset(&mut self, delivery: Delivered<'_>, class: OffsetClass, by: i64) {
        self.offsets
            .add(delivery.position.partition, delivery.arrived_at, class, by);
    }
}

fn move_offsets(
    known: &mut Counters,
    store: &dyn StoreRead,
    changes: &mut Changes,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let table = Table::Projection(known.target.generation, ProjectionTable::Ledger);
    let mut sums = OffsetSums::default();
    sums.absorb(&mut changes.offsets);
    sums.put(store, table, batch)
}
