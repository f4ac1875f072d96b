//! How retention works.

use serde::{Deserialize, Serialize};

/// When sagas go, and how fast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Whether this replica decides what goes. Every replica applies what was decided.
    pub enabled: bool,
    /// Days after the last event of a saga that is over (COMPLETED, FAILED, COMPENSATED).
    pub finished_days: u64,
    /// Days after the last event of any other saga.
    pub unfinished_days: u64,
    /// Hours after the arrival of its last delivery within which a saga never goes, however old its
    /// events say that they are.
    pub quiet_hours: u64,
    /// Sagas that go in a second, at most.
    pub sagas_per_second: u64,
    /// Sagas in one decision (and one archive object), at most.
    pub batch_sagas: usize,
    /// Seconds between the end of one search for sagas that are due and the next.
    pub pause_seconds: u64,
    /// Percent of the log that must have been removed before its room is reclaimed.
    pub reclaim_percent: u64,
    /// Whether what goes is archived first.
    pub archive: bool,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            finished_days: 90,
            unfinished_days: 365,
            quiet_hours: 24,
            sagas_per_second: 500,
            batch_sagas: 1_000,
            pause_seconds: 600,
            reclaim_percent: 10,
            archive: false,
        }
    }
}
