//! The versions that were applied, as the store knows them: which decision each is, and what follows from that.

use super::body::DefinitionsBody;
use crate::domain::{InForce, Millis, SagaDefinitions, UnreadableVersion};
use crate::operations::decisions::decisions_from;
use crate::store::{Batch, StoreError, StoreRead, reads, totals};
use serde::Deserialize as _;
use std::sync::Arc;

/// What is configured: in force while no version was applied.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// The definitions.
    pub definitions: Arc<SagaDefinitions>,
    /// Whether a file says so; they are the built-in ones otherwise.
    pub by_file: bool,
}

impl Configured {
    /// Whether a file is configured that says something else than a version: it is not used while that is in force.
    pub fn is_other_file_than(&self, version: &Version) -> bool {
        self.by_file && self.definitions.hash() != version.hash
    }
}

/// A version that was applied. Its file, which may be long, is in [`VersionFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u64,
    /// The decision: its offset in the ops topic.
    pub decision: u64,
    /// When that arrived.
    pub at: Millis,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// [Tells them apart](SagaDefinitions::hash).
    pub hash: String,
}

/// A version, and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFile {
    /// The version.
    pub version: Version,
    /// The definitions file, as it was written.
    pub text: String,
}

/// Adds a version to a batch.
pub(super) fn put(rows: &mut Batch, version: u64, decision: u64) {
    reads::put_meta_count(rows, totals::DEFINITION_VERSIONS, &version.to_string(), decision);
}

/// By number, the decisions that applied versions.
fn decisions(store: &dyn StoreRead) -> Result<Vec<(u64, u64)>, StoreError> {
    let found = reads::meta_counts(store, totals::DEFINITION_VERSIONS)?;
    let mut versions = Vec::with_capacity(found.len());
    for (number, decision) in found {
        let number = number
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("meta: version {number:?} of the definitions")))?;
        versions.push((number, decision));
    }
    versions.sort_unstable();
    Ok(versions)
}

/// The number of the version that was applied last; 0 when none was.
pub(super) fn last(store: &dyn StoreRead) -> Result<u64, StoreError> {
    Ok(decisions(store)?.last().map_or(0, |(number, _)| *number))
}

/// A version that was applied, with its file; `None` when there is none of that number.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn version(store: &dyn StoreRead, number: u64) -> Result<Option<VersionFile>, StoreError> {
    let found = decisions(store)?.into_iter().find(|(found, _)| *found == number);
    let Some(found) = found else {
        return Ok(None);
    };
    let (version, body) = read(store, found)?;
    let text = body.definitions;
    Ok(Some(VersionFile { version, text }))
}

/// The versions before a number (none: all), newest first, at most so many. No file is kept, and none is read for
/// what it says.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn versions_before(
    store: &dyn StoreRead,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Version>, StoreError> {
    let newest_first = decisions(store)?.into_iter().rev();
    let wanted = newest_first.filter(|(number, _)| before.is_none_or(|before| *number < before));
    let wanted = wanted.take(limit);
    wanted.map(|found| Ok(read(store, found)?.0)).collect()
}

/// The definitions in force: those of the last version that this process can read.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn in_force(store: &dyn StoreRead, configured: &Configured) -> Result<InForce, StoreError> {
    let (definitions, unreadable) = readable_before(store, u64::MAX, &configured.definitions)?;
    Ok(InForce::from(definitions).with_unreadable(unreadable))
}

/// The definitions in force for a decision at that offset of the ops topic: of those before it, the last that this
/// process can read.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn in_force_at(
    store: &dyn StoreRead,
    decision: u64,
    configured: &Arc<SagaDefinitions>,
) -> Result<Arc<SagaDefinitions>, StoreError> {
    Ok(readable_before(store, decision, configured)?.0)
}

/// The last version before a decision that can be read, or what is configured; and the last one behind that, if there
/// is any.
fn readable_before(
    store: &dyn StoreRead,
    decision: u64,
    configured: &Arc<SagaDefinitions>,
) -> Result<(Arc<SagaDefinitions>, Option<UnreadableVersion>), StoreError> {
    let newest_first = decisions(store)?.into_iter().rev();
    let mut unreadable: Option<UnreadableVersion> = None;
    for found in newest_first.filter(|(_, applied)| *applied < decision) {
        let (version, body) = read(store, found)?;
        match body.read() {
            Ok(definitions) => return Ok((Arc::new(definitions), unreadable)),
            Err(why) => {
                let last = unreadable.unwrap_or(UnreadableVersion {
                    version: version.number,
                    since: version.decision,
                    why,
                });
                unreadable = Some(UnreadableVersion {
                    since: version.decision,
                    ..last
                });
            }
        }
    }
    Ok((configured.clone(), unreadable))
}

fn read(
    store: &dyn StoreRead,
    (number, decision): (u64, u64),
) -> Result<(Version, DefinitionsBody), StoreError> {
    let lost = |why: &str| {
        StoreError::Corrupt(format!(
            "decisions: version {number} of the definitions at offset {decision}: {why}"
        ))
    };
    let (found, _) = decisions_from(store, decision, decision.saturating_add(1), 1)?;
    let recorded = found.into_iter().next().ok_or_else(|| lost("is not there"))?;
    let decided = recorded.decision.ok_or_else(|| lost("is no decision"))?;
    let body = DefinitionsBody::deserialize(&decided.body).map_err(|error| lost(&error.to_string()))?;
    let version = Version {
        number,
        decision,
        at: recorded.arrived_at,
        by: decided.by,
        reason: decided.reason,
        hash: body.hash.clone(),
    };
    Ok((version, body))
}
