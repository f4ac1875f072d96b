//! The sagas of a type and status, by their last event. Their starts stand beside it: a rebuild counts by both.

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::UpdatedRecord;
use crate::store::{ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "by_updated",
    tables: &[ProjectionTable::ByUpdated],
    is_on: |_| true,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    changes.move_row(
        (ProjectionTable::ByUpdated, change),
        |before, after| {
            (before.status, before.started_at, before.updated_at)
                == (after.status, after.started_at, after.updated_at)
                && before.saga_type == after.saga_type
        },
        |key, place| keys::by_time(key, &place.saga_type, place.status, place.updated_at, change.saga),
        |bytes, place| {
            let started_at = place.started_at.0;
            UpdatedRecord { started_at }.write(bytes);
        },
    );
}
