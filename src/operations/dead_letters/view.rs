//! One letter: its bytes, what can be read of them now, and what happened to it.

use super::listed::Listed;
use super::stored::DeadLetter;
use crate::domain::{Cut, Event, Millis, Position, SagaId, TimelineKey};
use crate::pipeline::decode::{Defect, Fragment, Rejected, wire};
use crate::pipeline::registry::SchemaSource;
use crate::store::codec::Record;
use crate::store::dead_letters::{Happened, Returned, ValueHash, counted, state};
use crate::store::records::{DeadLetterSummaryRecord, LogRecord};
use crate::store::{Key, StoreError, StoreRead, Table, keys, reads, timelines};

/// What the bytes of a record come to under the schemas that are known now.
#[derive(Clone, Debug, PartialEq)]
pub enum Examined {
    /// An event: the schema was registered since, or the bytes were changed.
    Event {
        /// The id in front of the body.
        schema_id: u32,
        /// The event.
        event: Box<Event>,
    },
    /// No event.
    Rejected {
        /// The id in front of the body, if there is one.
        schema_id: Option<u32>,
        /// Why, and how far it can be read.
        rejected: Box<Rejected>,
    },
    /// The schema registry does not answer, so nobody can tell.
    Unavailable {
        /// The id that it was asked for.
        schema_id: u32,
        /// What went wrong.
        why: String,
    },
}

/// Decodes a value. May wait for the schema registry.
pub(super) fn examine(
    schemas: &dyn SchemaSource,
    value: Option<&[u8]>,
    position: Position,
    arrived_at: Millis,
) -> Examined {
    let rejected = |schema_id, rejected: Rejected| Examined::Rejected {
        schema_id,
        rejected: Box::new(rejected),
    };
    let (id, body) = match wire::payload(value) {
        Ok(parts) => parts,
        Err(defect) => return rejected(None, defect.into()),
    };
    let plan = match schemas.plan(id) {
        Ok(plan) => plan,
        Err(error) => {
            return match error.defect(id) {
                Some(defect) => rejected(Some(id), defect.into()),
                None => Examined::Unavailable {
                    schema_id: id,
                    why: error.to_string(),
                },
            };
        }
    };
    match plan.event(body, position, arrived_at) {
        Ok(event) => Examined::Event {
            schema_id: id,
            event: Box::new(event),
        },
        Err(why) => rejected(Some(id), why),
    }
}

impl Examined {
    /// The fields of the contract, as far as they could be read.
    pub fn fragment(&self) -> Fragment {
        match self {
            Self::Event { event, .. } => Fragment {
                event_id: Some(event.event_id.as_str().to_owned()),
                event_timestamp: Some(event.event_timestamp.0),
                saga_id: Some(event.saga_id.as_str().to_owned()),
                saga_type: Some(event.saga_type.as_str().to_owned()),
                step: Some(event.step.as_str().to_owned()),
                status: Some(event.status.as_str().to_owned()),
                order_id: Some(event.order_id.as_str().to_owned()),
                metadata: event.metadata.as_deref().map(str::to_owned),
                recorded_at: Some(event.recorded_at.0),
            },
            Self::Rejected { rejected, .. } => rejected.fragment.as_ref().clone(),
            Self::Unavailable { .. } => Fragment::default(),
        }
    }

    /// The schema id in front of the body, if there is one.
    pub fn schema_id(&self) -> Option<u32> {
        match self {
            Self::Event { schema_id, .. } | Self::Unavailable { schema_id, .. } => Some(*schema_id),
            Self::Rejected { schema_id, .. } => *schema_id,
        }
    }

    /// What is wrong with it now; `None` when it is an event, or nobody can tell.
    pub fn defect(&self) -> Option<&Defect> {
        match self {
            Self::Rejected { rejected, .. } => Some(&rejected.defect),
            Self::Event { .. } | Self::Unavailable { .. } => None,
        }
    }
}

/// What became of a letter whose event was published again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedriveOutcome {
    /// It stands in its saga's timeline.
    Applied(SagaId),
    /// An event with its id stands there already.
    Duplicate {
        /// The saga.
        saga_id: SagaId,
        /// Whether the other one has another body.
        conflicting: bool,
    },
    /// It became a dead letter again: this one.
    DeadLetter {
        /// The new letter.
        letter: Position,
        /// Why.
        reason: String,
    },
    /// It is in the log, and not folded yet.
    Waiting(SagaId),
    /// It was in the log, from which its saga has been removed since.
    Removed(SagaId),
}

/// Something that happened to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub at: Millis,
    /// What.
    pub what: DeadLetterHistory,
}

/// What can happen to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterHistory {
    /// It was consumed, and stored as a letter.
    Arrived,
    /// It was published again, and consumed there.
    Returned {
        /// Where.
        at: Position,
        /// What became of it.
        became: RedriveOutcome,
    },
    /// It was discarded.
    Discarded {
        /// Who decided.
        by: String,
        /// Why.
        why: String,
    },
}

/// One letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterView {
    /// What is known without its bytes.
    pub listed: Listed,
    /// Its bytes, key and headers.
    pub letter: DeadLetter,
    /// What they come to now.
    pub examined: Examined,
    /// What happened to it, in order.
    pub history: Vec<HistoryEntry>,
}

/// What is known of a letter without its bytes.
pub(super) fn listed(store: &dyn StoreRead, position: Position) -> Result<Option<Listed>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, position);
    let Some(row) = store.get(Table::Letters, &key)? else {
        return Ok(None);
    };
    let record = DeadLetterSummaryRecord::read(&row)?;
    let state = state(store, position, ValueHash(record.value))?;
    Ok(Some(Listed::of(position, &record, state)))
}

/// A letter's bytes.
pub(super) fn letter(store: &dyn StoreRead, position: Position) -> Result<Option<DeadLetter>, StoreError> {
    let mut key = Key::default();
    keys::by_offset(&mut key, position);
    store
        .get(Table::DeadLetters, &key)?
        .map(|row| DeadLetter::read(store, position, &row))
        .transpose()
}

/// What happened to a letter, in order of time. That it came back is told where it counts.
pub(super) fn history(store: &dyn StoreRead, letter: &Listed) -> Result<Vec<HistoryEntry>, StoreError> {
    let cursor = reads::cursor(store, reads::active_generation(store)?)?;
    let mut history = vec![HistoryEntry {
        at: letter.arrived_at,
        what: DeadLetterHistory::Arrived,
    }];
    for mark in counted(store, letter.position, letter.value)? {
        let what = match mark.what {
            Happened::Returned { became, .. } => DeadLetterHistory::Returned {
                at: mark.by,
                became: came_back(store, &cursor, mark.by, &became)?,
            },
            Happened::Discarded { by, why } => DeadLetterHistory::Discarded { by, why },
            Happened::Announced { .. } | Happened::Removed(_) => continue,
        };
        history.push(HistoryEntry { at: mark.at, what });
    }
    history.sort_by_key(|entry| entry.at);
    Ok(history)
}

/// What became of the record at `by`, which names a letter as its origin, as of the projections' cursor.
pub(super) fn came_back(
    store: &dyn StoreRead,
    cursor: &Cut,
    by: Position,
    became: &Returned,
) -> Result<RedriveOutcome, StoreError> {
    let (saga_id, recorded_at) = match became {
        Returned::Logged { saga_id, recorded_at } => (saga_id.clone(), *recorded_at),
        Returned::DeadLetter { reason } => {
            return Ok(RedriveOutcome::DeadLetter {
                letter: by,
                reason: reason.clone(),
            });
        }
    };
    if !cursor.contains(by) {
        return Ok(RedriveOutcome::Waiting(saga_id));
    }
    let place = TimelineKey {
        recorded_at,
        position: by,
    };
    became_in_log(store, saga_id, place)
}

/// What became of a delivery that the projections have folded.
fn became_in_log(
    store: &dyn StoreRead,
    saga_id: SagaId,
    place: TimelineKey,
) -> Result<RedriveOutcome, StoreError> {
    let mut key = Key::default();
    keys::log(&mut key, &saga_id, place);
    let generation = reads::active_generation(store)?;
    let row = store.get(Table::Log, &key)?;
    let state = reads::instance(store, generation, &saga_id)?;
    let (Some(row), Some(state)) = (row, state) else {
        return Ok(RedriveOutcome::Removed(saga_id));
    };
    if !timelines::is_duplicate(store, generation, &saga_id, place)? {
        return Ok(RedriveOutcome::Applied(saga_id));
    }
    let event = LogRecord::read(&row)?.view(place)?;
    let stands = timelines::find(store, generation, &saga_id, &state, &event)?;
    Ok(RedriveOutcome::Duplicate {
        conflicting: stands.is_some_and(|stands| stands.body() != event.body_digest()),
        saga_id,
    })
}
