//! What the tracker would turn into a dead letter. A producer checks first: an error in the service
//! that made the mistake is worth more than a letter somebody finds later.

use std::fmt;

use jiff::Timestamp;

use super::SagaEvent;

/// Longest step, in characters.
pub const MAX_STEP_CHARS: usize = 100;
/// Longest event, saga or order id, in characters.
pub const MAX_ID_CHARS: usize = 255;
/// Longest saga type, in characters.
pub const MAX_SAGA_TYPE_CHARS: usize = 100;
/// Longest metadata text, in bytes. A broker with its default limit of 1 MiB per record takes a little less.
pub const MAX_METADATA_BYTES: usize = 1024 * 1024;
/// No saga step is older: 2000-01-01T00:00:00Z, in milliseconds.
pub const EARLIEST_MS: i64 = 946_684_800_000;
/// No saga step is younger: 2100-01-01T00:00:00Z, in milliseconds.
pub const LATEST_MS: i64 = 4_102_444_800_000;

/// A field of the event, by its name in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "SagaEvent documents each")]
pub enum Field {
    EventId,
    EventTimestamp,
    SagaId,
    SagaType,
    Step,
    OrderId,
    Metadata,
    RecordedAt,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventId => "eventId",
            Self::EventTimestamp => "eventTimestamp",
            Self::SagaId => "sagaId",
            Self::SagaType => "sagaType",
            Self::Step => "step",
            Self::OrderId => "orderId",
            Self::Metadata => "metadata",
            Self::RecordedAt => "recordedAt",
        })
    }
}

/// Why the tracker would not take the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// A field that must say something says nothing.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: Field,
    },
    /// A field is longer than the tracker stores.
    #[error("{field} has {found} {unit}: at most {limit} are accepted")]
    TooLong {
        /// Which field.
        field: Field,
        /// Its length.
        found: usize,
        /// The longest accepted.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A time that no saga step has.
    #[error("{field} is {found}: expected a time from 2000 up to 2100")]
    AbsurdTime {
        /// Which field.
        field: Field,
        /// Its value.
        found: Timestamp,
    },
}

/// Whether the tracker takes the event.
///
/// # Errors
/// The first field that it refuses, and why.
pub fn check(event: &SagaEvent) -> Result<(), InvalidEvent> {
    not_empty(Field::SagaId, &event.saga_id)?;
    not_empty(Field::SagaType, event.saga_type.as_str())?;
    not_empty(Field::Step, &event.step)?;
    at_most(Field::EventId, &event.event_id, MAX_ID_CHARS)?;
    at_most(Field::SagaId, &event.saga_id, MAX_ID_CHARS)?;
    at_most(Field::SagaType, event.saga_type.as_str(), MAX_SAGA_TYPE_CHARS)?;
    at_most(Field::Step, &event.step, MAX_STEP_CHARS)?;
    at_most(Field::OrderId, &event.order_id, MAX_ID_CHARS)?;
    plausible(Field::EventTimestamp, event.event_timestamp)?;
    plausible(Field::RecordedAt, event.recorded_at)?;
    match &event.metadata {
        Some(text) if text.len() > MAX_METADATA_BYTES => Err(InvalidEvent::TooLong {
            field: Field::Metadata,
            found: text.len(),
            limit: MAX_METADATA_BYTES,
            unit: "bytes",
        }),
        _ => Ok(()),
    }
}

fn not_empty(field: Field, text: &str) -> Result<(), InvalidEvent> {
    if text.is_empty() {
        Err(InvalidEvent::Empty { field })
    } else {
        Ok(())
    }
}

fn at_most(field: Field, text: &str, limit: usize) -> Result<(), InvalidEvent> {
    // Bytes first: no text has more characters than bytes, and counting is the dearer of the two.
    if text.len() <= limit {
        return Ok(());
    }
    let found = text.chars().count();
    if found <= limit {
        return Ok(());
    }
    Err(InvalidEvent::TooLong {
        field,
        found,
        limit,
        unit: "characters",
    })
}

fn plausible(field: Field, found: Timestamp) -> Result<(), InvalidEvent> {
    if (EARLIEST_MS..LATEST_MS).contains(&found.as_millisecond()) {
        Ok(())
    } else {
        Err(InvalidEvent::AbsurdTime { field, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{SagaStatus, SagaType, steps};

    fn event() -> SagaEvent {
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        SagaEvent {
            event_id: "e-1".to_owned(),
            event_timestamp: at,
            saga_id: "s-1".to_owned(),
            saga_type: SagaType::OrderCreation,
            step: steps::ORDER_CREATED.to_owned(),
            status: SagaStatus::Started,
            order_id: "o-1".to_owned(),
            metadata: None,
            recorded_at: at,
        }
    }

    fn refusal(change: impl FnOnce(&mut SagaEvent)) -> String {
        let mut event = event();
        change(&mut event);
        check(&event).unwrap_err().to_string()
    }

    #[test]
    fn an_ordinary_event_passes() {
        assert_eq!(check(&event()), Ok(()));
    }

    #[test]
    fn an_event_may_lack_what_the_tracker_can_do_without() {
        let mut event = event();
        event.event_id.clear();
        event.order_id.clear();
        event.metadata = Some("not json".to_owned());
        assert_eq!(check(&event), Ok(()));
    }

    #[test]
    fn a_refusal_names_the_field_and_the_limit() {
        assert_eq!(refusal(|e| e.saga_id.clear()), "sagaId is empty");
        assert_eq!(refusal(|e| e.saga_type = SagaType::from("")), "sagaType is empty");
        assert_eq!(refusal(|e| e.step.clear()), "step is empty");
        assert_eq!(
            refusal(|e| e.step = "x".repeat(101)),
            "step has 101 characters: at most 100 are accepted"
        );
        assert_eq!(
            refusal(|e| e.order_id = "o".repeat(256)),
            "orderId has 256 characters: at most 255 are accepted"
        );
        assert_eq!(
            refusal(|e| e.metadata = Some("m".repeat(MAX_METADATA_BYTES + 1))),
            "metadata has 1048577 bytes: at most 1048576 are accepted"
        );
        assert_eq!(
            refusal(|e| e.recorded_at = Timestamp::UNIX_EPOCH),
            "recordedAt is 1970-01-01T00:00:00Z: expected a time from 2000 up to 2100"
        );
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let mut event = event();
        event.step = "주".repeat(100);
        assert_eq!(check(&event), Ok(()));
        event.step.push('문');
        assert!(check(&event).is_err(), "101 characters passed");
    }

    #[test]
    fn every_step_in_use_is_within_the_limit() {
        for step in steps::ALL {
            assert_eq!(at_most(Field::Step, step, MAX_STEP_CHARS), Ok(()), "{step}");
        }
    }
}
