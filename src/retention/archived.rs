//! The index of the archive: which decision's sagas lie in which object. It stays in the store.

use super::RetentionError;
use crate::archive::{self, ArchiveError};
use crate::domain::{Event, PurgedSaga, SagaId, evidence};
use crate::objects::Objects;
use crate::store::codec::Record;
use crate::store::purged;
use crate::store::records::ArchivedRecord;
use crate::store::{Key, Read, StoreError, Table, TableRange, keys, read};

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
pub fn of_decision(store: &dyn Read, decision: u64) -> Result<Option<ArchiveObject>, StoreError> {
    let mut key = Key::default();
    keys::by_decision(&mut key, decision);
    store
        .get(Table::Archived, &key)?
        .map(|value| Ok(ArchiveObject::of(decision, &ArchivedRecord::read(&value)?)))
        .transpose()
}

/// All objects, by decision, whose decision is at least `from`; at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(store: &dyn Read, from: u64, limit: usize) -> Result<Vec<ArchiveObject>, StoreError> {
    let mut objects = Vec::new();
    each(store, |object| {
        if object.decision >= from {
            objects.push(object);
        }
    })?;
    objects.sort_by_key(|object| object.decision);
    objects.truncate(limit);
    Ok(objects)
}

/// The object of that name.
///
/// # Errors
/// [`StoreError`].
pub(super) fn of_object(store: &dyn Read, name: &str) -> Result<Option<ArchiveObject>, StoreError> {
    let mut found = None;
    each(store, |object| {
        if object.name == name {
            found = Some(object);
        }
    })?;
    Ok(found)
}

fn each(store: &dyn Read, mut visit: impl FnMut(ArchiveObject)) -> Result<(), StoreError> {
    let whole = TableRange::whole(Table::Archived);
    read::try_scan_table(store, &whole, |_, sort, value| {
        visit(ArchiveObject::of(
            keys::parse_offset(sort)?,
            &ArchivedRecord::read(value)?,
        ));
        Ok(())
    })
}

/// A removed saga as its archive object has it.
#[derive(Clone, Debug, PartialEq)]
pub struct FromArchive {
    /// The record of its removal.
    pub purged: PurgedSaga,
    /// Its deliveries.
    pub events: Vec<Event>,
    /// Reads of the object that it took.
    pub reads: u32,
}

/// Reads a removed saga from the archive, and makes sure that it is what was removed.
///
/// # Errors
/// [`RetentionError`].
pub async fn fetch(
    store: &dyn crate::store::Store,
    objects: Option<&Objects>,
    saga: &SagaId,
) -> Result<FromArchive, RetentionError> {
    let purged = purged::purged(store, saga)?.ok_or_else(|| RetentionError::NeverPurged(saga.clone()))?;
    let row_group = purged
        .row_group
        .ok_or_else(|| RetentionError::NotArchived(saga.clone()))?;
    let object = of_decision(store, purged.decision)?;
    let object = object.ok_or_else(|| RetentionError::NotArchived(saga.clone()))?;
    let objects = objects.ok_or(RetentionError::NoObjects)?;
    let wanted = (saga, purged.events);
    let found = archive::read_saga(objects, &object.name, object.size, row_group, wanted).await?;
    if evidence(&found.events) == purged.hash && found.events.len() == purged.events as usize {
        return Ok(FromArchive {
            purged,
            events: found.events,
            reads: found.reads,
        });
    }
    Err(RetentionError::Archive(ArchiveError::Damaged {
        object: object.name,
        detail: format!(
            "{} deliveries of saga {saga} are there, and they are not the {} that were removed",
            found.events.len(),
            purged.events
        ),
    }))
}
