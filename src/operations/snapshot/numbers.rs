//! What a store holds, in numbers: written into the manifest from the copy itself, and compared with
//! the copy again after a restore.

use crate::domain::SagaStatus;
use crate::store::{StoreError, StoreRead, reads, totals};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a store holds, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Numbers {
    /// The tracker topic.
    pub topic: String,
    /// Each partition of it.
    pub partitions: Vec<PartitionNumbers>,
    /// Sagas by status, as the projections have them.
    pub sagas: BTreeMap<String, u64>,
    /// Times that a saga entered FAILED.
    pub failed: u64,
    /// Times that a saga entered COMPENSATED.
    pub compensated: u64,
    /// Deliveries of events that were there already.
    pub duplicates: u64,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<String, u64>,
    /// Offsets that the broker did not deliver, by kind.
    pub gap_offsets: BTreeMap<String, u64>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionNumbers {
    /// Its number.
    pub partition: u32,
    /// The first offset that the store accounts for.
    pub start: u64,
    /// Where consumption resumes: all before it is inside.
    pub next: u64,
    /// Where folding resumes: all before it shows in answers.
    pub projected: u64,
    /// Identifies the last record: its offset and a digest of it, hexadecimal.
    pub last: Option<(u64, String)>,
}

impl Numbers {
    /// Reads them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn of(store: &dyn StoreRead, topic: &str) -> Result<Self, StoreError> {
        let generation = reads::active_generation(store)?;
        let cursor = reads::cursor(store, generation)?;
        let partitions = reads::offsets(store, topic)?
            .into_iter()
            .map(|(partition, row)| PartitionNumbers {
                partition,
                start: row.start,
                next: row.next,
                projected: cursor.next(partition),
                last: row
                    .last
                    .map(|last| (last.offset, format!("{:016x}", last.fingerprint))),
            })
            .collect();
        let mut sagas = BTreeMap::new();
        reads::numbered_totals(store, generation, totals::ACTIVE, |tag, count| {
            let status = u8::try_from(tag).ok().and_then(SagaStatus::from_tag);
            let name = status.map_or_else(|| tag.to_string(), |status| status.as_str().to_owned());
            sagas.insert(name, u64::try_from(count).unwrap_or(0));
        })?;
        let total =
            |name| Ok::<_, StoreError>(u64::try_from(reads::total(store, generation, name)?).unwrap_or(0));
        Ok(Self {
            topic: topic.to_owned(),
            partitions,
            sagas,
            failed: total(totals::FAILED)?,
            compensated: total(totals::COMPENSATED)?,
            duplicates: total(totals::DUPLICATES)?,
            dead_letters: reads::meta_counts(store, totals::DEAD_LETTER_COUNTS)?,
            gap_offsets: reads::meta_counts(store, totals::GAP_OFFSETS)?,
        })
    }

    /// Offsets that the store accounts for.
    pub fn offsets(&self) -> u64 {
        let of = |p: &PartitionNumbers| p.next - p.start.min(p.next);
        // A manifest can say anything.
        self.partitions
            .iter()
            .fold(0, |sum: u64, p| sum.saturating_add(of(p)))
    }

    /// Sagas, all statuses.
    pub fn all_sagas(&self) -> u64 {
        self.sagas
            .values()
            .fold(0, |sum: u64, sagas| sum.saturating_add(*sagas))
    }
}
