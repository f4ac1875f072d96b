//! The state of each saga. What is kept of long timelines beside it is written by the fold, which reads it
//! too (`arrivals`, `refold`).

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::InstanceRecord;
use crate::store::{Key, ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "states",
    tables: &[ProjectionTable::Instances, ProjectionTable::Timelines],
    is_on: |_| true,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    let key = |key: &mut Key| keys::instance(key, change.saga);
    match change.after {
        Some((_, state)) => changes.put(ProjectionTable::Instances, key, |bytes| {
            InstanceRecord::of(state).write(bytes);
        }),
        None => changes.delete(ProjectionTable::Instances, key),
    }
}
