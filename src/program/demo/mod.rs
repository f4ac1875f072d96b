//! The demo's shop: services that report their sagas to a broker.
//!
//! [`workload`] plans sagas, without a clock and without Kafka: benches and tests use it too.
//! [`schedule`] spreads them over time, and [`run_workload`] publishes them through the sdk. Serving what arrives is
//! `wiring`'s.

mod poison;
pub(crate) mod rng;
mod run;
mod schedule;
mod stories;
mod workload;

pub use poison::PoisonKind;
pub use run::{DemoError, DemoSettings, Published, run_workload};
pub use workload::{Content, Message, PlannedEvent, PlannedRecord, Sagas, Service, sagas};
