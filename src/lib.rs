//! Saga Tracker: records every step of every saga, and answers for all of them.
//!
//! ARCHITECTURE.md has the map of the rooms. Dependencies point one way:
//! `domain` ← `store` ← `ingest`, `projector`, `query` ← `api` ← `app`, `cli`.

pub mod api;
pub mod app;
pub mod archive;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dead_letter;
pub mod demo;
pub mod domain;
pub(crate) mod failpoint;
#[doc(hidden)]
pub mod fuzz_bodies;
pub mod ingest;
pub mod metrics;
pub mod objects;
pub mod ops;
pub mod projector;
pub mod query;
pub mod retention;
#[cfg(test)]
mod simulator;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod testkit;
pub mod verify;
pub(crate) mod wait;

/// Events are allocated by the consumer's thread and freed by the projector's, a few million small
/// texts a second: what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
