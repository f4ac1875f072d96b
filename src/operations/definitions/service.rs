//! Definitions of a running tracker, for those who want to see, change or take back what is in force.

use super::body::{DefinitionsBody, KIND, MAX_TEXT_BYTES};
use super::versions::{self, Configured, Version, VersionFile};
use crate::domain::{DefaultDays, DefinitionError, SagaDefinitions, ShorterRetention, UnreadableVersion};
use crate::operations::audit::Act;
use crate::operations::decisions::{Decisions, Failure, NewDecision, OpsError};
use crate::store::{SharedStore, StoreError};

/// Types and statuses that a refusal names.
const MAX_NAMED: usize = 20;

/// Tells and decides what is in force. Cheap to clone.
#[derive(Clone)]
pub struct Definitions {
    /// What is configured.
    pub configured: Configured,
    /// How long sagas are kept of which no definition says that, as far as this replica knows.
    pub default_days: DefaultDays,
    /// Where decisions are made.
    pub decisions: Decisions,
}

/// A version that somebody wants to come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// The definitions file.
    pub text: String,
    /// The version that must be in force for it, if that matters to them: 0 while none was applied.
    pub expected: Option<u64>,
    /// Whether sagas may be kept for fewer days by it: they are then purged sooner, on every replica.
    pub allow_shorter_retention: bool,
}

/// A version that somebody brought into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedVersion {
    /// The version.
    pub version: Version,
    /// The sagas that are kept for fewer days by it.
    pub shorter_retention: Vec<ShorterRetention>,
}

/// Which versions there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The version in force; none while what is configured is.
    pub last: Option<Version>,
    /// What is configured.
    pub configured_hash: String,
    /// Whether a file is configured and says something else than what is in force.
    pub file_differs: bool,
}

/// Why a version did not come into force. Nothing was changed, unless the ops topic was left in doubt.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file cannot be meant.
    #[error("the definitions have {} faults: {}", .0.len(), told(.0))]
    Faults(Vec<DefinitionError>),
    /// The file is too large.
    #[error("the definitions have {found} bytes; accepted: up to {MAX_TEXT_BYTES}")]
    TooLarge {
        /// Its bytes.
        found: usize,
    },
    /// Another version is in force than somebody looked at.
    #[error(
        "version {found} of the definitions is in force, not {expected} as expected; look at it, then decide again"
    )]
    NotExpected {
        /// The one that is.
        found: u64,
        /// The one that was seen.
        expected: u64,
    },
    /// Sagas would be kept for fewer days, and the call does not allow that.
    #[error(
        "these definitions keep sagas for fewer days, which are then purged sooner, on every replica: {}; if that is \
         meant, apply them with allowShorterRetention (--allow-shorter-retention)",
        named(.0)
    )]
    ShorterRetention(Vec<ShorterRetention>),
    /// What is in force cannot be read, so nobody here knows for how long it keeps sagas, and nobody said that this does
    /// not matter.
    #[error(
        "whether these definitions keep sagas for fewer days is not known here: {0}. Apply them where that version can \
         be read, or with allowShorterRetention (--allow-shorter-retention)"
    )]
    UnknownRetention(UnreadableVersion),
    /// The decision was not made.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(faults: &[DefinitionError]) -> String {
    let told: Vec<String> = faults
        .iter()
        .map(|fault| fault.to_string().trim_end().to_owned())
        .collect();
    told.join("; ")
}

fn refuse_shorter(
    unreadable: Option<UnreadableVersion>,
    shorter: &[ShorterRetention],
) -> Result<(), ApplyError> {
    if let Some(unreadable) = unreadable {
        return Err(ApplyError::UnknownRetention(unreadable));
    }
    if !shorter.is_empty() {
        return Err(ApplyError::ShorterRetention(shorter.to_vec()));
    }
    Ok(())
}

/// The first of them, in words.
fn named(shorter: &[ShorterRetention]) -> String {
    let named = shorter.iter().take(MAX_NAMED).map(ToString::to_string);
    let more = shorter.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    named.chain(more).collect::<Vec<_>>().join(", ")
}

impl Definitions {
    /// Which version is in force, and whether what is configured agrees with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn overview(&self) -> Result<Overview, StoreError> {
        let last = self.before(None, 1)?.pop();
        let differs = last
            .as_ref()
            .is_some_and(|last| self.configured.is_other_file_than(last));
        Ok(Overview {
            last,
            configured_hash: self.configured.definitions.hash(),
            file_differs: differs,
        })
    }

    /// A version that was applied, with its file; `None` when there is none of that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn version(&self, number: u64) -> Result<Option<VersionFile>, StoreError> {
        versions::version(&*self.store().snapshot(), number)
    }

    /// The versions before a number (none: all), newest first, at most so many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn before(&self, before: Option<u64>, limit: usize) -> Result<Vec<Version>, StoreError> {
        versions::versions_before(&*self.store().snapshot(), before, limit)
    }

    /// Brings a version into force, everywhere. Blocks until it is here. The projections follow.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub fn apply(&self, new: NewVersion, by: &Act) -> Result<AppliedVersion, ApplyError> {
        let definitions = readable(&new.text)?;
        let last = versions::last(&**self.store())?;
        if let Some(expected) = new.expected.filter(|expected| *expected != last) {
            return Err(ApplyError::NotExpected {
                found: last,
                expected,
            });
        }
        // What comes into force behind this is refused for its number.
        let in_force = versions::in_force(&**self.store(), &self.configured)?;
        let shorter = self.shorter_retention(&in_force.definitions, &definitions);
        if !new.allow_shorter_retention {
            refuse_shorter(in_force.unreadable, &shorter)?;
        }
        let body = DefinitionsBody {
            version: last + 1,
            hash: definitions.hash(),
            definitions: new.text,
        };
        let made = self.decisions.make(NewDecision {
            kind: KIND,
            by: by.who.clone(),
            from: by.origin.clone(),
            reason: by.why.clone(),
            body: serde_json::to_value(&body).map_err(|error| OpsError::from(Failure::Json(error)))?,
        })?;
        let applied = self.version(body.version)?;
        let missing = Failure::NoRecord {
            id: made.id,
            offset: made.offset,
        };
        let applied = applied.ok_or_else(|| OpsError::from(missing))?;
        Ok(AppliedVersion {
            version: applied.version,
            shorter_retention: shorter,
        })
    }

    /// The sagas that would be kept for fewer days under other definitions than those in force. Of what no definition
    /// names, the settings of this replica count.
    pub fn shorter_retention(
        &self,
        in_force: &SagaDefinitions,
        others: &SagaDefinitions,
    ) -> Vec<ShorterRetention> {
        in_force.shorter_retention(others, self.default_days)
    }

    fn store(&self) -> &SharedStore {
        &self.decisions.store
    }
}

/// The definitions of a file that may become a version.
///
/// # Errors
/// [`ApplyError`], with each of its faults.
pub fn readable(text: &str) -> Result<SagaDefinitions, ApplyError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ApplyError::TooLarge { found: text.len() });
    }
    SagaDefinitions::from_toml(text).map_err(|fault| match SagaDefinitions::faults(text) {
        faults if faults.is_empty() => ApplyError::Faults(vec![fault]),
        faults => ApplyError::Faults(faults),
    })
}
