//! What may be set about the store. Everything else follows from what the tables are for (`options`).

use crate::settings::settings;
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// Where things are kept, and what bounds the RocksDB engine. Its memory is block cache + write buffers, plus a
    /// few tens of MiB for running compactions and scans.
    #[derive(Debug)]
    pub struct RocksSettings of [store] {
        /// Where the store lives. One process at a time.
        #[option(Path, env = ["SAGA_TRACKER_DATA_DIR"], flag = "data-dir")]
        pub data_dir: PathBuf = "./saga-tracker-data".into(),
        /// Memory for blocks, indexes and filters, MiB.
        #[option(Integer(8, 1_048_576))]
        pub block_cache_mib: usize = 48,
        /// Memory for rows that are not on disk yet, MiB.
        #[option(Integer(8, 65_536))]
        pub write_buffer_mib: usize = 64,
        /// Write-ahead log after which the oldest rows are written out, MiB. A restart replays at most this.
        #[option(Integer(8, 65_536))]
        pub max_wal_mib: u64 = 64,
        /// Files that the store keeps open, at most.
        #[option(Integer(64, 1_000_000))]
        pub max_open_files: u32 = 512,
        /// Threads that write out and merge the store's files.
        #[option(Integer(1, 64))]
        pub background_jobs: u16 = 3,
        /// Free bytes on the store's disk below which consumption waits; decisions wait below half of it. Each goes
        /// on by itself when a quarter more is free; reads go on throughout.
        #[option(BYTES)]
        pub min_free_bytes: u64 = 512 << 20,
    } beside {
        /// How long clearing a table waits for those who read what it removes, before it leaves the room of it for
        /// later. Long enough for every answer, short enough that nobody who stalls holds up a rebuild.
        #[serde(skip)]
        pub longest_read: Duration = Duration::from_secs(10),
    }
}
