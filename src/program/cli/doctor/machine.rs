//! The machine: the data directory, its disk, and the store in it.

use super::{Check, Verdict};
use crate::program::config::Config;
use crate::store::StoreError;
use crate::store::disk::{self, Room};
use crate::store::rocks::RocksStore;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

/// Everything about the data directory.
pub(super) fn check(config: &Config) -> Vec<Check> {
    let directory = &config.store.data_dir;
    // A store that is to be created is judged by where it will be.
    let Some(existing) = nearest_existing(directory) else {
        let found = format!("{} cannot be reached", directory.display());
        return vec![Check::fail(
            "data directory",
            found,
            "check the path in store.data_dir",
        )];
    };
    vec![
        writable(directory, &existing),
        store(config),
        free(&existing, config.health.disk_free_min_bytes),
    ]
}

fn nearest_existing(directory: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(directory).ok()?;
    absolute
        .ancestors()
        .find(|path| path.exists())
        .map(Path::to_owned)
}

fn writable(directory: &Path, existing: &Path) -> Check {
    const CHECK: &str = "data directory";
    let path = directory.display();
    if !existing.is_dir() {
        let advice = "name a directory in store.data_dir";
        return Check::fail(
            CHECK,
            format!("{} is not a directory", existing.display()),
            advice,
        );
    }
    match access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if directory.exists() => Check::ok(CHECK, format!("{path}, writable")),
        Ok(()) => Check::ok(CHECK, format!("{path}, to be created")),
        Err(why) => Check::fail(
            CHECK,
            format!("{} is not writable: {why}", existing.display()),
            "give the tracker's user write access, or set store.data_dir (SAGA_TRACKER_DATA_DIR)",
        ),
    }
}

fn store(config: &Config) -> Check {
    const CHECK: &str = "store";
    match RocksStore::inspect(&config.store.data_dir, &config.store) {
        Ok(true) => Check::ok(CHECK, "of the format that this version reads"),
        Ok(false) => Check::ok(CHECK, "none yet; `saga-tracker serve` creates it"),
        // The messages of these end with what to do.
        Err(
            error @ (StoreError::UnknownVersion { .. }
            | StoreError::NotAStore { .. }
            | StoreError::Corrupt(_)),
        ) => Check {
            check: CHECK,
            verdict: Verdict::Fail,
            found: error.to_string(),
            advice: None,
        },
        // Files come and go under a running tracker.
        Err(error) => Check::warn(
            CHECK,
            error.to_string(),
            "ask again; if it stays, stop the tracker and ask again",
        ),
    }
}

fn free(existing: &Path, needed: u64) -> Check {
    const CHECK: &str = "disk space";
    let advice = "make room, or move store.data_dir to a larger disk";
    let shown = |bytes: u64| indicatif::BinaryBytes(bytes).to_string();
    match disk::room(existing) {
        Ok(Room { free, .. }) => {
            if free < needed {
                let found = format!(
                    "{} free, less than health.disk_free_min_bytes ({})",
                    shown(free),
                    shown(needed)
                );
                Check::fail(CHECK, found, advice)
            } else if free < needed.saturating_mul(4) {
                Check::warn(CHECK, format!("{} free", shown(free)), advice)
            } else {
                Check::ok(CHECK, format!("{} free", shown(free)))
            }
        }
        Err(why) => Check::warn(CHECK, format!("the file system does not tell: {why}"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_that_cannot_be_made_fails() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let verdict = |path: PathBuf| {
            let existing = nearest_existing(&path).unwrap();
            writable(&path, &existing).verdict
        };
        assert_eq!(verdict(directory.path().join("a/b")), Verdict::Ok);
        assert_eq!(verdict(file.join("store")), Verdict::Fail);
    }

    #[test]
    fn too_little_room_fails_and_little_room_is_warned_of() {
        let here = Path::new("/");
        assert_eq!(free(here, 0).verdict, Verdict::Ok);
        assert_eq!(free(here, u64::MAX).verdict, Verdict::Fail);
    }
}
