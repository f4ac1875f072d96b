//! The demo's two halves: a broker inside this process, and a shop whose services report to it.
//!
//! [`workload`] plans sagas, without a clock and without Kafka: benches and tests use it too.
//! [`schedule`] spreads them over time, [`run_workload`] publishes them through the sdk, and
//! [`MockBroker`] is somewhere to publish to. Serving what arrives is `app`'s.

mod broker;
mod poison;
mod record;
pub(crate) mod rng;
mod run;
mod schedule;
mod stories;
mod workload;

pub use broker::{BrokerError, MockBroker};
pub use poison::{Message, PoisonKind};
pub use record::{Content, PlannedEvent, PlannedRecord, Service};
pub use run::{DemoError, DemoSettings, Published, run_workload};
pub use workload::{Sagas, sagas};
