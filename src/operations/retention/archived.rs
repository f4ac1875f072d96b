//! The index of the archive: which decision's sagas lie in which object. It stays in the store.

use super::RetentionError;
use crate::domain::{Event, EventRef, Evidence, PurgedSaga, RowGroups, SagaId};
use crate::operations::archive::{ArchiveError, SagaReader, Stored};
use crate::operations::objects::Objects;
use crate::pipeline::query::{Deliveries, QueryError};
use crate::store::codec::Record;
use crate::store::purged;
use crate::store::records::ArchivedRecord;
use crate::store::{Key, StoreError, StoreRead, Table, keys, reads};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tokio::runtime::Handle;

/// An archive object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveObject {
    /// The decision that removed what is in it.
    pub decision: u64,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub hash: [u8; 32],
    /// The type of its sagas.
    pub saga_type: String,
    /// The day of their last events.
    pub day: String,
    /// How many sagas.
    pub sagas: u32,
    /// How many deliveries.
    pub events: u32,
    /// When it was decided that they go.
    pub at: crate::domain::Millis,
}

impl ArchiveObject {
    fn of(decision: u64, record: &ArchivedRecord<'_>) -> Self {
        Self {
            decision,
            name: record.object.to_owned(),
            size: record.size,
            hash: record.hash,
            saga_type: record.saga_type.to_owned(),
            day: record.day.to_owned(),
            sagas: record.sagas,
            events: record.events,
            at: crate::domain::Millis(record.at),
        }
    }
}

/// The object of a decision.
///
/// # Errors
/// [`StoreError`].
pub fn of_decision(store: &dyn StoreRead, decision: u64) -> Result<Option<ArchiveObject>, StoreError> {
    let mut key = Key::default();
    keys::by_decision(&mut key, decision);
    store
        .get(Table::Archived, &key)?
        .map(|value| Ok(ArchiveObject::of(decision, &ArchivedRecord::read(&value)?)))
        .transpose()
}

/// All objects, by decision, whose decision is at least `from`; at most `limit`, and no more are kept in
/// memory on the way.
///
/// # Errors
/// [`StoreError`].
pub fn list(store: &dyn StoreRead, from: u64, limit: usize) -> Result<Vec<ArchiveObject>, StoreError> {
    let mut first = First::new(limit);
    each(store, |object| {
        if object.decision >= from {
            first.add(object);
        }
    })?;
    Ok(first.objects.into_values().collect())
}

/// The objects of the lowest decisions among many, in whatever order those come.
struct First {
    limit: usize,
    objects: BTreeMap<u64, ArchiveObject>,
}

impl First {
    fn new(limit: usize) -> Self {
        let objects = BTreeMap::new();
        Self { limit, objects }
    }

    fn add(&mut self, object: ArchiveObject) {
        self.objects.insert(object.decision, object);
        if self.objects.len() > self.limit {
            self.objects.pop_last();
        }
    }
}

/// The object of that name.
///
/// # Errors
/// [`StoreError`].
pub(super) fn of_object(store: &dyn StoreRead, name: &str) -> Result<Option<ArchiveObject>, StoreError> {
    let mut found = None;
    each(store, |object| {
        if object.name == name {
            found = Some(object);
        }
    })?;
    Ok(found)
}

fn each(store: &dyn StoreRead, mut visit: impl FnMut(ArchiveObject)) -> Result<(), StoreError> {
    reads::try_scan_table(store, Table::Archived, |_, sort, value| {
        visit(ArchiveObject::of(
            keys::parse_offset(sort)?,
            &ArchivedRecord::read(value)?,
        ));
        Ok(())
    })
}

/// A removed saga that an archive object has.
pub struct FromArchive<'o> {
    /// The record of its removal.
    pub purged: PurgedSaga,
    saga: &'o SagaId,
    object: ArchiveObject,
    row_groups: RowGroups,
    objects: &'o Objects,
}

/// Finds where a removed saga lies.
///
/// # Errors
/// [`RetentionError`].
pub fn find<'o>(
    store: &dyn crate::store::Store,
    objects: Option<&'o Objects>,
    saga: &'o SagaId,
) -> Result<FromArchive<'o>, RetentionError> {
    let purged = purged::purged(store, saga)?.ok_or_else(|| RetentionError::NeverPurged(saga.clone()))?;
    let none = || RetentionError::NotArchived(saga.clone());
    let row_groups = purged.row_groups.ok_or_else(none)?;
    let object = of_decision(store, purged.decision)?.ok_or_else(none)?;
    let objects = objects.ok_or(RetentionError::NoObjects)?;
    Ok(FromArchive {
        purged,
        saga,
        object,
        row_groups,
        objects,
    })
}

impl FromArchive<'_> {
    /// Visits its deliveries in the order of the timeline, of which one row group is in memory, and makes
    /// sure that they are what was removed: who does something with one of them before the end must not
    /// rely on it.
    ///
    /// # Errors
    /// [`RetentionError`], or the visitor's.
    pub fn each<E: From<RetentionError>>(
        &self,
        runtime: &Handle,
        visit: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.open(runtime)?;
        self.pass(&mut reader, runtime, &mut |event, _| {
            visit(event).map(ControlFlow::Continue)
        })
    }

    /// Its deliveries, to be read as often as needed, when it is certain that the archive holds what was removed.
    /// What is in memory is as much as for [`FromArchive::each`].
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn deliveries<'f>(&'f self, runtime: &'f Handle) -> Result<ArchivedDeliveries<'f>, RetentionError> {
        let mut reader = self.open(runtime)?;
        self.pass(&mut reader, runtime, &mut |_, _| {
            Ok::<_, RetentionError>(ControlFlow::Continue(()))
        })?;
        Ok(ArchivedDeliveries {
            found: self,
            reader,
            runtime,
            failure: None,
        })
    }

    /// All of its deliveries, when they take no more than about so many bytes.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn all(&self, runtime: &Handle, max_bytes: usize) -> Result<Vec<Event>, RetentionError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        self.each(runtime, &mut |event| {
            bytes += event.weight();
            if bytes > max_bytes {
                return Err(RetentionError::TooLarge {
                    saga: self.saga.clone(),
                    deliveries: self.purged.events,
                    max_bytes,
                });
            }
            events.push(event);
            Ok(())
        })?;
        Ok(events)
    }

    fn open(&self, runtime: &Handle) -> Result<SagaReader<'_>, RetentionError> {
        let ArchiveObject { name, size, hash, .. } = &self.object;
        let stored = Stored {
            size: *size,
            hash: *hash,
        };
        let wanted = (self.saga, self.purged.events);
        let opened = SagaReader::open(self.objects, (name.as_str(), &stored), self.row_groups, wanted);
        Ok(runtime.block_on(opened)?)
    }

    /// Visits the deliveries that a reader finds, each with whether it stands for its event, until told to stop;
    /// at the end, whether they are what was removed.
    fn pass<E: From<RetentionError>>(
        &self,
        reader: &mut SagaReader<'_>,
        runtime: &Handle,
        visit: &mut dyn FnMut(Event, bool) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let (mut evidence, mut count) = (Evidence::default(), 0);
        let mut ended = None;
        while runtime
            .block_on(reader.load_next())
            .map_err(RetentionError::from)?
        {
            let read = reader.each(&mut |event, stands| {
                evidence.add(self.saga, &event.view());
                count += 1;
                match visit(event, stands) {
                    Ok(ControlFlow::Continue(())) => return ControlFlow::Continue(()),
                    Ok(ControlFlow::Break(())) => ended = Some(Ok(())),
                    Err(error) => ended = Some(Err(error)),
                }
                ControlFlow::Break(())
            });
            if let Some(ended) = ended.take() {
                return ended;
            }
            read.map_err(RetentionError::from)?;
        }
        if evidence.hash() == self.purged.hash && count == self.purged.events {
            return Ok(());
        }
        Err(RetentionError::from(self.others(count)).into())
    }

    fn others(&self, found: u32) -> ArchiveError {
        ArchiveError::Damaged {
            object: self.object.name.clone(),
            detail: format!(
                "{found} deliveries of saga {} are there, and they are not the {} that were removed",
                self.saga, self.purged.events
            ),
        }
    }
}

/// The deliveries of a removed saga, which are what was removed.
pub struct ArchivedDeliveries<'f> {
    found: &'f FromArchive<'f>,
    reader: SagaReader<'f>,
    runtime: &'f Handle,
    failure: Option<RetentionError>,
}

impl ArchivedDeliveries<'_> {
    /// Why they could not be read, if they could not.
    pub fn failure(self) -> Option<RetentionError> {
        self.failure
    }
}

impl Deliveries for ArchivedDeliveries<'_> {
    fn each(
        &mut self,
        visit: &mut dyn FnMut(&EventRef<'_>, bool) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        self.reader.begin_again();
        let read = self
            .found
            .pass(&mut self.reader, self.runtime, &mut |event, stands| {
                Ok(visit(&event.view(), stands))
            });
        read.map_err(|error| {
            self.failure = Some(error);
            QueryError::Unreadable
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Durability, Store};

    const MANY: u64 = 100_000;

    fn object(decision: u64) -> ArchiveObject {
        ArchiveObject::of(decision, &record())
    }

    fn record() -> ArchivedRecord<'static> {
        ArchivedRecord {
            object: "archive/object.parquet",
            size: 1,
            hash: [0; 32],
            saga_type: "ORDER_CREATION",
            day: "2026-01-31",
            sagas: 1,
            events: 1,
            at: 0,
        }
    }

    #[test]
    fn a_page_of_many_objects_keeps_no_more_than_the_page() {
        let mut first = First::new(21);
        for decision in (0..MANY).rev() {
            first.add(object(decision));
            assert!(first.objects.len() <= 21);
        }
        assert!(first.objects.into_keys().eq(0..21));
    }

    #[test]
    fn pages_lead_from_the_first_object_to_the_last() {
        let store = MemoryStore::new();
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for decision in 0..MANY {
            keys::by_decision(&mut key, decision);
            batch.put_with(Table::Archived, &key, |bytes| record().write(bytes));
        }
        store.write(&batch, Durability::Process).unwrap();
        let page = |from, limit| list(&store, from, limit).unwrap();
        for (from, limit, numbers) in [
            (0, 3, 0..3),
            (65_535, 3, 65_535..65_538),
            (MANY - 2, 5, MANY - 2..MANY),
            (MANY, 5, MANY..MANY),
        ] {
            assert!(page(from, limit).iter().map(|found| found.decision).eq(numbers));
        }
    }
}
