//! A decision as it stands on the ops topic, and what one of its kind does.
//!
//! ```json
//! {"version": 1, "kind": "hold", "id": "…", "by": "kim", "from": "10.0.0.7",
//!  "at": "2026-01-31T09:30:00Z", "reason": "ticket 7", "body": {…}}
//! ```

use crate::domain::Millis;
use crate::store::letters::HeldBook;
use crate::store::{Batch, Read, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that this program writes, and the last one that it reads.
pub(super) const VERSION: u64 = 1;

/// A decision. Fields that this version does not know are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Version of the message.
    pub version: u64,
    /// What kind of decision, e.g. `hold`; says what `body` holds.
    pub kind: String,
    /// Its own name, unique.
    pub id: String,
    /// Who decided.
    pub by: String,
    /// From where.
    #[serde(default)]
    pub from: String,
    /// When, by the decider's clock: for people, no state derives from it.
    pub at: String,
    /// Why.
    pub reason: String,
    /// What exactly.
    pub body: Value,
}

/// What a message of the ops topic is.
pub(super) enum Parsed {
    Decision(Decision),
    /// A decision of a later version; its kind, if it says it where this version does.
    Later {
        kind: String,
        version: u64,
    },
    Malformed(String),
}

/// Reads a message.
pub(super) fn parse(value: Option<&[u8]>) -> Parsed {
    let Some(bytes) = value else {
        return Parsed::Malformed("the message has no value".to_owned());
    };
    let json: Value = match serde_json::from_slice(bytes) {
        Ok(json) => json,
        Err(error) => return Parsed::Malformed(format!("it is no JSON: {error}")),
    };
    match json.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION => {
            let kind = json.get("kind").and_then(Value::as_str).unwrap_or_default();
            Parsed::Later {
                kind: kind.to_owned(),
                version,
            }
        }
        Some(VERSION) => serde_json::from_value(json)
            .map_or_else(|error| Parsed::Malformed(error.to_string()), Parsed::Decision),
        _ => Parsed::Malformed(format!("it names no version from 1 to {VERSION}")),
    }
}

/// A decision at its place in the topic.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// Its offset: what comes first holds first.
    pub offset: u64,
    /// Kafka's timestamp, made monotone: the same on every replica.
    pub arrived_at: Millis,
    /// What was decided.
    pub decision: &'a Decision,
}

/// Whether a decision takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does; the words say what it did.
    Applied(String),
    /// It does not; the words say why.
    Refused(String),
}

/// What decisions of one kind do.
///
/// The verdict and the rows must be a function of the decision and of what the topics said before
/// it: the same on every replica, however far it has read the tracker topic. What has to wait for the
/// projections, or takes long, is left to a worker that follows [`decisions_from`](super::decisions_from)
/// with a cursor of its own.
pub trait Applier: Send + Sync {
    /// The kind, as messages name it.
    fn kind(&self) -> &'static str;

    /// What keeps others from changing what the effect reads; kept until it is written.
    fn hold(&self) -> Option<HeldBook<'_>> {
        None
    }

    /// Adds the effect's rows. They are written together with the decision and its offset. `held` is
    /// what [`hold`](Self::hold) gave.
    ///
    /// # Errors
    /// [`StoreError`] when state cannot be read; the decision is then read again.
    fn apply(
        &self,
        decided: Decided<'_>,
        held: Option<&HeldBook<'_>>,
        store: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError>;

    /// Called when a decision of this kind is written, to wake whoever waits for it.
    fn written(&self) {}
}
