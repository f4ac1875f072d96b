//! Questions about sagas that retention removed.

use super::codec::Record;
use super::records::PurgedRecord;
use super::{Key, StoreError, StoreRead, Table, WHOLE, keys};
use crate::domain::{Cut, PurgedSaga, SagaId};

/// What was removed of a saga, if anything ever was.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn purged(store: &dyn StoreRead, saga: &SagaId) -> Result<Option<PurgedSaga>, StoreError> {
    let mut key = Key::default();
    keys::purged(&mut key, saga);
    store
        .get(Table::Purged, &key)?
        .map(|value| PurgedRecord::read(&value)?.purged())
        .transpose()
}

/// Which of these sagas are gone now.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn gone(store: &dyn StoreRead, sagas: &[SagaId]) -> Result<Vec<bool>, StoreError> {
    let keys: Vec<Key> = sagas
        .iter()
        .map(|saga| {
            let mut key = Key::default();
            keys::purged(&mut key, saga);
            key
        })
        .collect();
    store
        .multi_get(Table::Purged, &keys)?
        .into_iter()
        .map(|value| {
            Ok(match value {
                Some(value) => PurgedRecord::read(&value)?.is_gone(),
                None => false,
            })
        })
        .collect()
}

/// Deliveries of a saga that the log holds inside a cut: of a purged one, those that came late.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn count_deliveries(store: &dyn StoreRead, saga: &SagaId, within: &Cut) -> Result<u64, StoreError> {
    let mut found = 0;
    super::reads::try_scan_saga(store, saga, WHOLE, |sort, _| {
        found += u64::from(within.contains(keys::parse_log_sort(sort)?.position));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(found)
}
