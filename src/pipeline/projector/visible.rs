//! What a fold may see of the store: up to which cut, and under which definitions.

use crate::domain::{Cut, SagaDefinitions, SagaId, TimelineKey};
use crate::store::{Generation, Key, StoreError, StoreRead, Table, keys};

/// Rows of the log that are in memory at once: each may hold a mebibyte of metadata.
pub(super) const ROWS_AT_ONCE: usize = 32;

/// What is folded, and which part of the log is seen.
#[derive(Clone, Copy)]
pub(super) struct Visible<'a> {
    pub(super) store: &'a dyn StoreRead,
    pub(super) generation: Generation,
    pub(super) definitions: &'a SagaDefinitions,
    pub(super) within: &'a Cut,
}

/// Rows of the log that must be there.
pub(super) fn log_rows(
    visible: Visible<'_>,
    places: &[(&SagaId, TimelineKey)],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys: Vec<Key> = places
        .iter()
        .map(|(saga, place)| {
            let mut key = Key::default();
            keys::log(&mut key, saga, *place);
            key
        })
        .collect();
    let rows = visible.store.multi_get(Table::Log, &keys)?;
    rows.into_iter()
        .zip(places)
        .map(|(row, (saga, place))| {
            row.ok_or_else(|| {
                StoreError::Corrupt(format!(
                    "log: saga {saga} has no event at {}, which its timeline names",
                    place.position
                ))
            })
        })
        .collect()
}
