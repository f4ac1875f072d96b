//! Files between this machine and the object store: read, hash, send, fetch, each piece by piece.

use super::depot::Depot;
use super::pace::Pace;
use super::status::Progress;
use super::{FileEntry, SnapshotError};
use crate::operations::objects::PIECE_BYTES;
use crate::wait::Backoff;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many tries for one file, waiting longer before each: the requests in it have their own.
const TRIES: u32 = 6;
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));

/// Does it again while it fails in a way that may pass, a few times, waiting longer before each.
///
/// # Errors
/// The last one, or the first that will not pass.
pub async fn patiently<T>(
    what: &str,
    mut work: impl AsyncFnMut() -> Result<T, SnapshotError>,
) -> Result<T, SnapshotError> {
    let mut retry = RETRY_BACKOFF;
    for _ in 1..TRIES {
        match work().await {
            Err(error) if error.is_transient() => {
                let wait = retry.next();
                tracing::warn!(%error, what, "trying again in {wait:.1?}");
                tokio::time::sleep(wait).await;
            }
            ended => return ended,
        }
    }
    work().await
}

/// Runs what may wait for the disk where waiting hurts nobody.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on the disk broke off");
        SnapshotError::BrokeOff
    })?
}

/// A local file, read in pieces.
struct Pieces {
    file: Arc<File>,
    path: Arc<Path>,
    size: u64,
    at: u64,
}

impl Pieces {
    fn open(path: &Path, size: u64) -> Result<Self, SnapshotError> {
        Ok(Self {
            file: Arc::new(File::open(path).map_err(SnapshotError::disk(path))?),
            path: path.into(),
            size,
            at: 0,
        })
    }

    /// The next piece, and the hasher that has seen it.
    async fn next(&mut self, mut hasher: blake3::Hasher) -> Result<(Vec<u8>, blake3::Hasher), SnapshotError> {
        let length = (self.size - self.at).min(PIECE_BYTES as u64);
        let (file, path, at) = (self.file.clone(), self.path.clone(), self.at);
        let read = on_disk(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(PIECE_BYTES)];
            file.read_exact_at(&mut bytes, at)
                .map_err(SnapshotError::disk(&path))?;
            hasher.update(&bytes);
            Ok((bytes, hasher))
        });
        let read = read.await?;
        self.at += length;
        Ok(read)
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.size
    }
}

/// BLAKE3 of a local file, hexadecimal.
pub(super) async fn hash(path: &Path, size: u64, pace: &Pace) -> Result<String, SnapshotError> {
    let mut pieces = Pieces::open(path, size)?;
    let mut hasher = blake3::Hasher::new();
    while !pieces.is_at_end() {
        pace.take((size - pieces.at).min(PIECE_BYTES as u64)).await;
        (_, hasher) = pieces.next(hasher).await?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// A file of our own, where nothing or an earlier one of ours is: what a link leads to is not ours.
fn create(path: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path),
    }
}

/// Sends a local file to its place.
pub(super) async fn send(
    depot: &Depot,
    path: &Path,
    entry: &FileEntry,
    pace: &Pace,
    progress: &Progress,
) -> Result<(), SnapshotError> {
    let mut pieces = Pieces::open(path, entry.size)?;
    let mut hasher = blake3::Hasher::new();
    let mut writer = depot.objects().writer(&Depot::file(&entry.hash));
    while !pieces.is_at_end() {
        pace.take((entry.size - pieces.at).min(PIECE_BYTES as u64)).await;
        let bytes;
        (bytes, hasher) = pieces.next(hasher).await?;
        let length = bytes.len() as u64;
        writer.piece(bytes).await?;
        progress.sent.fetch_add(length, Ordering::Relaxed);
    }
    // Before the object appears under this hash: it must be the one.
    let found = hasher.finalize().to_hex();
    if found.as_str() != entry.hash {
        return Err(SnapshotError::Damaged {
            what: path.display().to_string(),
            why: format!(
                "it changed while it was sent: its hash was {}, now it is {found}",
                entry.hash
            ),
        });
    }
    Ok(writer.finish().await?)
}

/// Reads a file of a snapshot to its end, into `into` if given, and checks size and hash.
pub(super) async fn fetch(
    depot: &Depot,
    entry: &FileEntry,
    into: Option<&Path>,
    progress: &Progress,
) -> Result<(), SnapshotError> {
    let name = Depot::file(&entry.hash);
    let damaged = |why: String| SnapshotError::Damaged {
        what: format!("{}/{name} ({})", depot.place(), entry.name),
        why,
    };
    match depot.objects().head(&name).await? {
        None => return Err(damaged("it is missing".to_owned())),
        Some(meta) if meta.size != entry.size => {
            return Err(damaged(format!(
                "it has {} bytes, the manifest says {}",
                meta.size, entry.size
            )));
        }
        Some(_) => {}
    }
    let mut file = match into {
        Some(path) => Some((create(path).map_err(SnapshotError::disk(path))?, path.to_owned())),
        None => None,
    };
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < entry.size {
        let end = entry.size.min(at + PIECE_BYTES as u64);
        let bytes = patiently(&name, async || {
            Ok(depot.objects().get_range(&name, at..end).await?)
        })
        .await?;
        (file, hasher) = on_disk(move || {
            hasher.update(&bytes);
            if let Some((file, path)) = &mut file {
                file.write_all(&bytes).map_err(SnapshotError::disk(path))?;
            }
            Ok((file, hasher))
        })
        .await?;
        progress.bytes.add(end - at);
        at = end;
    }
    let found = hasher.finalize().to_hex();
    if found.as_str() != entry.hash {
        return Err(damaged(format!(
            "its hash is {found}, its name says {}",
            entry.hash
        )));
    }
    if let Some((file, path)) = file {
        on_disk(move || file.sync_all().map_err(SnapshotError::disk(&path))).await?;
    }
    Ok(())
}
