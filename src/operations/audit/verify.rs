//! Is the audit log as it was written?

use super::chain;
use super::entry::head;
use crate::domain::text::hex;
use crate::store::codec::Record;
use crate::store::records::AuditRecord;
use crate::store::{Key, Scan, SharedStore, StoreError, Table, keys};
use serde::Serialize;
use std::ops::ControlFlow;

/// So many faults are told in words; all are counted.
const MAX_TOLD: usize = 20;

/// What a look at the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Entries that are there.
    pub entries: u64,
    /// Hash of the last one, hexadecimal.
    pub head: String,
    /// What is wrong.
    pub faulty: u64,
    /// The first of it, in words.
    pub faults: Vec<String>,
}

impl Verified {
    fn fault(&mut self, what: impl FnOnce() -> String) {
        self.faulty += 1;
        if self.faults.len() < MAX_TOLD {
            self.faults.push(what());
        }
    }
}

/// Walks the chain from its beginning: numbers without a gap, every hash right, every entry tied to
/// the one before it, and the last one where the store says it is.
///
/// # Errors
/// [`StoreError`] when the table cannot be read at all; damaged entries are faults.
pub fn verify(store: &SharedStore) -> Result<Verified, StoreError> {
    let snapshot = store.snapshot();
    let end = head(&*snapshot)?;
    let mut found = Verified::default();
    let mut expected = 0;
    let mut previous = chain::BEGINNING;
    let mut bucket = 0;
    let mut empty = false;
    // One bucket beyond the head, so that an entry behind it shows too.
    while !empty || bucket << keys::FEED_BUCKET_BITS <= end.next {
        let mut key = Key::default();
        keys::audit(&mut key, bucket << keys::FEED_BUCKET_BITS);
        empty = true;
        Scan::of(Table::Audit, key.partition()).each(&*snapshot, |sort, value| {
            empty = false;
            let number = keys::parse_offset(sort)?;
            if number != expected {
                found.fault(|| format!("entries {expected} to {number}, exclusive, are missing"));
            }
            expected = number + 1;
            found.entries += 1;
            match AuditRecord::read(value) {
                Ok(record) => {
                    if record.previous != previous {
                        found.fault(|| format!("entry {number} does not follow the one before it"));
                    }
                    if chain::hash(number, &record) != record.hash {
                        found.fault(|| format!("entry {number} is not as it was written"));
                    }
                    previous = record.hash;
                }
                Err(error) => found.fault(|| format!("entry {number}: {error}")),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        bucket += 1;
    }
    if expected != end.next {
        found.fault(|| {
            format!(
                "the log ends behind {expected} entries, the store's head says {}",
                end.next
            )
        });
    } else if previous != end.hash {
        found.fault(|| "the last entry is not the one that the store's head names".to_owned());
    }
    found.head = hex(&previous);
    Ok(found)
}
