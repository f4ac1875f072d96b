//! How RocksDB is set up: for the whole store, and for each table by how it is used.
//!
//! **Memory** is bounded by the settings. All tables share one block cache, which also holds index
//! and filter blocks, and one write-buffer budget: when the rows not yet written out reach it, the
//! table that has held its rows longest is written out. Few files are open at a time.
//!
//! **Disk.** The evidence (log, feed, dead letters) is only ever appended to, in random order of
//! partitions, so it is merged universally, ten files at a time: a row is rewritten a few times in its
//! life instead of about ten times, there is no garbage to collect, and reads skip files by prefix filter. The price
//! is room: merging all of a table takes as much again for as long as it runs. The projections are
//! overwritten all the time and read by every request, so they are merged by level, which keeps few
//! sorted runs. LZ4 is fast enough for every level; the last level of the evidence, where it stays
//! for good, is ZSTD.
//!
//! **Damage.** Every block carries a checksum, which every read verifies.

use super::engine_key;
use super::settings::RocksSettings;
use crate::store::{Access, Table};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, DBRecoveryMode,
    LogLevel, Options, SliceTransform, WriteBufferManager,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Stored with the files; another name makes RocksDB ignore the filters of older files.
const PREFIX_EXTRACTOR: &str = "saga-tracker.partition.1";

/// What all tables share.
pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) buffers: WriteBufferManager,
}

impl Shared {
    pub(super) fn new(settings: &RocksSettings) -> Self {
        Self {
            cache: Cache::new_lru_cache(settings.block_cache_mib * MIB),
            buffers: WriteBufferManager::new_write_buffer_manager(settings.write_buffer_mib * MIB, false),
        }
    }
}

/// Options of the store as a whole.
pub(super) fn database(settings: &RocksSettings, shared: &Shared) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);

    options.set_write_buffer_manager(&shared.buffers);
    options.set_max_open_files(i32::try_from(settings.max_open_files).unwrap_or(i32::MAX));
    options.set_max_background_jobs(i32::from(settings.background_jobs));
    options.set_compaction_readahead_size(MIB);

    // A torn end of the log, which kill -9 and power loss leave, is cut off; what was in it is read
    // from Kafka again. Damage before files that hold later rows is refused.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_total_wal_size(settings.max_wal_mib * MIB as u64);
    // Dirty pages are written behind steadily instead of in one long stall.
    options.set_wal_bytes_per_sync(MIB as u64);
    options.set_bytes_per_sync(MIB as u64);

    // Every snapshot takes a copy of it along, and every start reads it.
    options.set_max_manifest_file_size(4 * MIB);

    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 * MIB);
    options.set_stats_dump_period_sec(0);
    options
}

/// Options of one table.
pub(super) fn table(table: Table, settings: &RocksSettings, shared: &Shared) -> Options {
    let access = table.entry().access;
    let mut options = Options::default();
    // Shares of the budget such that no table can hold all of it.
    let share = match access {
        Access::AppendedAnywhere => 3,
        Access::ByKey => 6,
        Access::AppendedInOrder | Access::ByPartition => 12,
        Access::Small => 96,
    };
    options.set_write_buffer_size((settings.write_buffer_mib * MIB / share).max(64 * KIB));
    options.set_max_write_buffer_number(3);
    options.set_compression_type(DBCompressionType::Lz4);

    match access {
        Access::AppendedAnywhere | Access::AppendedInOrder => {
            options.set_compaction_style(DBCompactionStyle::Universal);
            options.set_level_zero_file_num_compaction_trigger(10);
            options.set_level_zero_slowdown_writes_trigger(30);
            options.set_level_zero_stop_writes_trigger(48);
            options.set_bottommost_compression_type(DBCompressionType::Zstd);
            options.set_bottommost_compression_options(-14, 1, 0, 0, true);
        }
        Access::ByKey | Access::ByPartition | Access::Small => {
            options.set_level_compaction_dynamic_level_bytes(true);
            options.set_max_bytes_for_level_base(128 * MIB as u64);
        }
    }
    options.set_target_file_size_base(32 * MIB as u64);

    if access == Access::ByKey {
        // Most sagas asked for are new ones; they are not even sought.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
    }
    if matches!(access, Access::AppendedAnywhere | Access::ByPartition) {
        let extractor = SliceTransform::create(PREFIX_EXTRACTOR, engine_key::prefix_of, None);
        options.set_prefix_extractor(extractor);
        options.set_memtable_prefix_bloom_ratio(0.02);
    }
    options.set_block_based_table_factory(&blocks(access, shared));
    options
}

fn blocks(access: Access, shared: &Shared) -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&shared.cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_optimize_filters_for_memory(true);
    blocks.set_block_size(match access {
        // One row of a block is wanted at a time.
        Access::ByKey => 8 * KIB,
        _ => 16 * KIB,
    });
    if access != Access::Small {
        // Index and filter in pieces, of which only the uppermost stays in memory: whole ones are as
        // large as a hundred blocks, and in a large store every read would load one and evict another.
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_metadata_block_size(4 * KIB);
        blocks.set_pin_top_level_index_and_filter(true);
    }
    match access {
        Access::AppendedAnywhere | Access::ByPartition => {
            blocks.set_bloom_filter(10.0, false);
            blocks.set_whole_key_filtering(false);
        }
        Access::ByKey => blocks.set_bloom_filter(10.0, false),
        // Asked for what is there, or for so little that a filter would cost more.
        Access::AppendedInOrder | Access::Small => {}
    }
    blocks
}
