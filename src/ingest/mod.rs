//! From Kafka records to the log: consume, decode, decide what becomes of each offset, write.
//!
//! What the events mean for a saga is not decided here (`projector`, `domain::fold`).

pub mod decode;
pub mod status;
