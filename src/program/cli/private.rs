//! Files that only their owner reads: what the tracker keeps and exports is what producers wrote.

use rustix::fs::{Mode, OFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Everything that this process creates is its owner's alone: files 0600, directories 0700. The data
/// directory's files, which the store's engine creates, included.
pub(super) fn by_default() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// A file to write to, made or emptied; never the one that a symbolic link leads to, which may be
/// somebody else's choice.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(no_link)
        .open(path);
    match opened {
        Err(_) if path.is_symlink() => Err(io::Error::other("it is a symbolic link; name the file itself")),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_its_owners_alone_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        for text in ["a longer text", "text"] {
            create(&file).unwrap().write_all(text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&file, &link).unwrap();
        let error = create(&link).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }
}
