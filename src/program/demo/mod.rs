//! The demo's shop: services that report their sagas to a broker.
//!
//! [`workload`] plans sagas, without a clock and without Kafka: benches and tests use it too.
//! [`schedule`] spreads them over time, [`staging`] adds what a newcomer is shown first, and [`run_workload`] publishes
//! them through the sdk. Serving what arrives is `wiring`'s.

mod poison;
mod record;
pub(crate) mod rng;
mod run;
mod schedule;
mod staging;
mod stories;
mod workload;

pub use poison::{Message, PoisonKind};
pub use record::{Content, PlannedEvent, PlannedRecord, Service};
pub use run::{DemoError, DemoSettings, Published, run_workload};
pub use staging::{LateReport, Tour};
pub use workload::{Sagas, sagas};
