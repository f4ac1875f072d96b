//! Who may import whom. ARCHITECTURE.md draws it; this holds the code to it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may know. A room may always know itself.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("failpoint", &[]),
    ("archive", &["domain", "objects"]),
    ("objects", &[]),
    ("store", &["domain"]),
    ("projector", &["domain", "store", "failpoint"]),
    ("query", &["domain", "store"]),
    ("ingest", &["domain", "store", "projector", "clock", "failpoint"]),
    (
        "dead_letter",
        &[
            "domain",
            "store",
            "projector",
            "ingest",
            "ops",
            "audit",
            "clock",
            "failpoint",
        ],
    ),
    ("audit", &["domain", "store", "clock"]),
    (
        "ops",
        &["domain", "store", "ingest", "projector", "clock", "failpoint"],
    ),
    (
        "retention",
        &[
            "domain",
            "store",
            "query",
            "projector",
            "ingest",
            "ops",
            "archive",
            "objects",
            "clock",
            "failpoint",
        ],
    ),
    ("verify", &["domain", "store", "projector"]),
    ("snapshot", &["domain", "store", "objects", "clock", "failpoint"]),
    ("demo", &["domain", "clock"]),
    (
        "metrics",
        &[
            "domain",
            "store",
            "query",
            "ingest",
            "ops",
            "audit",
            "snapshot",
            "retention",
        ],
    ),
    (
        "api",
        &[
            "domain",
            "store",
            "query",
            "ingest",
            "dead_letter",
            "metrics",
            "clock",
            "audit",
            "ops",
            "snapshot",
            "retention",
        ],
    ),
    (
        "config",
        &[
            "domain",
            "store",
            "ingest",
            "dead_letter",
            "projector",
            "metrics",
            "api",
            "objects",
            "snapshot",
            "retention",
        ],
    ),
    ("app", &["*"]),
    (
        "cli",
        &[
            "app", "audit", "config", "demo", "domain", "ingest", "store", "objects", "snapshot",
        ],
    ),
];

/// What only one room may name: the engine, its codec, and the clock of the machine.
const ONLY_IN: [(&str, &str); 5] = [
    ("rocksdb::", "src/store/rocks"),
    ("object_store::", "src/objects"),
    ("parquet::", "src/archive"),
    ("bincode::", "src/store/"),
    ("SystemTime::now", "src/clock.rs"),
];

fn sources(root: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without its unit tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains("tests") || name.contains("testkit") || name.contains("conformance")
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    found.retain(|path| !is_test(path));
    assert!(found.len() > 50, "the test does not see the sources");
    found
}

#[test]
fn rooms_know_only_whom_they_may() {
    let may_know: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in all_sources() {
        let room = path
            .iter()
            .nth(1)
            .unwrap()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if ["lib", "main", "fuzz_bodies"].contains(&room.as_str()) {
            continue;
        }
        let allowed = may_know.get(room.as_str()).expect("every room is in the table");
        for used in code(&path).split("crate::").skip(1) {
            let other: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let known = other == room || allowed.contains(&"*") || allowed.contains(&other.as_str());
            if may_know.contains_key(other.as_str()) && !known {
                wrong.push(format!("{} knows {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn engine_codec_and_clock_stay_where_they_are() {
    let mut wrong = Vec::new();
    for path in all_sources() {
        let text = code(&path);
        for (name, home) in ONLY_IN {
            if text.contains(name) && !path.to_string_lossy().starts_with(home) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
