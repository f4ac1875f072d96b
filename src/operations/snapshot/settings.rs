//! When snapshots are made, and for how long they are kept.

use crate::settings::settings;
use std::time::Duration;

settings! {
    /// When snapshots are made, and for how long they are kept.
    #[derive(Debug)]
    pub struct SnapshotSettings of [snapshot] {
        /// Minutes between snapshots of a running tracker; 0 for on demand only.
        #[option(Integer(0, 525_600))]
        pub interval_minutes: u64 = 0,
        /// How many of the newest snapshots are kept.
        #[option(Integer(1, 100_000))]
        pub keep_last: usize = 14,
        /// Snapshots younger than this are kept too, days.
        #[option(Integer(0, 36_500))]
        pub keep_days: u64 = 0,
        /// How long files that no kept snapshot needs stay in the object store. Protects snapshots that are being
        /// made: one may take half as long.
        #[option(Integer(2, 31_536_000))]
        pub grace_seconds: u64 = 86_400,
        /// How fast a snapshot reads, hashes and sends, so that consumption hardly notices; 0 for as fast as can
        /// be.
        #[option(Integer(0, 100_000))]
        pub mib_per_second: u64 = 32,
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
