//! Room on the disk under a directory. How much is enough is decided where it is asked for.

use std::io;
use std::path::Path;

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// All there is.
    pub total: u64,
    /// What is free to us.
    pub free: u64,
}

/// The room of the disk that holds a path.
///
/// # Errors
/// When the file system does not tell.
pub fn room(path: &Path) -> io::Result<Room> {
    let disk = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Room {
        total: bytes(disk.f_blocks),
        free: bytes(disk.f_bavail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_under_a_directory_has_room_and_none_under_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        let found = room(dir.path()).unwrap();
        assert!(found.free > 0 && found.free <= found.total, "{found:?}");
        assert!(room(&dir.path().join("missing")).is_err());
    }
}
