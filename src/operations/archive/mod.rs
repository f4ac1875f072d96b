//! Removed sagas in object storage: Parquet files that DuckDB, Spark and Athena read, and from which
//! one saga is read again with a few ranged reads.
//!
//! ```text
//! archive/saga_type=ORDER_CREATION/day=2025-11-20/<hash>.parquet
//! ```
//!
//! One row per delivery, the final state of its saga with it, sorted by saga and by the order of its
//! timeline. A saga lies in one row group, a large one in several, one after the other: neither who
//! writes nor who reads has more than one in memory. Day is the day of the saga's last event, UTC. What is archived, and
//! when it is purged, is decided elsewhere (`retention`); where objects are kept, too (`objects`).

mod reading_objects;
mod schema;
mod stored;
#[cfg(test)]
mod tests;
mod upload;
mod write;

pub use reading_objects::SagaReader;
pub use stored::Stored;
pub use upload::Upload;
pub use write::Writer;

use crate::operations::objects::ObjectsError;
use crate::parquet_table::ParquetError;
use std::io;

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

impl ArchiveError {
    /// Whether it is the object store's.
    pub fn is_of_objects(&self) -> bool {
        matches!(self, Self::Objects(_))
    }
}

impl From<ParquetError> for ArchiveError {
    fn from(error: ParquetError) -> Self {
        let ParquetError::External(cause) = error else {
            return Self::Format(error.to_string());
        };
        // What is written goes to the object store, through `std::io`.
        let objects = cause.downcast::<io::Error>().map(|cause| cause.downcast());
        match objects {
            Ok(Ok(objects)) => Self::Objects(objects),
            Ok(Err(cause)) => Self::Format(cause.to_string()),
            Err(cause) => Self::Format(cause.to_string()),
        }
    }
}

/// The name of the object that holds sagas whose deliveries have this hash. Stores and readers disagree about all but the plainest
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
