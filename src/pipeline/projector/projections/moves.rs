//! Each time that a saga came into another status; and the sagas that did so too often to keep it all. Which events
//! were known otherwise is kept together with these, and written where deliveries come again (`stood_in`).

use super::changes::Changes;
use super::{Change, Footprint, Projection, Rebuilt};
use crate::domain::{SagaId, StatusMove};
use crate::store::codec::Record;
use crate::store::records::{ManyChangesRecord, MoveRecord};
use crate::store::{ProjectionTable, keys};

pub(super) static PROJECTION: Projection = Projection {
    name: "moves",
    tables: &[
        ProjectionTable::Moves,
        ProjectionTable::ManyChanges,
        ProjectionTable::Contradicted,
    ],
    is_on: |settings| settings.past,
    change,
    sums: None,
    rebuilt: Rebuilt::WithSagas,
};

fn change(changes: &mut Changes, change: &Change<'_>) {
    let after = change.after.map(|(footprint, _)| footprint);
    move_moves(changes, change.saga, change.before, after);
    move_stretch(changes, change.saga, change.before, after);
}

fn move_moves(changes: &mut Changes, saga: &SagaId, before: Option<&Footprint>, after: Option<&Footprint>) {
    let (old, new) = (moves(before), moves(after));
    let mut remaining = new.iter().peekable();
    for gone in &old {
        while remaining.next_if(|step| step.at < gone.at).is_some() {}
        if remaining.peek().is_none_or(|step| step.at != gone.at) {
            changes.delete(ProjectionTable::Moves, |key| {
                keys::status_move(key, gone.at, saga);
            });
        }
    }
    let Some(after) = after else {
        return;
    };
    let known = before.map_or(0, |before| before.common_moves(after));
    for step in &new[known..] {
        changes.put(
            ProjectionTable::Moves,
            |key| keys::status_move(key, step.at, saga),
            |bytes| MoveRecord::of(after.saga_type.as_str(), after.started_at, step).write(bytes),
        );
    }
}

fn moves(of: Option<&Footprint>) -> Vec<StatusMove> {
    of.map_or_else(Vec::new, |footprint| footprint.path.moves().collect())
}

fn move_stretch(changes: &mut Changes, saga: &SagaId, before: Option<&Footprint>, after: Option<&Footprint>) {
    let old = before.and_then(|before| before.path.in_log());
    let new = after.and_then(|after| after.path.in_log());
    match new {
        _ if old == new => {}
        Some(stretch) => changes.put(
            ProjectionTable::ManyChanges,
            |key| keys::many_changes(key, saga),
            |bytes| {
                let (from, until) = (stretch.start.0, stretch.end.0);
                ManyChangesRecord { from, until }.write(bytes);
            },
        ),
        None => changes.delete(ProjectionTable::ManyChanges, |key| keys::many_changes(key, saga)),
    }
}
