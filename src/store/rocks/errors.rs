//! What RocksDB reports, in the port's words.

use crate::store::StoreError;
use rocksdb::{Error, ErrorKind};
use std::path::Path;

/// An error of a read or a write.
pub(super) fn store_error(error: Error) -> StoreError {
    match error.kind() {
        ErrorKind::Corruption
        | ErrorKind::InvalidArgument
        | ErrorKind::NotSupported
        | ErrorKind::NotFound => StoreError::Corrupt(error.into_string()),
        // Also what RocksDB answers every write with after its first failed one.
        _ => StoreError::Disk(error.into_string()),
    }
}

/// An error of opening the store in `path`.
pub(super) fn open_error(path: &Path, error: Error) -> StoreError {
    let held = ["While lock file", "lock hold by current process"];
    if held.iter().any(|words| error.as_ref().contains(words)) {
        return StoreError::Locked {
            path: path.display().to_string(),
            detail: error.into_string(),
        };
    }
    store_error(error)
}

/// A table that the engine does not know, although all are created when the store is opened.
pub(super) fn no_table(name: &str) -> StoreError {
    StoreError::Corrupt(format!("the table {name} is missing"))
}

/// A key that this engine cannot have written.
pub(super) fn bad_key(name: &str, key: &[u8]) -> StoreError {
    StoreError::Corrupt(format!("{name}: a key of {} bytes has no partition", key.len()))
}
