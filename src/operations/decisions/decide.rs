//! Putting a decision on the ops topic, and telling what became of it.

use super::decision::{Decision, VERSION};
use super::ledger::OPS_PARTITION;
use super::recorded::{Recorded, decision_at};
use super::{Conflict, Failure, OpsError, OpsStatus, Trace, Unreachable, Unsettled};
use crate::domain::clock::SharedClock;
use crate::pipeline::kafka::{Message, Outlet};
use crate::store::SharedStore;
use crate::store::records::DecisionOutcome;
use saga_tracker_sdk::publishing::EventIds;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait until a published decision has been read back.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(10);

/// What somebody decides.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDecision {
    /// The kind; one that an [`Applier`](super::Applier) knows.
    pub kind: &'static str,
    /// Who decides.
    pub by: String,
    /// From where.
    pub from: String,
    /// Why.
    pub reason: String,
    /// What exactly.
    pub body: Value,
}

/// A decision that took effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Its offset in the ops topic.
    pub offset: u64,
    /// Its own name.
    pub id: String,
    /// What it did, in words.
    pub detail: String,
}

/// Makes decisions. Cheap to clone.
#[derive(Clone)]
pub struct Decisions {
    /// Where they are published.
    pub out: Arc<dyn Outlet>,
    /// The ops topic.
    pub topic: String,
    /// How far the consumer is.
    pub status: Arc<OpsStatus>,
    /// Where it writes.
    pub store: SharedStore,
    /// Tells the time.
    pub clock: SharedClock,
    /// Names decisions.
    pub ids: Arc<dyn EventIds>,
}

impl Decisions {
    /// Publishes the decision and waits until it has taken effect here. Blocks.
    ///
    /// # Errors
    /// [`OpsError`]; `Conflict` when it was read and does not hold.
    pub fn make(&self, new: NewDecision) -> Result<Made, OpsError> {
        if let Some(why) = self.status.snapshot().closed() {
            return Err(Unreachable::Closed(why.to_owned()).into());
        }
        let id = self.ids.next();
        let decision = Decision {
            version: VERSION,
            kind: new.kind.to_owned(),
            id: id.clone(),
            by: new.by,
            from: new.from,
            at: self.clock.now().to_string(),
            reason: new.reason,
            body: new.body,
        };
        let value = serde_json::to_vec(&decision).map_err(Failure::Json)?;
        let message = Message {
            topic: self.topic.clone(),
            partition: Some(OPS_PARTITION),
            key: Some(id.clone().into_bytes()),
            value: Some(value),
            headers: Vec::new(),
        };
        let position = self
            .out
            .publish(&message)
            .map_err(|error| OpsError::of_out(error, Trace::Decision(id.clone())))?;
        let offset = position.offset;
        if !self.status.wait_for(offset, READ_BACK_TIMEOUT) {
            return Err(Unsettled::NotRead { id, offset }.into());
        }
        match decision_at(&*self.store, offset)? {
            Some(recorded) => settle(recorded, id),
            None => Err(Failure::NoRecord { id, offset }.into()),
        }
    }
}

fn settle(recorded: Recorded, id: String) -> Result<Made, OpsError> {
    match recorded.outcome {
        DecisionOutcome::Applied => Ok(Made {
            offset: recorded.offset,
            id,
            detail: recorded.detail,
        }),
        DecisionOutcome::Refused => Err(Conflict::Refused(recorded.detail).into()),
        DecisionOutcome::Unknown
        | DecisionOutcome::Malformed
        | DecisionOutcome::Gap
        | DecisionOutcome::Duplicate => Err(Failure::NotDone(recorded.detail).into()),
    }
}
