//! Saga definitions as decisions: what a tracker knows of saga types comes over the ops topic, version by
//! version, so that every replica folds by the same.
//!
//! In force is the version that was applied last; while there is none, what is configured. The [`applier`] enters a
//! version, [`Definitions`] has one decided and tells which there were, and the [`Renewer`] has the projections made
//! anew where their rules of the fold are others. What definitions say, and how a saga is folded under them, is not
//! known here (`domain`).

mod body;
mod decision;
mod renewer;
mod service;
#[cfg(test)]
mod tests;
mod versions;

pub use body::{KIND, MAX_TEXT_BYTES};
pub use decision::applier;
pub use renewer::Renewer;
pub use service::{AppliedVersion, ApplyError, Definitions, NewVersion, Overview, readable};
pub use versions::{Configured, Version, VersionFile, in_force, in_force_at, version, versions_before};
