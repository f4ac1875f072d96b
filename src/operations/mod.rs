//! Wing: what people and timers do to a tracker. Decisions on the ops topic, dead letters, retention and its
//! archive, snapshots, and the audit log of all of it.
//!
//! By which door they come (HTTP, the command line) is not known here.

pub mod archive;
pub mod audit;
pub mod background;
pub mod dead_letters;
pub mod decisions;
pub mod definitions;
pub mod incidents;
pub mod objects;
pub mod rebuild;
pub mod retention;
pub mod secret_file;
pub mod snapshot;
pub mod topic_replay;
pub mod webhooks;
