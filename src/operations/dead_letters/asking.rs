//! Why nobody is asked to publish dead letters again.

use crate::store::StoreError;

/// So many redrives and dry runs may wait for their ends.
pub const MAX_UNENDED: usize = 100;

/// Why a redrive was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// So many have not ended.
    #[error(
        "{MAX_UNENDED} redrives and dry runs have not ended, as many as may wait; ask again when one has, or cancel one"
    )]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
