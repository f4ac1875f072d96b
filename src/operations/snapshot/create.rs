//! Making a snapshot, while the store is written to.

use super::depot::{Depot, Stored};
use super::pace::Pace;
use super::transfer::{self, on_disk, patiently};
use super::{FileEntry, Manifest, Numbers, Phase, Progress, SnapshotError, SnapshotId, SnapshotSettings};
use crate::domain::Millis;
use crate::domain::clock::SharedClock;
use crate::failpoint;
use crate::store::SharedStore;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A snapshot to make.
pub struct Create {
    /// The store to copy.
    pub store: SharedStore,
    /// Where snapshots are kept.
    pub depot: Depot,
    /// How.
    pub settings: SnapshotSettings,
    /// A directory to make copies of the store in, on the store's own disk, where files need not be
    /// copied but are linked.
    pub scratch: PathBuf,
    /// The tracker topic.
    pub topic: String,
    /// Tells when it was made.
    pub clock: SharedClock,
    /// Where to tell how far it is.
    pub progress: Arc<Progress>,
}

/// A snapshot that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// What it consists of.
    pub manifest: Manifest,
    /// Files sent for it.
    pub sent_files: usize,
    /// Bytes of its manifest.
    pub manifest_bytes: usize,
}

/// Removes the local copy, however making the snapshot ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, "the local copy was not removed; the next start tries again");
        }
    }
}

/// Removes a directory; not being there is as good.
pub(super) fn remove(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(SnapshotError::Disk {
            path: path.to_owned(),
            why,
        }),
        _ => Ok(()),
    }
}

/// The copy of the store on this machine.
struct Copy {
    directory: Scratch,
    head: String,
    engine: String,
    numbers: Numbers,
    at: Millis,
}

impl Create {
    /// Makes it. When this returns, it can be restored.
    ///
    /// # Errors
    /// [`SnapshotError`]; then there is no such snapshot. What was sent stays there for the next try.
    pub async fn run(&self, id: SnapshotId) -> Result<Created, SnapshotError> {
        let began = Instant::now();
        patiently("object store", async || Ok(self.depot.check().await?)).await?;
        self.progress.enter(Phase::Copying);
        let copy = self.copy(&id).await?;
        failpoint::pass("snapshot.copied");
        self.progress.enter(Phase::Sending);
        let there = patiently("files there", async || self.there(&id).await).await?;
        let directory = copy.directory.0.clone();
        let local = on_disk(move || local_files(&directory)).await?;
        self.progress.files.expect(local.len() as u64);
        self.progress
            .bytes
            .expect(local.iter().map(|file| file.size).sum());
        let sent = self.send_all(&copy.directory.0, local, &there).await?;

        self.progress.enter(Phase::Finishing);
        let took = began.elapsed();
        if took > self.settings.grace() / 2 {
            return Err(SnapshotError::TooSlow { id, took });
        }
        let bytes = sent.files.iter().map(|file| file.size).sum();
        let manifest = Manifest {
            id: id.clone(),
            created_at: copy.at.to_string(),
            tracker: env!("CARGO_PKG_VERSION").to_owned(),
            engine: copy.engine,
            head: copy.head,
            numbers: copy.numbers,
            files: sent.files,
            bytes,
            new_bytes: sent.new_bytes,
            sent_bytes: self.progress.sent.load(Ordering::Relaxed),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        patiently("files sent", async || self.check_all(&manifest).await).await?;
        failpoint::pass("snapshot.before_manifest");
        let manifest_bytes = patiently("manifest", async || self.depot.put_manifest(&manifest).await).await?;
        failpoint::pass("snapshot.before_pointer");
        patiently("latest.json", async || Ok(self.depot.point_to(&id).await?)).await?;
        failpoint::pass("snapshot.done");
        Ok(Created {
            manifest,
            sent_files: sent.count,
            manifest_bytes,
        })
    }

    async fn copy(&self, id: &SnapshotId) -> Result<Copy, SnapshotError> {
        // A directory of its own: an earlier one that was called off may still be at it.
        let path = self.scratch.join(id.as_str());
        let (store, scratch, topic) = (self.store.clone(), self.scratch.clone(), self.topic.clone());
        let clock = self.clock.clone();
        on_disk(move || {
            fs::create_dir_all(&scratch).map_err(SnapshotError::disk(&scratch))?;
            let directory = Scratch(path.clone());
            let copies = store.checkpoints().ok_or(SnapshotError::NoCopies)?;
            let checkpoint = copies.checkpoint(&path)?;
            Ok(Copy {
                at: clock.now(),
                numbers: Numbers::of(&*checkpoint.copy, &topic)?,
                head: checkpoint.head,
                engine: checkpoint.engine,
                directory,
            })
        })
        .await
    }

    /// What may be counted on: the newest snapshot's files, and files that are young.
    async fn there(&self, id: &SnapshotId) -> Result<There, SnapshotError> {
        let now = self.depot.now().await?;
        let newest = self
            .depot
            .ids()
            .await?
            .into_iter()
            .rev()
            .find(|other| other != id);
        let base = match newest {
            None => None,
            Some(newest) => match self.depot.manifest(&newest).await {
                Ok(base) => Some(base),
                // It was pruned a moment ago, or is damaged: then nothing of it is counted on.
                Err(error @ (SnapshotError::NoSuch { .. } | SnapshotError::Damaged { .. })) => {
                    tracing::warn!(%error, "the newest snapshot cannot be reused; all files are sent");
                    None
                }
                Err(error) => return Err(error),
            },
        };
        // Listed after the manifest was read: a file that is not listed is not counted on.
        let files = self.depot.files().await?;
        let half = i64::try_from(self.settings.grace().as_millis() / 2).unwrap_or(i64::MAX);
        let named: BTreeSet<&str> = base
            .iter()
            .flat_map(|base| &base.files)
            .map(|file| &*file.hash)
            .collect();
        let files = files
            .into_iter()
            .filter(|(hash, stored)| {
                named.contains(hash.as_str()) || stored.modified.0 > now.0.saturating_sub(half)
            })
            .collect();
        Ok(There {
            files,
            known: base.map(|base| base.files).unwrap_or_default(),
        })
    }

    async fn send_all(
        &self,
        directory: &Path,
        local: Vec<LocalFile>,
        there: &There,
    ) -> Result<Sent, SnapshotError> {
        let pace = Pace::mib_per_second(self.settings.mib_per_second);
        let mut there_now: BTreeMap<String, u64> = there
            .files
            .iter()
            .map(|(hash, stored)| (hash.clone(), stored.size))
            .collect();
        let mut sent = Sent::default();
        for file in local {
            let path = directory.join(&file.name);
            let hash = match there.known.iter().find(|known| file.is(known)) {
                Some(known) => known.hash.clone(),
                None => transfer::hash(&path, file.size, &pace).await?,
            };
            let entry = FileEntry {
                name: file.name,
                size: file.size,
                hash,
                inode: file.inode,
                modified_ns: file.modified_ns,
            };
            if there_now.get(&entry.hash) != Some(&entry.size) {
                failpoint::pass("snapshot.before_file");
                patiently(&entry.name, async || {
                    transfer::send(&self.depot, &path, &entry, &pace, &self.progress).await
                })
                .await?;
                failpoint::pass("snapshot.after_file");
                there_now.insert(entry.hash.clone(), entry.size);
                sent.count += 1;
                sent.new_bytes += entry.size;
            }
            self.progress.files.add(1);
            self.progress.bytes.add(entry.size);
            sent.files.push(entry);
        }
        Ok(sent)
    }

    /// Looks once more whether every file is there, before the manifest says so.
    async fn check_all(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let there = self.depot.files().await?;
        let gone = manifest
            .files
            .iter()
            .find(|file| there.get(&file.hash).map(|stored| stored.size) != Some(file.size));
        match gone {
            None => Ok(()),
            Some(file) => Err(SnapshotError::Gone {
                id: manifest.id.clone(),
                name: file.name.clone(),
            }),
        }
    }
}

struct There {
    files: BTreeMap<String, Stored>,
    known: Vec<FileEntry>,
}

#[derive(Default)]
struct Sent {
    files: Vec<FileEntry>,
    count: usize,
    new_bytes: u64,
}

/// A file of the copy, as the file system describes it.
struct LocalFile {
    name: String,
    size: u64,
    inode: u64,
    modified_ns: i64,
}

impl LocalFile {
    /// Whether it is the very file that an earlier snapshot took: a link to one that never changed.
    fn is(&self, known: &FileEntry) -> bool {
        known.name == self.name
            && known.size == self.size
            && known.inode == self.inode
            && known.modified_ns == self.modified_ns
    }
}

fn local_files(directory: &Path) -> Result<Vec<LocalFile>, SnapshotError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(SnapshotError::disk(directory))? {
        let entry = entry.map_err(SnapshotError::disk(directory))?;
        let meta = entry.metadata().map_err(SnapshotError::disk(&entry.path()))?;
        if meta.is_file() {
            files.push(LocalFile {
                name: entry.file_name().to_string_lossy().into_owned(),
                size: meta.len(),
                inode: meta.ino(),
                modified_ns: meta
                    .mtime()
                    .saturating_mul(1_000_000_000)
                    .saturating_add(meta.mtime_nsec()),
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
