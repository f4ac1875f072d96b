//! Folds the log into the projections, window by window.
//!
//! A window is a set of deliveries between two cuts of the topic. All of its changes, the sums and
//! the cursor are one atomic write, so at any moment the projections are exactly
//! `fold(log inside the cursor)`. What a projection answers is not decided here (`query`).

mod advance;
mod arrivals;
mod arriving;
mod at_rest;
mod carry;
mod catch_up;
mod delays;
mod extent;
mod feed;
mod fill;
mod first_pass;
mod known;
mod large;
mod live;
mod parallel;
mod preview;
mod progress;
mod projections;
mod purge;
pub mod rebuild;
mod refold;
mod remembered;
mod removal;
mod restore;
mod restoring;
mod settings;
mod shard;
mod stood_in;
mod subset;
mod unfinished;
mod visible;

pub use advance::Projector;
pub use at_rest::AtRestError;
pub use catch_up::catch_up_offline;
pub use delays::{DELAY_BUCKETS, Delay, Delays};
pub use extent::Extent;
#[cfg(test)]
pub(crate) use live::Stepped;
pub use live::{Delivery, ProjectorGone, ProjectorHandle, ProjectorStatus, ProjectorWatch, spawn};
pub use preview::{Preview, Would};
pub use projections::{PROJECTIONS, Projection};
pub use purge::{Purge, PurgeOutcome, PurgeSaga};
pub use restore::{Restore, RestoreOutcome};
pub use settings::ProjectorSettings;

#[cfg(test)]
mod tests;
