//! Saga Tracker: records every step of every saga, and answers for all of them.
//!
//! ARCHITECTURE.md has the map of the wings and their rooms. Dependencies point one way:
//! `domain` ← `store` ← `pipeline` ← `operations` ← `server` ← `program`.

pub mod domain;
pub(crate) mod failpoint;
pub mod operations;
pub(crate) mod parquet_table;
pub mod pipeline;
pub mod program;
pub mod server;
pub(crate) mod settings;
#[cfg(test)]
mod simulator;
pub mod store;
#[cfg(test)]
mod testkit;
pub(crate) mod wait;

/// Events are allocated by the consumer's thread and freed by the projector's, a few million small
/// texts a second: what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
