//! The sagas that break a rule of their definition, by rule, type, and when they last did. A saga that keeps all
//! rules, as most do, has no row.

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
    if change.breaks_the_same() {
        return;
    }
    for (place, sign) in change.signed() {
        for (rule, at) in &place.broken {
            let key = |key: &mut Key| keys::by_time(key, &place.saga_type, *rule, *at, change.saga);
            if sign < 0 {
                changes.delete(ProjectionTable::ByRule, key);
            } else {
                changes.put(ProjectionTable::ByRule, key, |bytes| PresenceRecord.write(bytes));
            }
        }
    }
}
