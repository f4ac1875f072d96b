//! The sagas that break a rule of their definition, by rule, type, and when they last did; and those that failed with
//! nothing to compensate, by type and start. A saga that keeps all rules, as most do, has no row.

use super::changes::Changes;
use super::{Change, Projection, Rebuilt};
use crate::store::codec::Record;
use crate::store::records::PresenceRecord;
use crate::store::{Key, ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "by_rule",
    tables: &[ProjectionTable::ByRule],
    is_on: |_| true,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    if change.is_judged_the_same() {
        return;
    }
    for (place, sign) in change.signed() {
        for (condition, at) in &place.judged {
            let key = |key: &mut Key| keys::by_time(key, &place.saga_type, *condition, *at, change.saga);
            if sign < 0 {
                changes.delete(ProjectionTable::ByRule, key);
            } else {
                changes.put(ProjectionTable::ByRule, key, |bytes| PresenceRecord.write(bytes));
            }
        }
    }
}
