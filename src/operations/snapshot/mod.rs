//! Snapshots: consistent copies of the store in object storage, and the way back.
//!
//! ```text
//! snapshots/latest.json              the only object that is overwritten: which snapshot is newest
//! snapshots/manifests/ID.json        what a snapshot consists of; written last, never changed
//! snapshots/files/HASH               a file of the store, named by the BLAKE3 of its bytes
//! snapshots/retired/ID.json          a manifest that policy let go of; its files stay for a while
//! snapshots/clock                    written to learn what time it is in the object store
//! ```
//!
//! # Why nothing that is needed is ever deleted
//! Snapshots are made, and old ones pruned, by different processes without a lock between them.
//! Instead there is a *grace*, by the object store's own clock.
//!
//! * Pruning first retires manifests, and deletes a file only if no live manifest and none retired
//!   within the grace names it, and it was itself written before the grace began.
//! * A snapshot counts on a file that is there already only if the newest live manifest names it, or
//!   if it was written within half of the grace; others it uploads again, which makes them young.
//!   It gives up if it takes longer than half of the grace.
//!
//! So whatever a snapshot counts on outlives its making, and from then on its own manifest names it.
//! A crash leaves files without a manifest: the next snapshot counts on them while they are young,
//! and pruning removes them when they are old.

pub mod coverage;
mod create;
mod depot;
mod error;
mod id;
mod manifest;
mod numbers;
mod offline;
mod pace;
mod prune;
mod restore;
mod service;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod transfer;
mod verify;

pub use create::{Create, Created};
pub use depot::Depot;
pub use error::SnapshotError;
pub use id::SnapshotId;
pub use manifest::{FileEntry, Manifest, Summary};
pub use numbers::{Numbers, PartitionNumbers};
pub use offline::{Listed, RestoreOptions, Which, list, verify_which};
pub use prune::{Pruned, prune};
pub use restore::{OpenCopy, Restore, Restored, clear_leftovers, is_unfinished};
pub use service::{SnapshotParts, Snapshots};
pub use settings::SnapshotSettings;
pub use status::{Known, Last, LastFailure, Phase, Progress, Running, SnapshotStatus, Tally, Trigger};
pub use transfer::patiently;
pub use verify::{Verified, verify};
