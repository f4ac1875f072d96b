//! Where snapshots are kept: the names of the objects, and typed access to them.

use super::manifest::FORMAT;
use super::{Manifest, SnapshotError, SnapshotId};
use crate::domain::Millis;
use crate::operations::objects::{Objects, ObjectsError, Put};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LATEST: &str = "latest.json";
const MANIFESTS: &str = "manifests";
const RETIRED: &str = "retired";
const FILES: &str = "files";
const CLOCK: &str = "clock";
/// No manifest is longer: that of a hundred thousand files is not. Several are read at once.
const MAX_MANIFEST_BYTES: u64 = 32 << 20;
const MAX_POINTER_BYTES: u64 = 64 << 10;

/// Where snapshots are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Depot {
    objects: Objects,
}

/// What `latest.json` says.
#[derive(Serialize, Deserialize)]
struct Pointer {
    format: u64,
    snapshot: SnapshotId,
}

/// A file that is in the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) size: u64,
    pub(super) modified: Millis,
}

impl Depot {
    /// The snapshots of one tracker.
    pub fn new(objects: &Objects) -> Self {
        Self {
            objects: objects.under("snapshots"),
        }
    }

    /// The place in words.
    pub fn place(&self) -> &str {
        self.objects.place()
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Asks the object store anything, so that a wrong setting shows before work begins.
    ///
    /// # Errors
    /// [`ObjectsError`], naming the option at fault.
    pub async fn check(&self) -> Result<(), ObjectsError> {
        self.objects.check().await
    }

    /// What time it is in the object store, whose times of objects are compared with.
    pub(super) async fn now(&self) -> Result<Millis, ObjectsError> {
        self.objects.put(CLOCK, b"what time is it?\n".to_vec()).await?;
        match self.objects.head(CLOCK).await? {
            Some(meta) => Ok(Millis(meta.last_modified.timestamp_millis())),
            None => Err(ObjectsError::Missing {
                place: self.place().to_owned(),
                name: CLOCK.to_owned(),
            }),
        }
    }

    /// The snapshots there are, oldest first.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn ids(&self) -> Result<Vec<SnapshotId>, ObjectsError> {
        Ok(self
            .ids_in(MANIFESTS)
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect())
    }

    /// Retired ones, and when they were retired.
    pub(super) async fn retired(&self) -> Result<Vec<(SnapshotId, Millis)>, ObjectsError> {
        self.ids_in(RETIRED).await
    }

    async fn ids_in(&self, folder: &str) -> Result<Vec<(SnapshotId, Millis)>, ObjectsError> {
        let mut ids = Vec::new();
        for object in self.objects.list(folder).await? {
            let name = object.location.filename().unwrap_or_default();
            // Whatever else lies there is not ours to judge.
            if let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse().ok()) {
                ids.push((id, Millis(object.last_modified.timestamp_millis())));
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// What a snapshot consists of.
    ///
    /// # Errors
    /// [`SnapshotError::NoSuch`], or when it is damaged or cannot be read.
    pub async fn manifest(&self, id: &SnapshotId) -> Result<Manifest, SnapshotError> {
        self.read_manifest(MANIFESTS, id).await
    }

    pub(super) async fn retired_manifest(&self, id: &SnapshotId) -> Result<Manifest, SnapshotError> {
        self.read_manifest(RETIRED, id).await
    }

    async fn read_manifest(&self, folder: &str, id: &SnapshotId) -> Result<Manifest, SnapshotError> {
        let name = format!("{folder}/{id}.json");
        let Some(bytes) = self.objects.get_at_most(&name, MAX_MANIFEST_BYTES).await? else {
            return Err(self.no_such(id.as_str()));
        };
        let what = format!("{}/{name}", self.place());
        let manifest = Manifest::from_bytes(&what, &bytes)?;
        if manifest.id == *id {
            return Ok(manifest);
        }
        Err(SnapshotError::Damaged {
            what,
            why: format!("it is of snapshot {}", manifest.id),
        })
    }

    pub(super) fn no_such(&self, wanted: &str) -> SnapshotError {
        SnapshotError::NoSuch {
            place: self.place().to_owned(),
            wanted: wanted.to_owned(),
        }
    }

    /// Writes a manifest. What is there already is never changed.
    pub(super) async fn put_manifest(&self, manifest: &Manifest) -> Result<usize, SnapshotError> {
        let name = format!("{MANIFESTS}/{}.json", manifest.id);
        let damaged = |why: String| SnapshotError::Damaged {
            what: format!("{}/{name}", self.place()),
            why,
        };
        let bytes = manifest.to_bytes().map_err(|error| damaged(error.to_string()))?;
        let size = bytes.len();
        if size as u64 > MAX_MANIFEST_BYTES {
            let files = manifest.files.len();
            return Err(damaged(format!(
                "it would have {size} bytes, for {files} files; accepted are at most {MAX_MANIFEST_BYTES}"
            )));
        }
        if self.objects.put_if_absent(&name, bytes.clone()).await? == Put::Existed
            && !self.is_there(&name, &bytes).await?
        {
            return Err(damaged("another snapshot has this id".to_owned()));
        }
        Ok(size)
    }

    /// Whether an object that was there already is ours: the answer to an earlier try got lost.
    async fn is_there(&self, name: &str, bytes: &[u8]) -> Result<bool, ObjectsError> {
        let size = bytes.len() as u64;
        match self.objects.head(name).await? {
            Some(meta) if meta.size == size => {
                let there = self.objects.get_at_most(name, size).await?;
                Ok(there.as_deref() == Some(bytes))
            }
            _ => Ok(false),
        }
    }

    /// Says which snapshot is the newest.
    pub(super) async fn point_to(&self, id: &SnapshotId) -> Result<(), ObjectsError> {
        let pointer = format!("{{\"format\":{FORMAT},\"snapshot\":\"{id}\"}}\n");
        self.objects.put(LATEST, pointer.into_bytes()).await
    }

    /// The snapshot that `latest.json` names; `None` when it names none.
    pub(super) async fn pointed(&self) -> Result<Option<SnapshotId>, ObjectsError> {
        let bytes = self
            .objects
            .get_at_most(LATEST, MAX_POINTER_BYTES)
            .await?
            .unwrap_or_default();
        let pointer: Option<Pointer> = serde_json::from_slice(&bytes).ok();
        Ok(pointer
            .filter(|pointer| pointer.format == FORMAT)
            .map(|pointer| pointer.snapshot))
    }

    /// The snapshot to restore: the one named, else the newest begun at or before `at`, else the one
    /// that `latest.json` names. A pointer that is gone or leads nowhere is made up for by the list.
    ///
    /// # Errors
    /// [`SnapshotError::NoSuch`], or when it is damaged or cannot be read.
    pub async fn resolve(
        &self,
        id: Option<&SnapshotId>,
        at: Option<Millis>,
    ) -> Result<Manifest, SnapshotError> {
        if let Some(id) = id {
            return self.manifest(id).await;
        }
        let ids = self.ids().await?;
        let chosen = match at {
            Some(at) => ids.iter().rev().find(|id| id.at() <= at),
            None => {
                let pointed = self.pointed().await?;
                ids.iter().find(|id| Some(*id) == pointed.as_ref()).or(ids.last())
            }
        };
        match chosen {
            Some(id) => self.manifest(id).await,
            None => {
                Err(self.no_such(&at.map_or_else(|| "at all".to_owned(), |at| format!("of {at} or before"))))
            }
        }
    }

    /// All files, by hash.
    pub(super) async fn files(&self) -> Result<BTreeMap<String, Stored>, ObjectsError> {
        let objects = self.objects.list(FILES).await?;
        let files = objects.into_iter().filter_map(|object| {
            let stored = Stored {
                size: object.size,
                modified: Millis(object.last_modified.timestamp_millis()),
            };
            Some((object.location.filename()?.to_owned(), stored))
        });
        Ok(files.collect())
    }

    /// The name of a file's object.
    pub(super) fn file(hash: &str) -> String {
        format!("{FILES}/{hash}")
    }

    pub(super) async fn delete_file(&self, hash: &str) -> Result<(), ObjectsError> {
        self.objects.delete(&Self::file(hash)).await
    }

    /// Moves a manifest to the retired ones. After a crash in between it is both, and counts as live.
    pub(super) async fn retire(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        let live = format!("{MANIFESTS}/{id}.json");
        if let Some(bytes) = self.objects.get_at_most(&live, MAX_MANIFEST_BYTES).await? {
            self.objects.put(&format!("{RETIRED}/{id}.json"), bytes).await?;
            crate::failpoint::pass("snapshot.prune.retired");
            self.objects.delete(&live).await?;
        }
        Ok(())
    }

    pub(super) async fn forget_retired(&self, id: &SnapshotId) -> Result<(), ObjectsError> {
        self.objects.delete(&format!("{RETIRED}/{id}.json")).await
    }
}
