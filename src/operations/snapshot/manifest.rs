//! What a snapshot consists of, as JSON that people can read.
//!
//! `{"format": 1, "hash": "…", "manifest": {…}}`: the hash is the BLAKE3 of the manifest's text as it
//! stands there, so that a manifest is checked before anything in it is believed.

use super::{Numbers, SnapshotError, SnapshotId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Where files are fetched to, inside the target.
pub(super) const PARTIAL: &str = "restore.partial";
/// In there, what is being restored.
pub(super) const MANIFEST: &str = "restore.json";

/// The version of everything that snapshots write.
pub(super) const FORMAT: u64 = 1;

/// What a snapshot consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name.
    pub id: SnapshotId,
    /// When its copy of the store was made, ISO 8601.
    pub created_at: String,
    /// The program that made it.
    pub tracker: String,
    /// The engine whose files these are.
    pub engine: String,
    /// The file without which the others are no store: moved into place last.
    pub head: String,
    /// What is in it.
    pub numbers: Numbers,
    /// The files, by name.
    pub files: Vec<FileEntry>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of files that were not in the object store before.
    pub new_bytes: u64,
    /// Bytes sent to the object store, this manifest not counted.
    pub sent_bytes: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the store's directory.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// BLAKE3 of its bytes, hexadecimal: its name in the object store.
    pub hash: String,
    /// How the file was told from others on the machine that made the snapshot. A file that is
    /// still the same one is not read again for the next snapshot.
    pub inode: u64,
    /// When it was last changed there, nanoseconds.
    pub modified_ns: i64,
}

/// A snapshot in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub id: SnapshotId,
    /// When its copy of the store was made.
    pub created_at: String,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were sent for it.
    pub sent_bytes: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Sagas in it.
    pub sagas: u64,
    /// Offsets that it accounts for.
    pub offsets: u64,
    /// Where consumption resumes, by partition.
    pub next: Vec<(u32, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u64,
    hash: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

impl Manifest {
    /// As it is written.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let manifest = serde_json::value::to_raw_value(self)?;
        let envelope = Envelope {
            format: FORMAT,
            hash: blake3::hash(manifest.get().as_bytes()).to_hex().to_string(),
            manifest: &manifest,
        };
        serde_json::to_vec(&envelope)
    }

    /// Reads what [`Manifest::to_bytes`] wrote; `what` is what to call it.
    pub(super) fn from_bytes(what: &str, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let damaged = |why: String| SnapshotError::Damaged {
            what: what.to_owned(),
            why,
        };
        let any: AnyFormat = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if any.format != FORMAT {
            return Err(SnapshotError::UnknownFormat {
                what: what.to_owned(),
                found: any.format,
                expected: FORMAT,
            });
        }
        let envelope: Envelope<'_> =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let text = envelope.manifest.get();
        let found = blake3::hash(text.as_bytes()).to_hex();
        if found.as_str() != envelope.hash {
            return Err(damaged(format!("its hash is {found}, it says {}", envelope.hash)));
        }
        let manifest: Self = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// Nothing in a manifest leads anywhere but into the directory that it is restored to, and its sums
    /// are those of its files.
    fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        let mut bytes: u64 = 0;
        for file in &self.files {
            if !is_plain(&file.name) || !is_hash(&file.hash) {
                return Err(format!(
                    "it names a file {:?} with hash {:?}",
                    file.name, file.hash
                ));
            }
            if !names.insert(&file.name) {
                return Err(format!("it names the file {:?} twice", file.name));
            }
            let sum = bytes.checked_add(file.size);
            bytes = sum.ok_or_else(|| "its files have more bytes than there can be".to_owned())?;
        }
        if bytes != self.bytes {
            return Err(format!("its files have {bytes} bytes, it says {}", self.bytes));
        }
        if !names.contains(&self.head) {
            return Err(format!("it has no file {:?}, which it puts last", self.head));
        }
        Ok(())
    }

    /// For a list.
    pub fn summary(&self) -> Summary {
        Summary {
            id: self.id.clone(),
            created_at: self.created_at.clone(),
            files: self.files.len(),
            bytes: self.bytes,
            sent_bytes: self.sent_bytes,
            took_ms: self.took_ms,
            sagas: self.numbers.all_sagas(),
            offsets: self.numbers.offsets(),
            next: self
                .numbers
                .partitions
                .iter()
                .map(|p| (p.partition, p.next))
                .collect(),
        }
    }
}

/// A file of a manifest is written into a directory of ours: its name must not lead out of there, and not
/// be one that a restore uses itself.
fn is_plain(name: &str) -> bool {
    if [PARTIAL, MANIFEST].contains(&name) {
        return false;
    }
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
