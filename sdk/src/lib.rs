//! What a producer needs to report saga steps to Saga Tracker.
//!
//! Three rooms, each usable without the ones after it:
//!
//! - [`contract`]: the event, its vocabulary and its limits. No I/O.
//! - [`encoding`]: an event to the bytes of one Kafka record (Avro in Confluent's wire format). No Kafka.
//! - [`publishing`]: the client that a service calls, and the Kafka producer behind it.
//!
//! The tracker's own storage, HTTP and metrics do not belong here: a producer must not pay for them.
//!
//! ```
//! use saga_tracker_sdk::contract::{SagaType, metadata, steps};
//! use saga_tracker_sdk::publishing::{self, SagaStep, SagaTrackerSettings, SetupError};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let client = publishing::client(&SagaTrackerSettings {
//!     enabled: false, // true in every environment that has a broker
//!     bootstrap_servers: "kafka-1:9092,kafka-2:9092".to_owned(),
//!     producer_service: "order-service".to_owned(),
//!     ..SagaTrackerSettings::default()
//! })?;
//!
//! let created = SagaStep::new("saga-1", SagaType::OrderCreation, steps::ORDER_CREATED, "order-1")
//!     .with_metadata(metadata::ORDER_AMOUNT, 42_000)
//!     .with_trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
//! client.record_start(created).await?;
//!
//! let cancelled = SagaStep::new("saga-1", SagaType::OrderCreation, steps::ORDER_CANCELLED, "order-1");
//! client.record_failure(cancelled, "OUT_OF_STOCK").await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod contract;
pub mod encoding;

pub mod publishing;
