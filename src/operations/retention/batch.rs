//! What one decision purges: sagas of one type and day, by one rule, no more than a message and an archive
//! object hold. Which sagas are due is not decided here.

use super::RetentionError;
use super::contents::Contents;
use super::rules::Rule;
use super::sweep::Due;
use crate::domain::text::first;
use crate::domain::{Cut, Millis, RowGroups, SagaId, SagaState};
use crate::operations::archive;
use crate::store::{StoreRead, reads, timelines};
use std::io::Write;
use std::ops::ControlFlow;

/// Bytes of a decision's sagas as they travel, at most: it has to fit into one message, of which Kafka takes
/// a million bytes where nobody said otherwise.
const BATCH_JSON_BYTES: usize = 700_000;
/// What travels of a saga beside its id: the count and the evidence of its deliveries, and their names.
const ENTRY_JSON_BYTES: usize = 130;

/// One saga that is purged.
pub(super) struct Entry {
    pub(super) saga: SagaId,
    pub(super) state: SagaState,
    pub(super) contents: Contents,
}

/// What one decision purges: sagas of one type and one day, by one rule.
pub(super) struct Group {
    pub(super) saga_type: String,
    pub(super) day: String,
    pub(super) rule: Rule,
    pub(super) due: Vec<SagaId>,
    json_bytes: usize,
}

impl Group {
    /// The group that a saga begins.
    pub(super) fn of(due: &Due) -> Self {
        Self {
            saga_type: due.saga.state.saga_type.as_str().to_owned(),
            day: day_of(due.saga.state.updated_at),
            rule: due.rule.clone(),
            due: Vec::new(),
            json_bytes: 0,
        }
    }

    /// Whether a saga belongs to it, and it is not full.
    pub(super) fn has_room_for(&self, due: &Due, limit: usize) -> bool {
        self.saga_type == due.saga.state.saga_type.as_str()
            && self.day == day_of(due.saga.state.updated_at)
            && self.rule == due.rule
            && self.due.len() < limit.max(1)
            && self.json_bytes + json_bytes(&due.saga.saga_id) <= BATCH_JSON_BYTES
    }

    pub(super) fn add(&mut self, saga: SagaId) {
        self.json_bytes += json_bytes(&saga);
        self.due.push(saga);
    }
}

/// Of the deliveries of all of them.
pub(super) fn hash_of(entries: &[Entry]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    for entry in entries {
        hash.update(&entry.contents.hash);
    }
    *hash.finalize().as_bytes()
}

/// Writes the sagas, one delivery after the other. Where each of them lies.
pub(super) fn write_all<W: Write + Send>(
    snapshot: &dyn StoreRead,
    cut: &Cut,
    entries: &[Entry],
    out: W,
) -> Result<(W, Vec<RowGroups>), RetentionError> {
    let generation = reads::active_generation(snapshot)?;
    let mut file = archive::Writer::new(out)?;
    let mut row_groups = Vec::with_capacity(entries.len());
    for Entry { saga, state, .. } in entries {
        let mut failed = None;
        file.begin(state)?;
        timelines::each_row_marked(snapshot, generation, saga, cut, |place, row, stands| {
            failed = file.add(&reads::event(saga, place, row)?, stands).err();
            Ok(if failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        failed.map_or(Ok(()), Err)?;
        row_groups.push(file.end());
    }
    Ok((file.finish()?, row_groups))
}

/// How long a saga is in a decision: characters that JSON escapes are several there.
fn json_bytes(saga: &SagaId) -> usize {
    let escaped = serde_json::to_string(saga.as_str()).map_or(0, |text| text.len());
    escaped + ENTRY_JSON_BYTES
}

/// The day of an instant, UTC.
fn day_of(at: Millis) -> String {
    first(&at.to_string(), 10).to_owned()
}
