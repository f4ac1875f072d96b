//! Checking snapshots where they are: every file of the manifest is read, and its size and hash
//! compared. Nothing is written anywhere.

use super::depot::Depot;
use super::transfer::{fetch, patiently};
use super::{Manifest, Progress, SnapshotError};
use std::collections::BTreeSet;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files checked; one that several snapshots share is checked once.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, in words.
    pub damage: Vec<String>,
}

/// Checks all files of these snapshots.
///
/// # Errors
/// [`SnapshotError`] when the object store cannot be asked; damage is no error.
pub async fn verify(
    depot: &Depot,
    snapshots: &[Manifest],
    progress: &Progress,
) -> Result<Verified, SnapshotError> {
    let mut seen = BTreeSet::new();
    let files: Vec<_> = snapshots
        .iter()
        .flat_map(|snapshot| snapshot.files.iter().map(move |file| (snapshot, file)))
        .filter(|(_, file)| seen.insert(&file.hash))
        .collect();
    progress.files.expect(files.len() as u64);
    progress.bytes.expect(
        files
            .iter()
            .fold(0, |sum, (_, file)| file.size.saturating_add(sum)),
    );
    let mut found = Verified::default();
    for (snapshot, file) in files {
        match patiently(&file.name, async || fetch(depot, file, None, progress).await).await {
            Ok(()) => {}
            Err(SnapshotError::Damaged { what, why }) => {
                found
                    .damage
                    .push(format!("snapshot {}: {what}: {why}", snapshot.id));
            }
            Err(error) => return Err(error),
        }
        progress.files.add(1);
        found.files += 1;
        found.bytes = found.bytes.saturating_add(file.size);
    }
    Ok(found)
}
