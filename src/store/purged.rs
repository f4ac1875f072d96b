//! Questions about sagas that retention removed, and about the decision that purges some or restores one.

use super::codec::Record;
use super::records::PurgedRecord;
use super::{Batch, Key, StoreError, StoreRead, Table, WHOLE, keys, reads, totals};
use crate::domain::{Cut, PurgedSaga, SagaId};
use std::ops::ControlFlow;

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

/// Whether anything ever was removed.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn any(store: &dyn StoreRead) -> Result<bool, StoreError> {
    let mut found = false;
    store.scan_table(Table::Purged, &mut |_, _, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The decision that is being done in several writes, or was when a process ended: some of it shows, and it
/// counts as not done.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn begun(store: &dyn StoreRead) -> Result<Option<u64>, StoreError> {
    let Some(text) = reads::meta(store, totals::RETENTION_BEGUN)? else {
        return Ok(None);
    };
    let decision = text.parse();
    decision
        .map(Some)
        .map_err(|_| StoreError::Corrupt(format!("meta: the decision that is begun: {text:?}")))
}

/// Adds to a batch that a decision is begun, or that the one that was is done.
pub fn put_begun(batch: &mut Batch, decision: Option<u64>) {
    if let Some(decision) = decision {
        return reads::put_meta(batch, totals::RETENTION_BEGUN, &decision.to_string());
    }
    let mut key = Key::default();
    keys::meta(&mut key, totals::RETENTION_BEGUN);
    batch.delete(Table::Meta, &key);
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
    reads::try_scan_saga(store, saga, WHOLE, |sort, _| {
        found += u64::from(within.contains(keys::parse_log_sort(sort)?.position));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
