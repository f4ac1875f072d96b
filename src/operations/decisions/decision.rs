//! A decision as it stands on the ops topic, and what one of its kind does.
//!
//! ```json
//! {"version": 1, "kind": "hold", "id": "…", "by": "kim", "from": "10.0.0.7",
//!  "at": "2026-01-31T09:30:00Z", "reason": "ticket 7", "body": {…}}
//! ```

use crate::domain::Millis;
use crate::domain::text::{MAX_REASON_CHARS, first};
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::{Batch, StoreError, StoreRead};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that this program writes, and the last one that it reads.
pub(super) const VERSION: u64 = 1;
/// A longer message is no decision: Kafka takes one megabyte unless somebody told it otherwise.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Kinds and ids are names, not texts.
const MAX_NAME_BYTES: usize = 200;
/// Who, from where, when.
const MAX_FACT_BYTES: usize = 1_000;
/// Why: as many characters as operators may say, of whatever length in bytes.
const MAX_REASON_BYTES: usize = 4 * MAX_REASON_CHARS;
/// Characters that are told of what is wrong with a body.
const FAULT_CHARS: usize = 500;

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
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Parsed::Malformed(format!(
            "it has {} bytes; accepted: up to {MAX_MESSAGE_BYTES}, of which the first are kept",
            bytes.len()
        ));
    }
    let json: Value = match serde_json::from_slice(bytes) {
        Ok(json) => json,
        Err(error) => return Parsed::Malformed(format!("it is no JSON: {error}")),
    };
    match json.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION => {
            let kind = json.get("kind").and_then(Value::as_str).unwrap_or_default();
            Parsed::Later {
                kind: first(kind, MAX_NAME_BYTES).to_owned(),
                version,
            }
        }
        Some(VERSION) => match serde_json::from_value(json).map_err(|error| error.to_string()) {
            Ok(decision) => bounded(decision),
            Err(why) => Parsed::Malformed(why),
        },
        _ => Parsed::Malformed(format!("it names no version from 1 to {VERSION}")),
    }
}

/// What a decision says of itself goes into rows, answers and log lines.
fn bounded(decision: Decision) -> Parsed {
    let fields = [
        ("kind", &decision.kind, MAX_NAME_BYTES),
        ("id", &decision.id, MAX_NAME_BYTES),
        ("by", &decision.by, MAX_FACT_BYTES),
        ("from", &decision.from, MAX_FACT_BYTES),
        ("at", &decision.at, MAX_FACT_BYTES),
        ("reason", &decision.reason, MAX_REASON_BYTES),
    ];
    let long = fields.iter().find(|(_, text, limit)| text.len() > *limit);
    if let Some((name, text, limit)) = long {
        let bytes = text.len();
        return Parsed::Malformed(format!("its {name} has {bytes} bytes; accepted: up to {limit}"));
    }
    if decision.id.is_empty() {
        return Parsed::Malformed("its id is empty; every decision has one of its own".to_owned());
    }
    Parsed::Decision(decision)
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

impl<'a> Decided<'a> {
    /// The body as that of its kind.
    ///
    /// # Errors
    /// What is wrong with it, shortened: it says the whole of a text that it did not expect.
    pub fn body<T: Deserialize<'a>>(&self) -> Result<T, String> {
        T::deserialize(&self.decision.body).map_err(|error| first(&error.to_string(), FAULT_CHARS).to_owned())
    }
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
    fn hold(&self) -> Option<DeadLetterGuard<'_>> {
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
        held: Option<&DeadLetterGuard<'_>>,
        store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError>;

    /// Called when a decision of this kind is written, to wake whoever waits for it.
    fn written(&self) {}
}
