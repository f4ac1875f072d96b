//! Making a data directory from a snapshot.
//!
//! Everything is fetched into a directory of its own inside the target, and checked there: sizes,
//! hashes, and what the store that they make holds. Then the files are moved into place, the one
//! without which they are no store last. Killed at any moment before that, there is no store; the
//! same command goes on with what is there already. (The target itself may be a mount point, so it
//! cannot be renamed.)

use super::create::remove;
use super::depot::Depot;
use super::manifest::{MANIFEST, PARTIAL};
use super::pace::Pace;
use super::transfer::{self, fetch, on_disk, patiently};
use super::{FileEntry, Manifest, Numbers, Progress, SnapshotError};
use crate::failpoint;
use crate::store::disk::{self, Room};
use crate::store::{StoreError, StoreRead};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a new file system comes with.
const NOBODYS: &str = "lost+found";

/// Opens the files in a directory for reading, and changes nothing in there.
pub type OpenCopy = Arc<dyn Fn(&Path) -> Result<Box<dyn StoreRead + Send>, StoreError> + Send + Sync>;

/// A restore to be made.
pub struct Restore {
    /// Where snapshots are kept.
    pub depot: Depot,
    /// The data directory to make.
    pub target: PathBuf,
    /// The engine that will open it.
    pub engine: &'static str,
    /// How it looks at the files.
    pub open: OpenCopy,
    /// Where to tell how far it is.
    pub progress: Arc<Progress>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Files fetched.
    pub fetched: usize,
    /// Files that an interrupted restore had left.
    pub kept: usize,
}

impl Restore {
    /// Refuses a target that holds anything but an interrupted restore. Changes nothing.
    ///
    /// # Errors
    /// [`SnapshotError::NotEmpty`], or when it cannot be looked at.
    pub fn check_target(&self) -> Result<(), SnapshotError> {
        let interrupted = self.interrupted();
        let ours = |name: &str| {
            interrupted
                .as_ref()
                .is_some_and(|manifest| is_part(manifest, name))
        };
        for name in names_in(&self.target)? {
            if name != PARTIAL && name != NOBODYS && !ours(&name) {
                return Err(SnapshotError::NotEmpty {
                    path: self.target.clone(),
                    found: name,
                });
            }
        }
        Ok(())
    }

    /// What an interrupted restore was about; `None` when there was none, or it had hardly begun.
    fn interrupted(&self) -> Option<Manifest> {
        let path = self.target.join(PARTIAL).join(MANIFEST);
        let bytes = fs::read(&path).ok()?;
        Manifest::from_bytes(&path.display().to_string(), &bytes).ok()
    }

    /// Restores the snapshot. When this returns, the target is a store.
    ///
    /// # Errors
    /// [`SnapshotError`]; then the target is no store, and the same command may be given again.
    pub async fn run(&self, manifest: &Manifest) -> Result<Restored, SnapshotError> {
        self.check_target()?;
        if manifest.engine != self.engine {
            return Err(SnapshotError::OtherEngine {
                found: manifest.engine.clone(),
                expected: self.engine,
            });
        }
        self.check_room(manifest)?;
        let partial = self.prepare(manifest)?;
        let kept = self.fetch_all(manifest, &partial).await?;
        failpoint::pass("restore.fetched");
        self.check_copy(manifest, &partial).await?;
        self.move_all(manifest, &partial)?;
        Ok(Restored {
            fetched: manifest.files.len() - kept,
            kept,
        })
    }

    /// Refuses a disk that cannot hold all of the snapshot.
    fn check_room(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        fs::create_dir_all(&self.target).map_err(SnapshotError::disk(&self.target))?;
        let Ok(Room { free, .. }) = disk::room(&self.target) else {
            return Ok(());
        };
        let partial = self.target.join(PARTIAL);
        let there: u64 = manifest
            .files
            .iter()
            .filter_map(|file| fs::metadata(partial.join(&file.name)).ok())
            .map(|meta| meta.len())
            .sum();
        let needed = manifest.bytes.saturating_sub(there);
        if free >= needed {
            return Ok(());
        }
        Err(SnapshotError::NoRoom {
            path: self.target.clone(),
            needed,
            free,
        })
    }

    /// A directory to fetch to, with what an interrupted restore of the same snapshot left in it.
    fn prepare(&self, manifest: &Manifest) -> Result<PathBuf, SnapshotError> {
        let partial = self.target.join(PARTIAL);
        match self.interrupted() {
            Some(before) => {
                // Killed while files were moved: back with them.
                for name in names_in(&self.target)?
                    .iter()
                    .filter(|name| is_part(&before, name))
                {
                    let (from, to) = (self.target.join(name), partial.join(name));
                    fs::rename(&from, &to).map_err(SnapshotError::disk(&from))?;
                }
                if before.id != manifest.id {
                    remove(&partial)?;
                }
            }
            None => remove(&partial)?,
        }
        // Somebody else may have put a link there, which would lead all files elsewhere.
        if partial.is_symlink() {
            fs::remove_file(&partial).map_err(SnapshotError::disk(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(SnapshotError::disk(&partial))?;
        let path = partial.join(MANIFEST);
        let bytes = manifest.to_bytes().map_err(|error| SnapshotError::Damaged {
            what: "manifest".to_owned(),
            why: error.to_string(),
        })?;
        fs::write(&path, bytes).map_err(SnapshotError::disk(&path))?;
        sync(&partial)?;
        sync(&self.target)?;
        Ok(partial)
    }

    async fn fetch_all(&self, manifest: &Manifest, partial: &Path) -> Result<usize, SnapshotError> {
        self.progress.files.expect(manifest.files.len() as u64);
        self.progress.bytes.expect(manifest.bytes);
        let mut kept = 0;
        for file in &manifest.files {
            let path = partial.join(&file.name);
            if is_there(&path, file).await? {
                kept += 1;
                self.progress.bytes.add(file.size);
            } else {
                failpoint::pass("restore.before_file");
                self.fetch_one(file, &path).await?;
            }
            self.progress.files.add(1);
        }
        on_disk({
            let partial = partial.to_owned();
            move || sync(&partial)
        })
        .await?;
        Ok(kept)
    }

    /// Damage on the way is told from damage at the other end by fetching again.
    async fn fetch_one(&self, file: &FileEntry, path: &Path) -> Result<(), SnapshotError> {
        let fetch_it = async || fetch(&self.depot, file, Some(path), &self.progress).await;
        match patiently(&file.name, fetch_it).await {
            Err(error @ SnapshotError::Damaged { .. }) => {
                tracing::warn!(%error, "fetching it again");
                patiently(&file.name, fetch_it).await
            }
            ended => ended,
        }
    }

    /// The files are as they were sent; is it also the store that was copied?
    async fn check_copy(&self, manifest: &Manifest, partial: &Path) -> Result<(), SnapshotError> {
        let (open, partial) = (self.open.clone(), partial.to_owned());
        let topic = manifest.numbers.topic.clone();
        let found = on_disk(move || {
            let copy = open(&partial)?;
            Ok(Numbers::of(&*copy, &topic)?)
        })
        .await?;
        if found == manifest.numbers {
            return Ok(());
        }
        Err(SnapshotError::Damaged {
            what: format!("snapshot {}", manifest.id),
            why: format!(
                "its files hold {found:?}, its manifest says {:?}",
                manifest.numbers
            ),
        })
    }

    fn move_all(&self, manifest: &Manifest, partial: &Path) -> Result<(), SnapshotError> {
        failpoint::pass("restore.before_move");
        let (head, rest): (Vec<_>, Vec<_>) =
            manifest.files.iter().partition(|file| file.name == manifest.head);
        for part in [rest, head] {
            for file in part {
                let (from, to) = (partial.join(&file.name), self.target.join(&file.name));
                fs::rename(&from, &to).map_err(SnapshotError::disk(&from))?;
                failpoint::pass("restore.between_moves");
            }
            sync(&self.target)?;
        }
        failpoint::pass("restore.moved");
        remove(partial)
    }
}

/// Removes what a killed snapshot or restore left beside the store in `data_dir`, which must be open:
/// then no restore is waiting to be finished.
///
/// # Errors
/// [`SnapshotError::Disk`].
pub fn clear_leftovers(data_dir: &Path, scratch: &Path) -> Result<(), SnapshotError> {
    remove(&data_dir.join(PARTIAL))?;
    remove(scratch)
}

/// Whether a restore into the directory was begun and not finished.
pub fn is_unfinished(data_dir: &Path) -> bool {
    let path = data_dir.join(PARTIAL).join(MANIFEST);
    let manifest = fs::read(&path)
        .ok()
        .map(|bytes| Manifest::from_bytes(PARTIAL, &bytes));
    match manifest {
        Some(Ok(manifest)) => !data_dir.join(manifest.head).exists(),
        Some(Err(_)) => true,
        None => false,
    }
}

fn is_part(manifest: &Manifest, name: &str) -> bool {
    manifest.files.iter().any(|file| file.name == name)
}

fn names_in(directory: &Path) -> Result<Vec<String>, SnapshotError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(SnapshotError::disk(directory)(why)),
    };
    entries
        .map(|entry| {
            Ok(entry
                .map_err(SnapshotError::disk(directory))?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect()
}

async fn is_there(path: &Path, file: &FileEntry) -> Result<bool, SnapshotError> {
    // Of a link itself: what it leads to is not ours.
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() == file.size => {
            let unpaced = Pace::mib_per_second(0);
            Ok(transfer::hash(path, file.size, &unpaced).await? == file.hash)
        }
        _ => Ok(false),
    }
}

/// Makes the names in a directory survive power loss.
fn sync(directory: &Path) -> Result<(), SnapshotError> {
    let opened = File::open(directory).map_err(SnapshotError::disk(directory))?;
    opened.sync_all().map_err(SnapshotError::disk(directory))
}
