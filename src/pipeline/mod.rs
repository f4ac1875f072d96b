//! Wing: from Kafka to answers. What comes in is decoded, accounted for and appended to the log; the log is folded
//! into projections; projections are asked, and held against the log.
//!
//! Who operates a tracker, and through which door, is not known here.

pub mod decode;
pub mod ingest;
pub mod kafka;
pub mod projector;
pub mod query;
pub mod registry;
pub mod verify;
