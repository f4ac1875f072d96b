//! Questions about sagas that retention removed, and about the decision that removes some or brings one back.

use super::codec::Record;
use super::records::PurgedRecord;
use super::{Batch, Key, Read, StoreError, Table, WHOLE, keys, read, totals};
use crate::domain::{Cut, PurgedSaga, SagaId};

/// What was removed of a saga, if anything ever was.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn purged(read: &dyn Read, saga: &SagaId) -> Result<Option<PurgedSaga>, StoreError> {
    let mut key = Key::default();
    keys::purged(&mut key, saga);
    read.get(Table::Purged, &key)?
        .map(|value| PurgedRecord::read(&value)?.purged())
        .transpose()
}

/// The decision that is being done in several writes, or was when a process ended: some of it shows, and it
/// counts as not done.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn begun(read: &dyn Read) -> Result<Option<u64>, StoreError> {
    let Some(text) = read::meta(read, totals::RETENTION_BEGUN)? else {
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
        return read::put_meta(batch, totals::RETENTION_BEGUN, &decision.to_string());
    }
    let mut key = Key::default();
    keys::meta(&mut key, totals::RETENTION_BEGUN);
    batch.delete(Table::Meta, &key);
}

/// Which of these sagas are gone now.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn gone(read: &dyn Read, sagas: &[SagaId]) -> Result<Vec<bool>, StoreError> {
    let keys: Vec<Key> = sagas
        .iter()
        .map(|saga| {
            let mut key = Key::default();
            keys::purged(&mut key, saga);
            key
        })
        .collect();
    read.multi_get(Table::Purged, &keys)?
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
pub fn count_deliveries(read: &dyn Read, saga: &SagaId, within: &Cut) -> Result<u64, StoreError> {
    let mut found = 0;
    read::try_scan_saga(read, saga, WHOLE, |sort, _| {
        found += u64::from(within.contains(keys::parse_log_sort(sort)?.position));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(found)
}
