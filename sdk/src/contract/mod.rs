//! The contract between producers and the tracker: the event, the words it uses, the limits it keeps.
//!
//! Pure data: nothing here encodes, sends, reads a clock or draws an identifier.

pub mod headers;
pub mod limits;
pub mod metadata;
pub mod steps;

mod event;
mod kinds;

pub use event::SagaEvent;
pub use kinds::{SagaStatus, SagaType, UnknownStatus};
pub use metadata::Metadata;

/// The published Avro schema of [`SagaEvent`], letter by letter.
pub const SCHEMA: &str = include_str!("../../../proto/SagaTracker.avsc");

/// The topic that every service reports to.
pub const TOPIC: &str = "c4ang.saga.tracker";
