//! The HTTP surface over an in-memory store: what it answers, refuses, bounds and counts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod answers;
mod audit;
mod background;
mod bounds;
mod connections;
mod definitions;
mod export;
mod export_tables;
mod gated;
mod health;
mod incidents;
mod inside;
mod ledger;
mod metrics;
mod moments;
mod page;
mod population;
mod protection;
mod refusals;
mod support;
mod timeline;
mod watching;
