//! How long what is settled about dead letters is kept, and how much a replay by ids may read.

use serde::{Deserialize, Serialize};

/// How long letters and redrives are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterSettings {
    /// Days after which a redriven or discarded letter is no longer kept; 0 keeps all. Open ones stay.
    pub settled_days: u64,
    /// Days after its end for which a redrive or a dry run is kept; 0 keeps all.
    pub redrive_days: u64,
    /// Events of the log that a replay by ids looks through, at most.
    pub replay_events: u64,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self {
            settled_days: 90,
            redrive_days: 90,
            replay_events: 20_000_000,
        }
    }
}
