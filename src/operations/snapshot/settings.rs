//! When snapshots are made, and for how long they are kept.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When snapshots are made, and for how long they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotSettings {
    /// Minutes between snapshots; 0 for on demand only.
    pub interval_minutes: u64,
    /// The newest so many are kept.
    pub keep_last: usize,
    /// Those younger than so many days are kept too.
    pub keep_days: u64,
    /// For so many seconds nothing that was let go of is deleted.
    pub grace_seconds: u64,
    /// MiB read, hashed and sent per second while making one; 0 for as fast as can be.
    pub mib_per_second: u64,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            interval_minutes: 0,
            keep_last: 14,
            keep_days: 0,
            grace_seconds: 86_400,
            mib_per_second: 32,
        }
    }
}

impl SnapshotSettings {
    pub(super) fn interval(&self) -> Option<Duration> {
        (self.interval_minutes > 0).then(|| Duration::from_secs(self.interval_minutes * 60))
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}
