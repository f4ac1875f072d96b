//! Why the store could not do what was asked, and the way out.

/// Why the store could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine reports damaged data. Not served; restore a snapshot or delete the data directory
    /// and let the tracker read the topic again.
    #[error(
        "the store is damaged: {0}; restore a snapshot, or move the data directory away and re-read the topic"
    )]
    Corrupt(String),
    /// A value that this version cannot read.
    #[error(
        "{table}: a record has format {found}, this version reads {expected}; use a version of saga-tracker that knows it"
    )]
    UnknownFormat {
        /// The table that holds it.
        table: &'static str,
        /// The format byte found.
        found: u8,
        /// The format bytes this version reads.
        expected: u8,
    },
    /// The store as a whole has another format version.
    #[error("the store in {path} has format {found}, this version reads {expected}; {way_out}")]
    UnknownVersion {
        /// Where the store is.
        path: String,
        /// The version found.
        found: u32,
        /// The version that this program reads.
        expected: u32,
        /// What to do.
        way_out: &'static str,
    },
    /// The directory holds something, but no store of ours. Nothing in it was changed.
    #[error(
        "{path} is not a store of this program: it holds {detail}; name another data directory, or an empty one"
    )]
    NotAStore {
        /// The directory.
        path: String,
        /// What was found there.
        detail: String,
    },
    /// Another process has the store open.
    #[error("the store in {path} is open in another process ({detail}); stop it first, or ask it over HTTP")]
    Locked {
        /// Where the store is.
        path: String,
        /// What the engine said.
        detail: String,
    },
    /// The disk is full or failing.
    #[error("the disk under the store refuses: {0}; after making room, restart the tracker")]
    Disk(String),
    /// Whoever asked no longer waits.
    #[error("reading was given up: nobody waits for it any more")]
    Stopped,
}
