//! Snapshots for whoever has only the object store: listed, checked, and chosen to be restored. Who asks may
//! wait: what fails for a moment is tried again.

use super::coverage::Finding;
use super::depot::Depot;
use super::transfer::patiently;
use super::{Manifest, Progress, Restore, SnapshotError, SnapshotId, Verified, verify};
use crate::domain::Millis;

/// A snapshot in a list: what it is, or why that cannot be told.
pub type Listed = (SnapshotId, Result<Manifest, SnapshotError>);

/// Which snapshots to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The latest.
    Latest,
    /// These.
    These(Vec<SnapshotId>),
    /// All of them.
    All,
}

/// Which snapshot to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// This snapshot.
    pub snapshot: Option<SnapshotId>,
    /// The newest one at this time.
    pub at: Option<Millis>,
    /// Go on although the topic no longer holds what comes after it.
    pub accept_gap: bool,
    /// Do not ask the broker.
    pub skip_broker: bool,
}

impl RestoreOptions {
    /// Whether to restore although this was found between the snapshot and the topic.
    pub fn accept(&self, findings: &[Finding]) -> bool {
        findings
            .iter()
            .all(|finding| self.accept_gap && !finding.is_other_topic())
    }
}

/// The snapshots there are, oldest first.
///
/// # Errors
/// [`SnapshotError`] when the object store cannot be asked.
pub async fn list(depot: &Depot) -> Result<Vec<Listed>, SnapshotError> {
    reach(depot).await?;
    let mut listed = Vec::new();
    for id in ids(depot).await? {
        match patiently("manifest", async || depot.manifest(&id).await).await {
            // Pruned meanwhile.
            Err(SnapshotError::NoSuch { .. }) => {}
            Err(error @ SnapshotError::Objects(_)) => return Err(error),
            manifest => listed.push((id, manifest)),
        }
    }
    Ok(listed)
}

/// Reads every file of the snapshots and compares it with what the manifests say.
///
/// # Errors
/// [`SnapshotError`] when the object store cannot be asked; damage is no error.
pub async fn verify_which(
    depot: &Depot,
    which: &Which,
    progress: &Progress,
) -> Result<(Vec<SnapshotId>, Verified), SnapshotError> {
    reach(depot).await?;
    let ids = match which {
        Which::Latest => vec![resolve(depot, None, None).await?.id],
        Which::These(ids) => ids.clone(),
        Which::All => ids(depot).await?,
    };
    let (mut manifests, mut damage) = (Vec::new(), Vec::new());
    for id in &ids {
        match patiently("manifest", async || depot.manifest(id).await).await {
            Ok(manifest) => manifests.push(manifest),
            Err(error @ SnapshotError::Damaged { .. }) => damage.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let mut found = verify(depot, &manifests, progress).await?;
    found.damage.splice(0..0, damage);
    Ok((ids, found))
}

impl Restore {
    /// The snapshot that is wanted, if the target can take one.
    ///
    /// # Errors
    /// [`SnapshotError::NotEmpty`], or when the object store cannot be asked or has no such snapshot.
    pub async fn choose(&self, options: &RestoreOptions) -> Result<Manifest, SnapshotError> {
        self.check_target()?;
        reach(&self.depot).await?;
        resolve(&self.depot, options.snapshot.as_ref(), options.at).await
    }
}

async fn reach(depot: &Depot) -> Result<(), SnapshotError> {
    patiently("object store", async || Ok(depot.check().await?)).await
}

async fn ids(depot: &Depot) -> Result<Vec<SnapshotId>, SnapshotError> {
    patiently("manifests", async || Ok(depot.ids().await?)).await
}

async fn resolve(
    depot: &Depot,
    snapshot: Option<&SnapshotId>,
    at: Option<Millis>,
) -> Result<Manifest, SnapshotError> {
    patiently("manifest", async || depot.resolve(snapshot, at).await).await
}
