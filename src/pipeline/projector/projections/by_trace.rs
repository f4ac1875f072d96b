//! The sagas of a trace: of each saga the trace ids that its state keeps, the first ones.

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::PresenceRecord;
use crate::store::{ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "by_trace",
    tables: &[ProjectionTable::ByTrace],
    is_on: |settings| settings.traces,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    let old = change.before.map_or(&[][..], |before| &before.trace_ids.0);
    let new = change.after.map_or(&[][..], |(after, _)| &after.trace_ids.0);
    for gone in old.iter().filter(|trace_id| !new.contains(trace_id)) {
        changes.delete(ProjectionTable::ByTrace, |key| {
            keys::by_trace(key, gone, change.saga);
        });
    }
    for come in new.iter().filter(|trace_id| !old.contains(trace_id)) {
        changes.put(
            ProjectionTable::ByTrace,
            |key| keys::by_trace(key, come, change.saga),
            |bytes| PresenceRecord.write(bytes),
        );
    }
}
