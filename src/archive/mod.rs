//! Removed sagas in object storage: Parquet files that DuckDB, Spark and Athena read, and from which
//! one saga is read again with a few ranged reads.
//!
//! ```text
//! archive/saga_type=ORDER_CREATION/day=2025-11-20/<hash>.parquet
//! ```
//!
//! One row per delivery, the final state of its saga with it, sorted by saga; a saga lies in one row
//! group. Day is the day of the saga's last event, UTC. What is archived, and when what is archived
//! goes, is decided elsewhere (`retention`); where objects are kept, too (`objects`).

mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Found, read_saga};
pub use write::{ArchivedSaga, File, write};

use crate::objects::{Objects, ObjectsError};

/// The folder that everything is in.
pub const FOLDER: &str = "archive";

/// Why something could not be archived, or read again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The object store did not do it.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The object is not there.
    #[error("archive object {0} is not there; if it was moved, move it back")]
    Missing(String),
    /// What is there is not what was written.
    #[error("archive object {object} is damaged: {detail}; restore it from a copy of the bucket")]
    Damaged {
        /// The object.
        object: String,
        /// What was found.
        detail: String,
    },
    /// The file could not be made.
    #[error("the archive file could not be made: {0}")]
    Format(String),
}

impl From<parquet::errors::ParquetError> for ArchiveError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Format(error.to_string())
    }
}

/// The name of the object that holds this file. Stores and readers disagree about all but the plainest
/// characters; the type as it is stands in the rows.
pub fn object_name(saga_type: &str, day: &str, hash: &[u8; 32]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let folder: String = saga_type
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let short: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{FOLDER}/saga_type={folder}/day={day}/{short}.parquet")
}

/// Puts the file into object storage and makes sure that it is there as it was made.
///
/// # Errors
/// [`ArchiveError`]; then it must not be relied on.
pub async fn upload(objects: &Objects, name: &str, file: &File) -> Result<(), ArchiveError> {
    let mut writer = objects.writer(name);
    for piece in file.bytes.chunks(crate::objects::PIECE_BYTES) {
        writer.piece(piece.to_vec()).await?;
    }
    writer.finish().await?;
    let stored = objects.get(name).await?;
    let stored = stored.ok_or_else(|| ArchiveError::Missing(name.to_owned()))?;
    if *blake3::hash(&stored).as_bytes() == file.hash {
        return Ok(());
    }
    Err(ArchiveError::Damaged {
        object: name.to_owned(),
        detail: format!(
            "{} bytes came back of {}, and they are others",
            stored.len(),
            file.bytes.len()
        ),
    })
}
