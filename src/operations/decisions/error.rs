//! Why an operator's wish was not fulfilled, by what the operator can do about it.

use crate::domain::{Millis, Position, SagaId, SagaStatus};
use crate::pipeline::kafka::OutError;
use crate::pipeline::registry::SchemaError;
use crate::store::StoreError;
use saga_tracker_sdk::encoding;
use thiserror::Error;

/// Why an operator's wish was not fulfilled.
#[derive(Debug, Error)]
pub enum OpsError {
    /// There is no such saga. Nothing was changed.
    #[error("no event of saga {0:?} has been seen")]
    NotFound(SagaId),
    /// State is otherwise than the operator thought. Nothing was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Kafka or the registry cannot be reached, or decisions are not read now. Nothing was changed.
    #[error("{0}; nothing was changed")]
    Unreachable(#[from] Unreachable),
    /// It may take effect or not, or does so later; the message says how to find out.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
    /// It went wrong, and nothing was changed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stands against it.
#[derive(Debug, Error)]
pub enum Conflict {
    /// The decision was read and does not hold; in words, why.
    #[error("{0}")]
    Refused(String),
    /// The saga has that status.
    #[error("the saga is {0} already; nothing was changed")]
    AlreadySo(SagaStatus),
    /// The saga has another status than the operator saw.
    #[error("the saga is {found}, not {expected} as expected; nothing was changed")]
    NotAsExpected {
        /// The one that it has.
        found: SagaStatus,
        /// The one that was seen.
        expected: SagaStatus,
    },
    /// The event does not fit into the schema of its topic.
    #[error("the event cannot be written with schema {schema}: {why}; nothing was changed")]
    Unwritable {
        /// The schema's id.
        schema: u32,
        /// What does not fit.
        why: encoding::EncodeError,
    },
    /// The saga got another status than the operator saw, before the change was applied.
    #[error(
        "the change was decided on {}, but the saga was {found} when it was applied; its status was not changed. The \
         attempt stands in the timeline as event {event_id}",
        expected.map_or("another status", SagaStatus::as_str)
    )]
    Overtaken {
        /// The one that it had.
        found: SagaStatus,
        /// The one that was seen.
        expected: Option<SagaStatus>,
        /// The event.
        event_id: String,
    },
    /// The saga got that status before the change was applied.
    #[error(
        "the saga was {found} already when the change was applied; the attempt stands in the timeline as event \
         {event_id}"
    )]
    InVain {
        /// The one that it had.
        found: SagaStatus,
        /// The event.
        event_id: String,
    },
}

/// What does not answer.
#[derive(Debug, Error)]
pub enum Unreachable {
    /// Decisions are not read here now; in words, why.
    #[error("no decision can be made here now: {0}")]
    Closed(String),
    /// Kafka.
    #[error(transparent)]
    Kafka(OutError),
    /// The schema registry.
    #[error("the schema to write the event with is not known: {0}")]
    Registry(String),
}

/// What may take effect or not, or later.
#[derive(Debug, Error)]
pub enum Unsettled {
    /// Nobody knows whether it is published.
    #[error("{error}. It may still take effect: {what} before trying again")]
    Published {
        /// What the producer said.
        error: OutError,
        /// What was to be published.
        what: Trace,
    },
    /// A decision is published and not read back.
    #[error(
        "decision {id} is published at offset {offset} of the ops topic and takes effect when it is read; do not \
         repeat it"
    )]
    NotRead {
        /// Its own name.
        id: String,
        /// Its offset.
        offset: u64,
    },
    /// An event is published and not applied.
    #[error(
        "event {event_id} is published at {position} of the tracker topic, but not applied here yet: {why}. It is \
         applied when it is consumed; do not repeat the change"
    )]
    NotApplied {
        /// The event.
        event_id: String,
        /// Where it is.
        position: Position,
        /// What it waits for, in words.
        why: String,
    },
    /// Of several decisions some are made.
    #[error("some of the dead letters are discarded, the others are not: {0}; discard the open ones again")]
    Midway(Unreachable),
}

/// What to look for.
#[derive(Debug, Error)]
pub enum Trace {
    /// A decision of that name.
    #[error("look for decision {0}")]
    Decision(String),
    /// An event of that id.
    #[error("look for event {0} in the saga's steps")]
    Event(String),
}

/// What went wrong.
#[derive(Debug, Error)]
pub enum Failure {
    /// The decision cannot be written down.
    #[error("the decision cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// The decision was read, and nobody wrote down what became of it.
    #[error("decision {id} was read, but there is no record of it at {offset}")]
    NoRecord {
        /// Its own name.
        id: String,
        /// Its offset.
        offset: u64,
    },
    /// The decision was read, and is none for this tracker; in words, why.
    #[error("{0}")]
    NotDone(String),
    /// Kafka does not take it.
    #[error("{0}; nothing was changed")]
    Kafka(OutError),
    /// There is no schema to write the event with.
    #[error("the schema to write the event with: {0}; nothing was changed")]
    NoSchema(SchemaError),
    /// The schema of the topic is of something else.
    #[error("schema {schema} of topic {topic} cannot carry saga events: {why}; nothing was changed")]
    OtherSchema {
        /// Its id.
        schema: u32,
        /// The topic.
        topic: String,
        /// What is wrong with it.
        why: encoding::SchemaError,
    },
    /// An instant that no event can have.
    #[error("{at} cannot be written: {why}")]
    Instant {
        /// The instant.
        at: Millis,
        /// What is wrong with it.
        why: jiff::Error,
    },
}

impl OpsError {
    /// What an outlet's error means of what was to be published.
    pub(super) fn of_out(error: OutError, what: Trace) -> Self {
        match error {
            OutError::Unreachable(_) => Unreachable::Kafka(error).into(),
            OutError::Refused(_) => Failure::Kafka(error).into(),
            OutError::Uncertain(_) => Unsettled::Published { error, what }.into(),
        }
    }
}
