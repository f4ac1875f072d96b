//! Whether the disk has room for a second generation of projections.

use crate::pipeline::ingest::space::FreeSpace;
use crate::store::{Generation, ProjectionTable, Store, StoreError, Table, reads};
use std::fmt;

/// Too little room for a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDiskSpace {
    /// Bytes that are free, or become free when what an earlier rebuild left is cleared.
    pub free: u64,
    /// Bytes that must be.
    pub needed: u64,
}

impl fmt::Display for NoDiskSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the disk under the store has no room for a rebuild: {} bytes are free, and {} must be, for another set of \
             projections and for what consumption leaves free (store.min_free_bytes)",
            self.free, self.needed
        )
    }
}

/// The shortage; `None` when there is room or free space cannot be read.
pub(super) fn shortage(store: &dyn Store, space: &dyn FreeSpace) -> Result<Option<NoDiskSpace>, StoreError> {
    let Some(free) = space.free() else {
        return Ok(None);
    };
    let serving = reads::active_generation(store)?;
    // A rebuild clears the other generation first.
    let free = free.saturating_add(bytes(store, serving.other())?);
    let needed = needed(bytes(store, serving)?, space.min_free_bytes());
    Ok((free < needed).then_some(NoDiskSpace { free, needed }))
}

/// Bytes for another set of projections. A quarter more than the present one: under other rules it may be larger, and
/// what arrives meanwhile goes into both and into the log.
fn needed(serving: u64, min_free_bytes: u64) -> u64 {
    serving.saturating_add(serving / 4).saturating_add(min_free_bytes)
}

/// What a generation takes up on disk.
fn bytes(store: &dyn Store, generation: Generation) -> Result<u64, StoreError> {
    ProjectionTable::ALL.iter().try_fold(0u64, |sum, table| {
        Ok(sum.saturating_add(store.table_bytes(Table::Projection(generation, *table))?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaStatus;
    use crate::store::SharedStore;
    use crate::store::rocks::{RocksSettings, RocksStore};
    use crate::testkit::{Room, event_at, project};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn as_much_as_serves_and_a_margin_must_be_free() {
        let directory = tempfile::tempdir().unwrap();
        let opened = RocksStore::open(directory.path(), &RocksSettings::default()).unwrap();
        let store: SharedStore = Arc::new(opened);
        let events: Vec<_> = (0..500)
            .map(|n| event_at(&format!("saga-{n}"), n, "ORDER_CREATED", SagaStatus::Started))
            .collect();
        project(&store, &events, &[100], 1);
        store.flush().unwrap();
        let serving = bytes(&*store, reads::active_generation(&*store).unwrap()).unwrap();
        assert!(serving > 1_000, "{serving}");
        let needed = serving + serving / 4 + 1_000;
        let short = NoDiskSpace {
            free: needed - 1,
            needed,
        };
        assert_eq!(
            shortage(&*store, &Room(AtomicU64::new(needed - 1))).unwrap(),
            Some(short)
        );
        assert_eq!(shortage(&*store, &Room(AtomicU64::new(needed))).unwrap(), None);
    }
}
