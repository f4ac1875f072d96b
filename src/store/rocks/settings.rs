//! What may be set about the engine. Everything else follows from what the tables are for (`options`).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the RocksDB engine. Together they bound its memory: block cache + write buffers, plus
/// a few tens of MiB for running compactions and scans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RocksSettings {
    /// MiB of blocks kept in memory for reads, indexes and filters included. Default 48.
    pub block_cache_mib: usize,
    /// MiB of rows kept in memory before they are written out, all tables together. Default 64.
    pub write_buffer_mib: usize,
    /// MiB of write-ahead log after which the oldest rows are written out. What a restart after
    /// kill -9 has to replay at most. Default 64.
    pub max_wal_mib: u64,
    /// Files held open. Default 512.
    pub max_open_files: u32,
    /// Threads that write out and merge files in the background. Default 3.
    pub background_jobs: u16,
    /// How long clearing a table waits for those who read what it removes, before it leaves the room of
    /// it for later. No option: long enough for every answer, short enough that nobody who stalls holds up
    /// a rebuild.
    #[serde(skip)]
    pub longest_read: Duration,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self {
            block_cache_mib: 48,
            write_buffer_mib: 64,
            max_wal_mib: 64,
            max_open_files: 512,
            background_jobs: 3,
            longest_read: Duration::from_secs(10),
        }
    }
}
