//! What operators decide, on its way into Kafka and back: everything that changes state enters
//! through a topic, so that every replica, rebuild and restore sees it.
//!
//! [`StatusChanger`] changes a saga's status by an event on the tracker topic;
//! [`Decisions`] puts other decisions on the ops topic, which [`Consumer`] reads, on every replica, into
//! the store, where an [`Applier`] per kind says what it does. The audit log of who asked is not kept
//! here (`audit`), nor is it known here how people ask (`api`, `cli`).

mod consumer;
mod decide;
mod decision;
mod error;
mod ledger;
mod recorded;
mod status;
mod status_change;

#[cfg(test)]
mod tests;

pub use consumer::Consumer;
#[cfg(test)]
pub(crate) use consumer::Reading;
pub use decide::{Decisions, Made, NewDecision};
pub use decision::{Applier, Decided, Decision, MAX_MESSAGE_BYTES, Verdict};
pub use error::{Conflict, Failure, OpsError, Trace, Unreachable, Unsettled};
pub use ledger::OPS_PARTITION;
pub use recorded::{Recorded, decisions_from};
pub use status::{OpsSnapshot, OpsStatus};
pub use status_change::{StatusChangeOrder, StatusChanged, StatusChanger};
