//! From Kafka records to the log: consume, decode, decide what becomes of each offset, write.
//!
//! What the events mean for a saga is not decided here (`projector`, `domain::fold`).

pub mod arrival;
pub mod bounds;
pub mod decode;
mod fingerprint;
mod gaps;
pub mod kafka;
pub mod late_schemas;
pub mod origin;
mod patience;
pub mod registry;
pub mod replay;
mod reread;
pub mod run;
pub mod settings;
pub mod source;
pub mod space;
pub mod status;
mod watch;
pub mod writer;

pub use fingerprint::fingerprint_of;
pub use run::Ingest;
pub use settings::IngestSettings;
pub use status::{IngestSnapshot, IngestStatus};

#[cfg(test)]
mod tests;
