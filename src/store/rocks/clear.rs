//! Emptying a table without taking rows from under anyone who reads a snapshot.

use super::errors::store_error;
use super::read::family;
use super::readers::Readers;
use super::{Db, RocksSettings};
use crate::store::{StoreError, Table};
use rocksdb::{ColumnFamily, ReadOptions, WriteBatch};

/// Marks every row as gone, which snapshots from before do not see; then, when nobody reads those any
/// more, drops the files. Where somebody reads for too long the files stay, and with them their room,
/// until the table is cleared again.
pub(super) fn clear(
    db: &Db,
    readers: &Readers,
    settings: &RocksSettings,
    table: Table,
) -> Result<(), StoreError> {
    let family = family(db, table)?;
    let Some(last) = last_key(db, family, table)? else {
        return Ok(());
    };
    // The mark comes first: a file dropped while an older one stays must not bring the older one's rows
    // back.
    let mut batch = WriteBatch::default();
    batch.delete_range_cf(family, &[][..], &last[..]);
    batch.delete_cf(family, &last);
    db.write(batch).map_err(store_error)?;
    if readers.wait_for_earlier(settings.longest_read) {
        db.delete_file_in_range_cf(family, &[][..], &last[..])
            .map_err(store_error)?;
    } else {
        tracing::info!(
            table = table.name(),
            "rows of a cleared table are still being read; their space is freed when it is cleared again, at the latest at the next start"
        );
    }
    db.flush_cf(family).map_err(store_error)
}

/// The last key that a row or a file has. Files may hold nothing but rows that are gone.
fn last_key(db: &Db, family: &ColumnFamily, table: Table) -> Result<Option<Vec<u8>>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    let mut rows = db.raw_iterator_cf_opt(family, options);
    rows.seek_to_last();
    rows.status().map_err(store_error)?;
    let last_row = rows.key().map(<[u8]>::to_vec);
    let files = db.live_files().map_err(store_error)?;
    let of_table = files
        .into_iter()
        .filter(|file| file.column_family_name == table.name());
    let last_in_files = of_table.filter_map(|file| file.end_key).max();
    Ok(last_row.max(last_in_files))
}
