//! What a kill in the middle of a put leaves in a folder: files `NAME#1`, which no list shows.
//! (Other stores have rules of their own for unfinished uploads.)

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Removes those of a folder, and of the folders in it, that were last changed before so many
/// milliseconds since 1970. How many.
pub(super) fn sweep(folder: &Path, before_millis: u64) -> io::Result<usize> {
    let before = SystemTime::UNIX_EPOCH + Duration::from_millis(before_millis);
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            removed += sweep(&entry.path(), before_millis)?;
        } else if is_staged(&entry.file_name().to_string_lossy()) && meta.modified()? < before {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_leftovers_go() {
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path().join("files");
        fs::create_dir(&files).unwrap();
        for name in ["abc", "abc#1", "abc#12", "abc#x", "#"] {
            fs::write(files.join(name), name).unwrap();
        }
        assert_eq!(sweep(directory.path(), 1_000).unwrap(), 0);
        assert_eq!(sweep(directory.path(), u64::from(u32::MAX) * 1_000).unwrap(), 2);
        let left = fs::read_dir(&files).unwrap().count();
        assert_eq!(left, 3);
    }
}
