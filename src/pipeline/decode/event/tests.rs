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
