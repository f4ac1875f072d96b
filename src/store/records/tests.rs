//! Promises of the records: what is written is read, and nothing else is taken for it.

use super::super::StoreError;
use super::super::codec::Record;
use super::super::records::{
    AheadRecord, ArchivedRecord, AuditRecord, CountRecord, DeadLetterMarkRecord, DeadLetterRecord,
    DeadLetterSummaryRecord, DecisionRecord, DoubtRecord, FeedRecord, GapKind, GapRecord, HoldRecord,
    InstanceRecord, LastRecord, LogRecord, MetaRecord, OffsetRecord, PresenceRecord, PurgedRecord,
    RedriveLetterRecord, RedriveRecord, ReturnRecord, StandingRecord, ToldRecord, TotalRecord, UpdatedRecord,
};
use crate::domain::{
    Anomaly, AnomalyKind, AnomalyLog, CompensationTimes, Conflict, ConflictLog, Event, Listed, Mark,
    MetadataForm, Millis, Position, Reports, SagaState, SagaStatus, Said, StatusChange, StatusLog, StepTally,
    TimelineKey, TraceIds,
};
use proptest::prelude::*;
use proptest::sample::select;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", "[\\x00-\\x02가]{0,3}", "[a-f0-9-]{36}"]
}

fn boxed(text: Option<String>) -> Option<Box<str>> {
    text.map(String::into_boxed_str)
}

fn status() -> impl Strategy<Value = SagaStatus> {
    select(SagaStatus::ALL.to_vec())
}

fn millis() -> impl Strategy<Value = Millis> {
    any::<i64>().prop_map(Millis)
}

fn timeline_key() -> impl Strategy<Value = TimelineKey> {
    (millis(), any::<u32>(), any::<u64>()).prop_map(|(recorded_at, partition, offset)| TimelineKey {
        recorded_at,
        position: Position::new(partition, offset),
    })
}

prop_compose! {
    fn event()(
        at in timeline_key(),
        (arrived_at, event_timestamp) in (millis(), millis()),
        (event_id, saga_id, saga_type, step, order_id) in (text(), text(), text(), text(), text()),
        status in status(),
        metadata_form in select(vec![MetadataForm::Absent, MetadataForm::Object, MetadataForm::Verbatim]),
        (metadata, service, trace) in (prop::option::of(text()), prop::option::of(text()), prop::option::of(text())),
    ) -> Event {
        Event {
            position: at.position,
            arrived_at,
            recorded_at: at.recorded_at,
            event_timestamp,
            event_id: event_id.into(),
            saga_id: saga_id.into(),
            saga_type: saga_type.into(),
            step: step.into(),
            status,
            order_id: order_id.into(),
            metadata: boxed(metadata),
            metadata_form,
            producer_service: boxed(service),
            trace_id: boxed(trace),
        }
    }
}

fn anomalies() -> impl Strategy<Value = AnomalyLog> {
    let kind = (0u8..12).prop_map(|tag| AnomalyKind::from_tag(tag).unwrap());
    let one = (kind, text(), millis()).prop_map(|(kind, id, at)| Anomaly {
        kind,
        event_id: id.into(),
        at,
    });
    (prop::collection::vec(one, 0..5), any::<u32>()).prop_map(|(kept, total)| AnomalyLog { kept, total })
}

fn conflicts() -> impl Strategy<Value = ConflictLog> {
    let one = (any::<(u32, u64)>(), text(), millis()).prop_map(|((partition, offset), id, at)| Conflict {
        position: Position::new(partition, offset),
        anomaly: Anomaly {
            kind: AnomalyKind::EventIdConflict,
            event_id: id.into(),
            at,
        },
    });
    (prop::collection::vec(one, 0..5), any::<u32>()).prop_map(|(kept, total)| ConflictLog { kept, total })
}

fn listed() -> impl Strategy<Value = Listed> {
    (timeline_key(), any::<u32>(), any::<bool>()).prop_map(|(place, fingerprint, conflicting)| Listed {
        place,
        fingerprint,
        conflicting,
    })
}

/// A log and since when the last status is: what the last change says, where all are kept.
fn changes() -> impl Strategy<Value = (StatusLog, Millis)> {
    let one = (millis(), status()).prop_map(|(at, status)| StatusChange { at, status });
    let kept = prop::collection::vec(one, 1..5);
    (kept, prop::option::of((6u32.., millis()))).prop_map(|(kept, more)| {
        let last = kept[kept.len() - 1].at;
        let (total, since) = more.unwrap_or((kept.len() as u32, last));
        (StatusLog { kept, total }, since)
    })
}

fn said() -> impl Strategy<Value = Said> {
    (timeline_key(), text()).prop_map(|(place, text)| Said {
        place,
        text: text.into(),
    })
}

fn mark() -> impl Strategy<Value = Mark> {
    (any::<u32>(), millis()).prop_map(|(number, at)| Mark { number, at })
}

prop_compose! {
    fn reports()(
        (step, count) in any::<(u16, u32)>(), status in status(), (first, last) in (mark(), mark()), same in any::<bool>(),
    ) -> Reports {
        let last = if same { first } else { last };
        Reports { step, status, count, first, last }
    }
}

prop_compose! {
    fn tally()(
        reports in prop::collection::vec(reports(), 0..8),
        (failed_by, strange, unfit) in any::<(u32, u32, u32)>(),
        (last_strange, last_unfit) in (prop::option::of(said()), prop::option::of(said())),
    ) -> StepTally {
        StepTally { reports, failed_by, strange, last_strange, unfit, last_unfit }
    }
}

prop_compose! {
    fn state()(
        (saga_type, order_id, last_step, trace) in (text(), text(), text(), prop::option::of(text())),
        status in status(),
        (started_at, tail) in (millis(), timeline_key()),
        (step_count, duplicates, failures, compensations) in any::<(u32, u32, u32, u32)>(),
        last_failed_at in prop::option::of(millis()),
        (changes, since) in changes(),
        trace_ids in prop::collection::vec(text(), 0..4),
        (failed_step, failure_reason) in (prop::option::of(said()), prop::option::of(said())),
        tally in tally(),
        (counts, millis) in (prop::collection::vec(any::<(u8, u32)>(), 0..4), any::<u64>()),
        (anomalies, conflicts) in (anomalies(), conflicts()),
        listed in prop::option::of(prop::collection::vec(listed(), 0..40)),
    ) -> SagaState {
        SagaState {
            saga_type: saga_type.into(),
            order_id: order_id.into(),
            status,
            since,
            changes,
            last_step: last_step.into(),
            last_trace_id: boxed(trace),
            trace_ids: TraceIds(trace_ids.into_iter().map(Into::into).collect()),
            failed_step,
            failure_reason,
            tally,
            started_at,
            updated_at: tail.recorded_at,
            step_count,
            duplicates,
            failures,
            compensations,
            last_failed_at,
            compensation_times: CompensationTimes { counts, millis },
            anomalies,
            conflicts,
            tail,
            listed,
        }
    }
}

fn reads_back<'a, R: Record<'a> + PartialEq + std::fmt::Debug>(record: &R, bytes: &'a mut Vec<u8>) {
    record.write(bytes);
    assert_eq!(bytes[0], R::FORMAT);
    assert_eq!(&R::read(bytes).unwrap(), record);
}

/// Reads the bytes as every record there is; whatever comes of it, it is no panic.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(record) = LogRecord::read(bytes) {
        let at = TimelineKey {
            recorded_at: Millis(0),
            position: Position::new(0, 0),
        };
        let _ = record.event(&"saga".into(), at);
    }
    if let Ok(record) = InstanceRecord::read(bytes) {
        let _ = record.state();
    }
    let _ = FeedRecord::read(bytes);
    let _ = StandingRecord::read(bytes);
    if let Ok(record) = PurgedRecord::read(bytes) {
        let _ = record.purged();
    }
    let _ = ArchivedRecord::read(bytes);
    let _ = HoldRecord::read(bytes);
    let _ = OffsetRecord::read(bytes);
    let _ = DeadLetterRecord::read(bytes);
    let _ = DeadLetterSummaryRecord::read(bytes);
    let _ = DeadLetterMarkRecord::read(bytes);
    let _ = RedriveRecord::read(bytes);
    let _ = RedriveLetterRecord::read(bytes);
    let _ = GapRecord::read(bytes);
    let _ = CountRecord::read(bytes);
    let _ = DecisionRecord::read(bytes);
    let _ = AuditRecord::read(bytes);
    let _ = TotalRecord::read(bytes);
    let _ = MetaRecord::read(bytes);
    let _ = PresenceRecord::read(bytes);
    let _ = UpdatedRecord::read(bytes);
}

proptest! {
    #[test]
    fn an_event_reads_back_from_its_key_and_record(event in event()) {
        let bytes = LogRecord::of(&event).to_bytes();
        let read = LogRecord::read(&bytes).unwrap().event(&event.saga_id, event.timeline_key()).unwrap();
        prop_assert_eq!(read, event);
    }

    #[test]
    fn a_state_reads_back(state in state()) {
        let bytes = InstanceRecord::of(&state).to_bytes();
        prop_assert_eq!(InstanceRecord::read(&bytes).unwrap().state().unwrap(), state);
    }

    #[test]
    fn a_feed_row_reads_back(saga_id in text(), recorded_at in any::<i64>(), next in any::<u64>()) {
        for record in [
            FeedRecord::Logged { saga_id: &saga_id, recorded_at },
            FeedRecord::DeadLetter,
            FeedRecord::Gap { next },
            FeedRecord::Purged { decision: next },
        ] {
            reads_back(&record, &mut Vec::new());
        }
    }

    #[test]
    fn an_offset_reads_back(
        (start, next) in any::<(u64, u64)>(),
        arrived_at in any::<i64>(),
        last in prop::option::of(any::<(u64, u64)>()),
        believed in any::<i64>(),
        ahead in prop::option::of(any::<(i64, u32)>()),
        doubt in prop::option::of(any::<(u8, u8, i64)>()),
    ) {
        let ahead = ahead.map(|(oldest, records)| AheadRecord { oldest, records });
        let doubt = doubt.map(|(agreeing, behind, youngest)| DoubtRecord { agreeing, behind, youngest });
        let told = ToldRecord { believed, ahead, doubt };
        let last = last.map(|(offset, fingerprint)| LastRecord { offset, fingerprint });
        reads_back(&OffsetRecord { start, next, arrived_at, last, told }, &mut Vec::new());
    }

    #[test]
    fn a_dead_letter_reads_back(
        (topic, reason, detail) in (text(), text(), text()),
        (arrived_at, timestamp) in any::<(i64, Option<i64>)>(),
        (key, value) in any::<(Option<Vec<u8>>, Option<Vec<u8>>)>(),
        headers in prop::collection::vec((text(), any::<Option<Vec<u8>>>()), 0..4),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let record = DeadLetterRecord {
            topic: &topic,
            reason: &reason,
            detail: &detail,
            arrived_at,
            timestamp,
            key: key.as_deref(),
            value: value.as_deref(),
            headers,
        };
        reads_back(&record, &mut Vec::new());
    }

    #[test]
    fn what_is_known_of_a_letter_reads_back(
        (topic, reason, detail) in (text(), text(), text()),
        (at, bytes, offset) in any::<(i64, u64, u64)>(),
        parts in prop::collection::vec(prop::option::of(text()), 5),
        flag in any::<bool>(),
    ) {
        let part = |n: usize| parts[n].as_deref();
        reads_back(&DeadLetterSummaryRecord {
            topic: &topic, reason: &reason, detail: &detail, arrived_at: at, bytes, value: [bytes.to_be_bytes()[0]; 16],
            event_id: part(0), saga_id: part(1), saga_type: part(2), step: part(3), status: part(4),
        }, &mut Vec::new());
        let logged = ReturnRecord::Logged { saga_id: &topic, recorded_at: at };
        let again = ReturnRecord::DeadLetter { reason: &reason };
        for record in [
            DeadLetterMarkRecord::Returned { at, became: logged, value: [7; 16] },
            DeadLetterMarkRecord::Returned { at, became: again, value: [0; 16] },
            DeadLetterMarkRecord::Announced { at, value: [255; 16] },
            DeadLetterMarkRecord::Removed { at, redriven: flag, reason: part(0), value: [3; 16] },
            DeadLetterMarkRecord::Discarded { at, by: &topic, why: &detail },
        ] {
            reads_back(&record, &mut Vec::new());
        }
        reads_back(&RedriveRecord {
            asked_at: at, by: &topic, why: part(0), dry_run: flag, order: &detail, chosen: bytes,
            ended_at: flag.then_some(at), failed: part(1),
        }, &mut Vec::new());
        for record in [
            RedriveLetterRecord::Chosen,
            RedriveLetterRecord::Sending,
            RedriveLetterRecord::Sent { partition: 3, offset },
            RedriveLetterRecord::Skipped { why: &detail },
            RedriveLetterRecord::Refused { why: &detail },
            RedriveLetterRecord::Forecast { told: &detail },
        ] {
            reads_back(&record, &mut Vec::new());
        }
    }

    #[test]
    fn decisions_and_audit_entries_read_back(
        (kind, detail, who, origin) in (text(), text(), text(), text()),
        (at, outcome) in any::<(i64, u8)>(),
        message in any::<Vec<u8>>(),
        (previous, hash) in any::<([u8; 32], [u8; 32])>(),
    ) {
        let decision = DecisionRecord { arrived_at: at, outcome, kind: &kind, detail: &detail, message: &message };
        reads_back(&decision, &mut Vec::new());
        let entry = AuditRecord {
            at,
            who: &who,
            origin: &origin,
            action: &kind,
            target: &detail,
            why: &who,
            outcome,
            detail: &kind,
            previous,
            hash,
        };
        reads_back(&entry, &mut Vec::new());
    }

    #[test]
    fn numbers_read_back((a, b) in any::<(i64, i64)>(), c in any::<u64>(), text in text()) {
        reads_back(&CountRecord { sagas: a, duration_millis: b }, &mut Vec::new());
        reads_back(&TotalRecord { value: a }, &mut Vec::new());
        reads_back(&UpdatedRecord { started_at: b }, &mut Vec::new());
        reads_back(&GapRecord { next: c, kind: GapKind::Expired as u8, broker_low: c, arrived_at: a }, &mut Vec::new());
        reads_back(&MetaRecord { value: &text }, &mut Vec::new());
        reads_back(&PresenceRecord, &mut Vec::new());
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
        if let Some(format) = bytes.first_mut() {
            *format = 1;
            read_as_everything(&bytes);
        }
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(
        state in state(), event in event(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        for mut bytes in [InstanceRecord::of(&state).to_bytes(), LogRecord::of(&event).to_bytes()] {
            let at = at.index(bytes.len());
            read_as_everything(&bytes[..at]);
            bytes[at] = to;
            read_as_everything(&bytes);
        }
    }

    #[test]
    fn a_record_with_something_behind_it_is_refused(event in event(), more in any::<u8>()) {
        let mut bytes = LogRecord::of(&event).to_bytes();
        bytes.push(more);
        let refused = LogRecord::read(&bytes);
        prop_assert!(matches!(&refused, Err(StoreError::Corrupt(detail)) if detail.contains("1 bytes too many")));
    }
}

fn refuses_other_formats<'a, R: Record<'a> + std::fmt::Debug>(bytes: &'a [u8]) {
    match R::read(bytes) {
        Err(StoreError::UnknownFormat {
            table,
            found,
            expected,
        }) => {
            assert_eq!((table, found, expected), (R::TABLE, bytes[0], R::FORMAT));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(R::read(&[]), Err(StoreError::Corrupt(detail)) if detail.contains(R::TABLE)));
}

#[test]
fn another_format_is_refused_by_the_tables_name() {
    for format in [0, 9, 255] {
        let bytes = [format, 0, 0, 0];
        refuses_other_formats::<LogRecord<'_>>(&bytes);
        refuses_other_formats::<FeedRecord<'_>>(&bytes);
        refuses_other_formats::<PurgedRecord<'_>>(&bytes);
        refuses_other_formats::<ArchivedRecord<'_>>(&bytes);
        refuses_other_formats::<HoldRecord<'_>>(&bytes);
        refuses_other_formats::<OffsetRecord>(&bytes);
        refuses_other_formats::<DeadLetterRecord<'_>>(&bytes);
        refuses_other_formats::<DeadLetterSummaryRecord<'_>>(&bytes);
        refuses_other_formats::<DeadLetterMarkRecord<'_>>(&bytes);
        refuses_other_formats::<RedriveRecord<'_>>(&bytes);
        refuses_other_formats::<RedriveLetterRecord<'_>>(&bytes);
        refuses_other_formats::<GapRecord>(&bytes);
        refuses_other_formats::<InstanceRecord<'_>>(&bytes);
        refuses_other_formats::<StandingRecord>(&bytes);
        refuses_other_formats::<CountRecord>(&bytes);
        refuses_other_formats::<DecisionRecord<'_>>(&bytes);
        refuses_other_formats::<AuditRecord<'_>>(&bytes);
        refuses_other_formats::<TotalRecord>(&bytes);
        refuses_other_formats::<MetaRecord<'_>>(&bytes);
        refuses_other_formats::<PresenceRecord>(&bytes);
        refuses_other_formats::<UpdatedRecord>(&bytes);
    }
}

#[test]
fn a_length_that_the_bytes_cannot_hold_is_refused_before_memory_is_taken_for_it() {
    // A dead letter whose last field, the headers, claims a million entries of 32 bytes.
    let record = DeadLetterRecord {
        topic: "t",
        reason: "r",
        detail: "d",
        arrived_at: 0,
        timestamp: None,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let mut bytes = record.to_bytes();
    assert_eq!(bytes.pop(), Some(0));
    bytes.push(252);
    bytes.extend_from_slice(&1_000_000u32.to_le_bytes());
    match DeadLetterRecord::read(&bytes) {
        Err(StoreError::Corrupt(detail)) => assert!(detail.contains("LimitExceeded"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_largest_records_read_back() {
    let value = vec![7; 9 << 20];
    let headers = (0..50_000).map(|_| ("", None)).collect();
    let record = DeadLetterRecord {
        topic: "t",
        reason: "r",
        detail: "d",
        arrived_at: 0,
        timestamp: None,
        key: None,
        value: Some(&value),
        headers,
    };
    reads_back(&record, &mut Vec::new());
    // Nothing but headers: what takes most memory for its bytes.
    for count in [1_000, 30_000, 200_000] {
        let headers = (0..count).map(|_| ("", None)).collect();
        reads_back(
            &DeadLetterRecord {
                value: None,
                headers,
                ..record.clone()
            },
            &mut Vec::new(),
        );
    }
}
