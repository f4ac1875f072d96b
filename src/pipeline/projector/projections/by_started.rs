//! The sagas of a type and status, by their start, each with its status at every instant.

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::StartedRecord;
use crate::store::{ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "by_started",
    tables: &[ProjectionTable::ByStarted],
    is_on: |_| true,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    changes.move_row(
        (ProjectionTable::ByStarted, change),
        |before, after| {
            (before.status, before.started_at) == (after.status, after.started_at)
                && before.saga_type == after.saga_type
                && before.path == after.path
        },
        |key, place| keys::by_time(key, &place.saga_type, place.status, place.started_at, change.saga),
        |bytes, place| StartedRecord::of(&place.path, place.started_at).write(bytes),
    );
}
