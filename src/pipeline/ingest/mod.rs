//! From Kafka records to the log: consume, decode, decide what becomes of each offset, write.
//!
//! What the events mean for a saga is not decided here (`projector`, `domain::fold`).

pub mod arrival;
mod fingerprint;
mod gaps;
mod kept;
pub mod late_schemas;
pub mod origin;
mod remaining;
pub mod run;
mod schema_wait;
pub mod space;
pub mod status;
pub mod topic_replay;
pub mod writer;

pub use fingerprint::fingerprint_of;
pub(crate) use kept::Kept;
pub use run::Ingest;
pub use status::{IngestSnapshot, IngestStatus};

#[cfg(test)]
mod tests;
