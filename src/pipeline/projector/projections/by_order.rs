//! The sagas of an order.

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::PresenceRecord;
use crate::store::{ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "by_order",
    tables: &[ProjectionTable::ByOrder],
    is_on: |_| true,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    changes.move_row(
        (ProjectionTable::ByOrder, change),
        |before, after| before.order_id == after.order_id,
        |key, place| keys::by_order(key, &place.order_id, change.saga),
        |bytes, _| PresenceRecord.write(bytes),
    );
}
