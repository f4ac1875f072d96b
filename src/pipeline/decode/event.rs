//! A decoded record, and the limits it has to keep to become an event.

use super::defect::shown;
use super::metadata::Outline;
use super::{Defect, DefectReason};
use crate::domain::text::is_longer;
use crate::domain::{Event, Millis, Position, SagaStatus};
use saga_tracker_sdk::contract::limits::{
    MAX_ID_CHARS, MAX_METADATA_BYTES, MAX_SAGA_TYPE_CHARS, MAX_STEP_CHARS,
};

/// The fields of the contract as the bytes have them, not yet held against its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Decoded<'a> {
    /// `eventId`.
    pub event_id: &'a str,
    /// `eventTimestamp`, milliseconds since 1970.
    pub event_timestamp: i64,
    /// `sagaId`.
    pub saga_id: &'a str,
    /// `sagaType`.
    pub saga_type: &'a str,
    /// `step`.
    pub step: &'a str,
    /// `status`, any symbol of the writer.
    pub status: &'a str,
    /// `orderId`.
    pub order_id: &'a str,
    /// `metadata`.
    pub metadata: Option<&'a str>,
    /// `recordedAt`, milliseconds since 1970.
    pub recorded_at: i64,
}

impl Decoded<'_> {
    /// The event, if the fields keep the contract's limits.
    ///
    /// # Errors
    /// A [`Defect`] that names the first field that does not.
    pub fn into_event(self, position: Position, arrived_at: Millis) -> Result<Event, Defect> {
        if self.saga_id.is_empty() {
            let detail = format!("field sagaId is empty; accepted: 1 to {MAX_ID_CHARS} characters");
            return Err(Defect::new(DefectReason::EmptySagaId, detail));
        }
        short("sagaId", self.saga_id, MAX_ID_CHARS)?;
        short("eventId", self.event_id, MAX_ID_CHARS)?;
        short("orderId", self.order_id, MAX_ID_CHARS)?;
        filled("sagaType", self.saga_type, MAX_SAGA_TYPE_CHARS)?;
        filled("step", self.step, MAX_STEP_CHARS)?;
        let status: SagaStatus = self.status.parse().map_err(|_| unknown_status(self.status))?;
        let recorded_at = instant("recordedAt", self.recorded_at)?;
        let event_timestamp = instant("eventTimestamp", self.event_timestamp)?;
        if let Some(length) = self
            .metadata
            .map(str::len)
            .filter(|length| *length > MAX_METADATA_BYTES)
        {
            let detail = format!("field metadata has {length} bytes; accepted: up to {MAX_METADATA_BYTES}");
            return Err(Defect::new(DefectReason::FieldTooLong, detail));
        }
        let outline = Outline::of(self.metadata);
        Ok(Event {
            position,
            arrived_at,
            recorded_at,
            event_timestamp,
            event_id: self.event_id.into(),
            saga_id: self.saga_id.into(),
            saga_type: self.saga_type.into(),
            step: self.step.into(),
            status,
            order_id: self.order_id.into(),
            metadata: self.metadata.map(Into::into),
            metadata_form: outline.form,
            producer_service: outline.producer_service.map(Into::into),
            trace_id: outline.trace_id.map(Into::into),
        })
    }
}

fn filled(field: &str, text: &str, limit: usize) -> Result<(), Defect> {
    if text.is_empty() {
        let detail = format!("field {field} is empty; accepted: 1 to {limit} characters");
        return Err(Defect::new(DefectReason::EmptyField, detail));
    }
    short(field, text, limit)
}

fn short(field: &str, text: &str, limit: usize) -> Result<(), Defect> {
    if !is_longer(text, limit) {
        return Ok(());
    }
    let found = text.chars().count();
    let detail = format!(
        "field {field} has {found} characters; accepted: up to {limit}; it begins {}",
        shown(text)
    );
    Err(Defect::new(DefectReason::FieldTooLong, detail))
}

#[cold]
fn unknown_status(found: &str) -> Defect {
    let accepted = SagaStatus::ALL.map(SagaStatus::as_str).join(", ");
    Defect::new(
        DefectReason::UnknownStatus,
        format!("field status is {}; accepted: {accepted}", shown(found)),
    )
}

fn instant(field: &str, millis: i64) -> Result<Millis, Defect> {
    let found = Millis(millis);
    if (Millis::EARLIEST_EVENT..Millis::LATEST_EVENT).contains(&found) {
        return Ok(found);
    }
    let detail = format!(
        "field {field} is {millis} ({found}); accepted: milliseconds since 1970, from {} up to {}",
        Millis::EARLIEST_EVENT,
        Millis::LATEST_EVENT
    );
    Err(Defect::new(DefectReason::BadTimestamp, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MetadataForm;

    fn good() -> Decoded<'static> {
        Decoded {
            event_id: "e-1",
            event_timestamp: 1_700_000_000_000,
            saga_id: "s-1",
            saga_type: "REFUND",
            step: "REFUND_REQUESTED",
            status: "STARTED",
            order_id: "",
            metadata: None,
            recorded_at: 1_700_000_000_001,
        }
    }

    fn event(decoded: Decoded<'_>) -> Result<Event, Defect> {
        decoded.into_event(Position::new(1, 2), Millis(1_700_000_000_002))
    }

    fn refused(decoded: Decoded<'_>) -> (DefectReason, String) {
        let defect = event(decoded).unwrap_err();
        (defect.reason, defect.detail)
    }

    #[test]
    fn a_record_within_the_limits_becomes_an_event() {
        let metadata = r#"{"producerService":"order-service","traceId":"t-1","retryCount":2}"#;
        let made = event(Decoded {
            metadata: Some(metadata),
            ..good()
        })
        .unwrap();
        assert_eq!(made.position, Position::new(1, 2));
        assert_eq!(
            (made.arrived_at.0, made.recorded_at.0),
            (1_700_000_000_002, 1_700_000_000_001)
        );
        assert_eq!(made.status, SagaStatus::Started);
        assert_eq!(made.metadata.as_deref(), Some(metadata));
        assert_eq!(made.metadata_form, MetadataForm::Object);
        assert_eq!(made.producer_service.as_deref(), Some("order-service"));
        assert_eq!(made.trace_id.as_deref(), Some("t-1"));
    }

    #[test]
    fn every_limit_is_kept_to_the_character() {
        let ok = "é".repeat(255);
        let long = "é".repeat(256);
        assert!(
            event(Decoded {
                saga_id: &ok,
                event_id: &ok,
                order_id: &ok,
                ..good()
            })
            .is_ok()
        );
        for (field, decoded) in [
            (
                "sagaId",
                Decoded {
                    saga_id: &long,
                    ..good()
                },
            ),
            (
                "eventId",
                Decoded {
                    event_id: &long,
                    ..good()
                },
            ),
            (
                "orderId",
                Decoded {
                    order_id: &long,
                    ..good()
                },
            ),
            (
                "sagaType",
                Decoded {
                    saga_type: &long[..202],
                    ..good()
                },
            ),
            (
                "step",
                Decoded {
                    step: &long[..202],
                    ..good()
                },
            ),
        ] {
            let (reason, detail) = refused(decoded);
            assert_eq!(reason, DefectReason::FieldTooLong, "{field}");
            assert!(detail.starts_with(&format!("field {field} has ")), "{detail}");
        }
        let metadata = "x".repeat(MAX_METADATA_BYTES + 1);
        assert!(
            event(Decoded {
                metadata: Some(&metadata[1..]),
                ..good()
            })
            .is_ok()
        );
        assert_eq!(
            refused(Decoded {
                metadata: Some(&metadata),
                ..good()
            })
            .0,
            DefectReason::FieldTooLong
        );
    }

    #[test]
    fn what_may_not_be_empty_is_named() {
        assert_eq!(
            refused(Decoded {
                saga_id: "",
                ..good()
            })
            .0,
            DefectReason::EmptySagaId
        );
        assert_eq!(
            refused(Decoded { step: "", ..good() }).0,
            DefectReason::EmptyField
        );
        assert_eq!(
            refused(Decoded {
                saga_type: "",
                ..good()
            })
            .0,
            DefectReason::EmptyField
        );
        assert!(
            event(Decoded {
                event_id: "",
                order_id: "",
                ..good()
            })
            .is_ok()
        );
    }

    #[test]
    fn an_unknown_status_is_told_with_the_five() {
        let (reason, detail) = refused(Decoded {
            status: "PAUSED",
            ..good()
        });
        assert_eq!(reason, DefectReason::UnknownStatus);
        assert_eq!(
            detail,
            "field status is \"PAUSED\"; accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED, COMPENSATED"
        );
    }

    #[test]
    fn times_outside_this_century_are_absurd() {
        for absurd in [
            i64::MIN,
            -1,
            0,
            946_684_799_999,
            4_102_444_800_000,
            1_700_000_000_000_000,
            i64::MAX,
        ] {
            assert_eq!(
                refused(Decoded {
                    recorded_at: absurd,
                    ..good()
                })
                .0,
                DefectReason::BadTimestamp
            );
            assert_eq!(
                refused(Decoded {
                    event_timestamp: absurd,
                    ..good()
                })
                .0,
                DefectReason::BadTimestamp
            );
        }
        for fine in [946_684_800_000, 4_102_444_799_999] {
            assert!(
                event(Decoded {
                    recorded_at: fine,
                    event_timestamp: fine,
                    ..good()
                })
                .is_ok()
            );
        }
    }
}
