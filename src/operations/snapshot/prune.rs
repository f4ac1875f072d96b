//! Letting go of old snapshots. What keeps this safe beside snapshots being made is told in the
//! room's own words.

use super::depot::Depot;
use super::transfer::{on_disk, patiently};
use super::{Manifest, SnapshotError, SnapshotId, SnapshotSettings};
use crate::domain::text::unhex_array;
use crate::domain::{DAY_MILLIS, Millis};
use crate::failpoint;
use std::collections::BTreeMap;
use std::fmt;

/// So many snapshots are looked at, retired ones included; few in tests.
const MAX_MANIFESTS: usize = if cfg!(test) { 40 } else { 10_000 };
/// So many different files of theirs are remembered; few in tests.
const MAX_FILES: usize = if cfg!(test) { 1_000 } else { 1_000_000 };

/// What pruning did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots that stay.
    pub kept: Vec<SnapshotId>,
    /// Snapshots that were let go of now.
    pub retired: Vec<SnapshotId>,
    /// Files that were deleted.
    pub deleted_files: usize,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Files that no kept snapshot needs, which stay until the grace is over.
    pub waiting_files: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} snapshots retired, {} kept; {} files deleted, {} wait until the grace is over",
            self.retired.len(),
            self.kept.len(),
            self.deleted_files,
            self.waiting_files
        )
    }
}

/// Lets go of snapshots that the settings do not keep, and deletes files that have not been needed
/// for as long as the grace. With `dry_run` it only says what it would do.
///
/// # Errors
/// [`SnapshotError`]. A manifest that cannot be read, or more than can be remembered, stops it before anything is
/// deleted: what those snapshots need is not known.
pub async fn prune(
    depot: &Depot,
    settings: &SnapshotSettings,
    dry_run: bool,
) -> Result<Pruned, SnapshotError> {
    let now = patiently("clock", async || Ok(depot.now().await?)).await?;
    let ids = patiently("manifests", async || Ok(depot.ids().await?)).await?;
    let pointed = patiently("latest.json", async || Ok(depot.pointed().await?)).await?;
    let mut needed = Needed::none(depot);
    needed.count(ids.len())?;
    let (kept, retired) = choose(ids, pointed.as_ref(), settings, now);
    let mut pruned = Pruned {
        kept,
        retired,
        ..Pruned::default()
    };
    let grace = i64::try_from(settings.grace().as_millis()).unwrap_or(i64::MAX);
    let old = |at: Millis| at.0 < now.0.saturating_sub(grace);

    // All manifests are read before the first is touched. One that is gone was retired by someone
    // else just now, and is found among the retired ones.
    for id in &pruned.kept {
        needed.add(For::Kept, read(id, async || depot.manifest(id).await).await?)?;
    }
    for id in &pruned.retired {
        needed.add(For::Retired, read(id, async || depot.manifest(id).await).await?)?;
    }
    let mut expired = Vec::new();
    let retired_before = patiently("retired", async || Ok(depot.retired().await?)).await?;
    needed.count(retired_before.len())?;
    for (id, at) in retired_before {
        if old(at) {
            expired.push(id);
        } else {
            needed.add(
                For::Retired,
                read(&id, async || depot.retired_manifest(&id).await).await?,
            )?;
        }
    }
    if !dry_run {
        for id in &pruned.retired {
            patiently("retiring", async || depot.retire(id).await).await?;
            failpoint::pass("snapshot.prune.between");
        }
    }
    for (hash, stored) in patiently("files", async || Ok(depot.files().await?)).await? {
        let by = needed.by_whom(&hash);
        if by == Some(For::Kept) {
            continue;
        }
        if by == Some(For::Retired) || !old(stored.modified) {
            pruned.waiting_files += 1;
            pruned.waiting_bytes += stored.size;
            continue;
        }
        if !dry_run {
            patiently("file", async || Ok(depot.delete_file(&hash).await?)).await?;
            failpoint::pass("snapshot.prune.file");
        }
        pruned.deleted_files += 1;
        pruned.deleted_bytes += stored.size;
    }
    if !dry_run {
        let (objects, before) = (depot.objects().clone(), now.0.saturating_sub(grace));
        on_disk(move || Ok(objects.sweep(u64::try_from(before).unwrap_or(0))?)).await?;
        for id in &expired {
            patiently("retired manifest", async || Ok(depot.forget_retired(id).await?)).await?;
        }
    }
    Ok(pruned)
}

/// Which snapshots stay: the newest ones, young ones, and the one that is pointed to.
fn choose(
    ids: Vec<SnapshotId>,
    pointed: Option<&SnapshotId>,
    settings: &SnapshotSettings,
    now: Millis,
) -> (Vec<SnapshotId>, Vec<SnapshotId>) {
    let last = settings.keep_last.max(1);
    let days = i64::try_from(settings.keep_days).unwrap_or(i64::MAX);
    let from = now.0.saturating_sub(days.saturating_mul(DAY_MILLIS));
    let beyond = ids.len().saturating_sub(last);
    let (mut kept, mut retired) = (Vec::new(), Vec::new());
    for (index, id) in ids.into_iter().enumerate() {
        let keep = index >= beyond || (days > 0 && id.at().0 >= from) || pointed == Some(&id);
        if keep { kept.push(id) } else { retired.push(id) }
    }
    (kept, retired)
}

/// A manifest; none when it is gone.
async fn read(
    id: &SnapshotId,
    read: impl AsyncFnMut() -> Result<Manifest, SnapshotError>,
) -> Result<Option<Manifest>, SnapshotError> {
    match patiently(id.as_str(), read).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(SnapshotError::NoSuch { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What kind of snapshot needs a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Kept,
    Retired,
}

/// Files that snapshots need, as many as one may keep in memory.
struct Needed {
    place: String,
    manifests: usize,
    files: BTreeMap<[u8; 32], For>,
}

impl Needed {
    fn none(depot: &Depot) -> Self {
        Self {
            place: depot.place().to_owned(),
            manifests: 0,
            files: BTreeMap::new(),
        }
    }

    /// So many more snapshots are to be read.
    fn count(&mut self, manifests: usize) -> Result<(), SnapshotError> {
        self.manifests += manifests;
        if self.manifests <= MAX_MANIFESTS {
            return Ok(());
        }
        Err(SnapshotError::TooMany {
            place: self.place.clone(),
            found: format!("{} manifests in manifests/ and retired/", self.manifests),
            limit: MAX_MANIFESTS,
        })
    }

    fn add(&mut self, needed: For, by: Option<Manifest>) -> Result<(), SnapshotError> {
        let files = by.map(|manifest| manifest.files).unwrap_or_default();
        for file in files {
            // The hashes of a manifest that was read are hashes.
            if let Some(hash) = unhex_array(&file.hash) {
                self.files.entry(hash).or_insert(needed);
            }
            if self.files.len() > MAX_FILES {
                return Err(SnapshotError::TooMany {
                    place: self.place.clone(),
                    found: "manifests that name more files".to_owned(),
                    limit: MAX_FILES,
                });
            }
        }
        Ok(())
    }

    fn by_whom(&self, hash: &str) -> Option<For> {
        self.files.get(&unhex_array(hash)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(days: &[i64]) -> Vec<SnapshotId> {
        days.iter()
            .map(|day| SnapshotId::new(Millis(day * 86_400_000), 0))
            .collect()
    }

    fn kept(settings: &SnapshotSettings, pointed: Option<i64>) -> usize {
        let pointed = pointed.map(|day| ids(&[day]).remove(0));
        let now = Millis(10 * 86_400_000);
        choose(ids(&[1, 2, 3, 7, 9]), pointed.as_ref(), settings, now)
            .0
            .len()
    }

    #[test]
    fn the_newest_the_young_and_the_one_pointed_to_stay() {
        let of = |keep_last, keep_days| SnapshotSettings {
            keep_last,
            keep_days,
            ..SnapshotSettings::default()
        };
        assert_eq!(kept(&of(2, 0), None), 2);
        assert_eq!(kept(&of(0, 0), None), 1);
        assert_eq!(kept(&of(9, 0), None), 5);
        assert_eq!(kept(&of(1, 7), None), 3);
        assert_eq!(kept(&of(1, 0), Some(2)), 2);
    }
}
