//! Bytes that an earlier build wrote must keep their meaning: every kind of key and record is
//! compared with committed bytes, in both directions.
//!
//! A difference means that stores in use can no longer be read. A new layout of a record gets a new format byte and a
//! line of its own; a line that is there is never changed. A key changes only together with the version of the store.

use super::super::codec::Record;
use super::super::keys::{self, CensusCell, Condition, Key, LateKind, TimelineRow, Tree};
use super::super::records::{
    AheadRecord, ArchivedRecord, AuditRecord, CensusRecord, ContradictedRecord, CountRecord,
    DeadLetterMarkRecord, DeadLetterRecord, DeadLetterSummaryRecord, DecisionOutcome, DecisionRecord,
    DoubtRecord, FeedRecord, GapKind, GapRecord, HoldRecord, HoldScopeRecord, IncidentRecord, InstanceRecord,
    LastRecord, LateNoticeRecord, LateRecord, LiftedRecord, LogRecord, ManyChangesRecord, MetaRecord,
    MoveRecord, OffsetClass, OffsetCountsRecord, OffsetRecord, PresenceRecord, PurgedRecord,
    RedriveLetterRecord, RedriveRecord, RedriveTallyRecord, ReturnRecord, StandingRecord, StartedRecord,
    StoodInRecord, ToldRecord, TotalRecord, UpdatedRecord,
};
use super::super::totals;
use crate::domain::{
    Anomaly, AnomalyKind, AnomalyLog, CompensationTimes, Conflict, ConflictLog, ConformanceRule, Event,
    EventDigest, Listed, Mark, MetadataForm, Milestone, Millis, Position, PurgedSaga, Remains, Reports,
    RowGroups, SagaState, SagaStatus, Said, StatusChange, StatusLog, StatusMove, StepTally, TimelineKey,
    TraceIds,
};

const KEYS: &str = include_str!("../../../tests/fixtures/formats/keys.txt");
const RECORDS: &str = include_str!("../../../tests/fixtures/formats/records.txt");

const RECORDED_AT: Millis = Millis(1_763_668_123_456);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// The committed text of that name.
fn fixture<'f>(fixtures: &'f str, name: &str, now: &str) -> &'f str {
    let lines = fixtures.lines().filter_map(|line| line.split_once(": "));
    let found = lines.filter(|(of, _)| *of == name).map(|(_, text)| text).next();
    found.unwrap_or_else(|| panic!("no fixture; if this is a new format, add the line\n{name}: {now}"))
}

fn event() -> Event {
    Event {
        position: Position::new(2, 70_001),
        arrived_at: Millis(1_763_668_124_000),
        recorded_at: RECORDED_AT,
        event_timestamp: Millis(1_763_668_123_400),
        event_id: "0a1b2c3d-0000-4000-8000-000000000001".into(),
        saga_id: "order-17".into(),
        saga_type: "ORDER_CREATION".into(),
        step: "STOCK_RESERVATION".into(),
        status: SagaStatus::Failed,
        order_id: "17".into(),
        metadata: Some(r#"{"producerService":"product","traceId":"t1"}"#.into()),
        metadata_form: MetadataForm::Object,
        producer_service: Some("product".into()),
        trace_id: Some("t1".into()),
    }
}

fn state() -> SagaState {
    let anomaly = |kind, at| Anomaly {
        kind,
        event_id: "e7".into(),
        at: Millis(at),
    };
    let change = |at, status| StatusChange {
        at: Millis(at),
        status,
    };
    let mark = |number, at| Mark {
        number,
        at: Millis(at),
    };
    SagaState {
        saga_type: "ORDER_CREATION".into(),
        order_id: "17".into(),
        status: SagaStatus::Compensated,
        since: RECORDED_AT,
        changes: StatusLog {
            kept: vec![
                change(1_763_668_000_000, SagaStatus::Started),
                change(1_763_668_100_000, SagaStatus::Failed),
                change(RECORDED_AT.0, SagaStatus::Compensated),
            ],
            total: 3,
        },
        last_step: "COMPENSATION_ORDER".into(),
        last_trace_id: Some("t1".into()),
        trace_ids: TraceIds(vec!["t0".into(), "t1".into()]),
        failed_step: Some(Said {
            place: TimelineKey {
                recorded_at: Millis(1_763_668_100_000),
                position: Position::new(1, 300),
            },
            text: "STOCK_RESERVATION_FAILED".into(),
        }),
        failure_reason: None,
        tally: StepTally {
            reports: vec![
                Reports {
                    step: 3,
                    status: SagaStatus::InProgress,
                    count: 1,
                    first: mark(1, 1_763_668_000_000),
                    last: mark(1, 1_763_668_000_000),
                },
                Reports {
                    step: 60,
                    status: SagaStatus::Compensated,
                    count: 300,
                    first: mark(2, 1_763_668_100_000),
                    last: mark(6, RECORDED_AT.0),
                },
            ],
            failed_by: 2,
            strange: 1,
            last_strange: Some(Said {
                place: TimelineKey {
                    recorded_at: Millis(1_763_668_100_000),
                    position: Position::new(2, 70_000),
                },
                text: "GIFT_WRAPPED".into(),
            }),
            unfit: 1,
            last_unfit: Some(Said {
                place: TimelineKey {
                    recorded_at: Millis(1_763_668_200_000),
                    position: Position::new(2, 70_001),
                },
                text: "PAYMENT_COMPLETED: \"amount\" is a required property".into(),
            }),
        },
        started_at: Millis(1_763_668_000_000),
        updated_at: RECORDED_AT,
        step_count: 6,
        duplicates: 2,
        failures: 1,
        compensations: 1,
        last_failed_at: Some(Millis(1_763_668_100_000)),
        compensation_times: CompensationTimes {
            counts: vec![(7, 1)],
            millis: 23_456,
        },
        anomalies: AnomalyLog {
            kept: vec![anomaly(AnomalyKind::StartedAfterFailed, 5)],
            total: 1,
        },
        conflicts: ConflictLog {
            kept: vec![Conflict {
                position: Position::new(1, 300),
                anomaly: anomaly(AnomalyKind::EventIdConflict, -5),
            }],
            total: 300,
        },
        tail: TimelineKey {
            recorded_at: RECORDED_AT,
            position: Position::new(2, 70_001),
        },
        listed: Some(vec![
            Listed {
                place: TimelineKey {
                    recorded_at: Millis(1_763_668_000_000),
                    position: Position::new(0, 70_000),
                },
                fingerprint: 1,
                conflicting: false,
            },
            Listed {
                place: TimelineKey {
                    recorded_at: RECORDED_AT,
                    position: Position::new(2, 69_000),
                },
                fingerprint: u32::MAX,
                conflicting: true,
            },
        ]),
    }
}

fn purged() -> PurgedSaga {
    PurgedSaga {
        decision: 300,
        purged_at: Millis(1_795_000_000_000),
        rule: "COMPENSATED after 90 days".into(),
        saga_type: "ORDER_CREATION".into(),
        order_id: "17".into(),
        status: SagaStatus::Compensated,
        started_at: Millis(1_763_668_000_000),
        updated_at: RECORDED_AT,
        steps: 6,
        events: 8,
        hash: [9; 32],
        first: Position::new(0, 5),
        last: Position::new(2, 70_001),
        row_groups: Some(RowGroups { first: 1, count: 2 }),
        arrivals: [((0, 20_412), 6), ((2, 20_413), 2)].into(),
        path: state().path(),
        remains: Remains {
            failures: 1,
            compensations: 1,
            compensation_times: CompensationTimes {
                counts: vec![(7, 1)],
                millis: 23_456,
            },
            duplicates: 2,
            conflicts: 300,
            anomalies: vec![AnomalyKind::StartedAfterFailed],
            failed_compensations: 2,
            last_failed_at: Some(Millis(1_763_668_100_000)),
            processed: [((SagaStatus::Failed, "PAYMENT_FAILED".into()), 1)].into(),
            edges: vec![("ORDER_CREATED>PAYMENT_FAILED".into(), 70_000)],
        },
        restored: Some((301, Millis(1_795_000_000_001))),
    }
}

fn assert_key(name: &str, build: impl FnOnce(&mut Key)) {
    let mut key = Key::default();
    build(&mut key);
    let now = format!("{} / {}", hex(key.partition()), hex(key.sort()));
    assert_eq!(
        now,
        fixture(KEYS, name, &now),
        "the key {name} is laid out differently"
    );
}

#[test]
fn every_key_is_laid_out_as_ever() {
    let event = event();
    let (saga, order, kind) = (&event.saga_id, &event.order_id, &event.saga_type);
    let failed = SagaStatus::Failed;
    assert_key("log", |key| keys::log(key, saga, event.timeline_key()));
    assert_key("feed", |key| keys::by_offset(key, event.position));
    assert_key("purged", |key| keys::purged(key, saga));
    assert_key("archived", |key| keys::by_decision(key, 70_001));
    assert_key("letter_marks", |key| {
        keys::letter_mark(key, event.position, 1, &[7; 16], Position::new(1, 9));
    });
    assert_key("letters_by_event", |key| {
        keys::letter_by_event(key, "e-1", event.position);
    });
    assert_key("redrives job", |key| keys::redrive(key, 17));
    assert_key("redrives letter", |key| {
        keys::redrive_letter(key, 17, event.position);
    });
    assert_key("late", |key| {
        keys::late_partition(key, LateKind::Ahead, (3, 13_456));
        keys::late_sort(key, RECORDED_AT, event.position);
    });
    assert_key("clock", |key| keys::clock(key, RECORDED_AT, event.position));
    assert_key("gaps", |key| keys::gap(key, event.position));
    assert_key("offsets", |key| keys::offsets(key, "c4ang.saga.tracker", 2));
    assert_key("decisions", |key| keys::decision(key, 70_001));
    assert_key("audit", |key| keys::audit(key, 70_001));
    assert_key("incidents", |key| keys::incident(key, RECORDED_AT, "c0ffee"));
    assert_key("notices cursor", |key| {
        keys::notice_cursor(key, "https://h/", b'E', 2);
    });
    assert_key("notices told", |key| {
        keys::notice_told(key, "https://h/", b'S', saga.as_str());
    });
    assert_key("meta", |key| keys::meta(key, totals::FORMAT));
    assert_key("meta cursor", |key| {
        keys::meta_cursor(key, totals::DEAD_LETTER_CURSOR, 2);
    });
    assert_key("meta named", |key| {
        keys::meta_named(key, totals::DEAD_LETTER_COUNTS, "tombstone");
    });
    assert_key("instances", |key| keys::instance(key, saga));
    assert_key("timelines event", |key| {
        keys::timeline_event(key, TimelineRow::Event, saga, EventDigest([7; 16]));
    });
    assert_key("timelines stood in", |key| {
        keys::timeline_event(key, TimelineRow::StoodIn, saga, EventDigest([7; 16]));
    });
    assert_key("timelines duplicate", |key| {
        keys::timeline_place(key, TimelineRow::Duplicate, saga, event.timeline_key());
    });
    assert_key("timelines checkpoint", |key| {
        keys::timeline_place(key, TimelineRow::Checkpoint, saga, event.timeline_key());
    });
    assert_key("by_order", |key| keys::by_order(key, order, saga));
    assert_key("by_trace", |key| keys::by_trace(key, "trace-1", saga));
    assert_key("by_started", |key| {
        keys::by_time(key, kind, failed, RECORDED_AT, saga);
    });
    assert_key("by_rule", |key| {
        keys::by_time(key, kind, ConformanceRule::CompensationFailed, RECORDED_AT, saga);
    });
    assert_key("by_rule nothing to compensate", |key| {
        keys::by_time(key, kind, Condition::NothingToCompensate, RECORDED_AT, saga);
    });
    assert_key("counts nothing to compensate", |key| {
        let failed = Condition::NothingToCompensate;
        keys::count(key, (Tree::Broken, kind, failed), 4, 13_456, 430_583_038, None);
    });
    assert_key("counts broken", |key| {
        let rule = ConformanceRule::CompensationFailed;
        keys::count(key, (Tree::Broken, kind, rule), 4, 13_456, 430_583_038, None);
    });
    assert_key("counts started", |key| {
        keys::count(key, (Tree::Started, kind, failed), 4, 13_456, 430_583_038, None);
    });
    assert_key("counts updated", |key| {
        keys::count(key, (Tree::Updated, kind, failed), 0, 0, 410, Some(-410));
    });
    assert_key("census", |key| {
        let cell = CensusCell {
            start_level: 4,
            start: 430_583_038,
            time_level: 2,
            time: 420_491,
        };
        keys::census(key, cell, kind);
    });
    assert_key("moves", |key| keys::status_move(key, RECORDED_AT, saga));
    assert_key("many_changes", |key| keys::many_changes(key, saga));
    assert_key("contradicted", |key| {
        keys::contradicted(key, (3, 13_456), RECORDED_AT, (saga, EventDigest([7; 16])));
    });
    assert_key("ledger", |key| keys::ledger(key, 2, Some(20_412)));
    assert_key("ledger all days", |key| keys::ledger(key, 2, None));
    assert_key("totals", |key| keys::total(key, totals::FAILED));
    assert_key("totals numbered", |key| {
        keys::total_numbered(key, totals::CURSOR, 2);
    });
    assert_key("totals named", |key| {
        keys::total_named(key, totals::TYPES, "REFUND");
    });
    assert_key("totals processed", |key| {
        keys::total_processed(key, totals::PROCESSED, failed, "PAYMENT_FAILED");
    });
    assert_key("totals of type", |key| {
        keys::total_of_type(key, totals::ENTERED, "REFUND", failed);
    });
    assert_key("totals named bucket", |key| {
        keys::total_named_bucket(key, totals::EDGE_BUCKETS, "A>B", 7);
    });
    assert_key("totals of bucket", |key| {
        keys::total_of_bucket(key, totals::OUTCOME_BUCKETS, "REFUND", (failed, 7));
    });
}

/// Writes as the fixture, and hands the fixture's bytes to be read.
fn assert_record<'r>(name: &str, record: &impl Record<'r>, read: impl FnOnce(&[u8])) {
    let now = hex(&record.to_bytes());
    let then = fixture(RECORDS, name, &now);
    assert_eq!(now, then, "the record {name} is laid out differently");
    read(&bytes(then));
}

/// The same for records that are compared as they are.
macro_rules! assert_plain {
    ($name:literal, $of:ident, $record:expr) => {
        let record = $record;
        assert_record($name, &record, |bytes| {
            assert_eq!($of::read(bytes).unwrap(), record, $name)
        });
    };
}

#[test]
fn every_record_is_laid_out_as_ever_and_still_read() {
    let (event, state) = (event(), state());
    assert_record("log 1", &LogRecord::of(&event), |bytes| {
        let read = LogRecord::read(bytes).unwrap();
        assert_eq!(read.event(&event.saga_id, event.timeline_key()).unwrap(), event);
    });
    assert_record("instances 4", &InstanceRecord::of(&state), |bytes| {
        assert_eq!(InstanceRecord::read(bytes).unwrap().state().unwrap(), state);
    });
    assert_plain!(
        "feed 1 logged",
        FeedRecord,
        FeedRecord::Logged {
            saga_id: "order-17",
            recorded_at: RECORDED_AT.0
        }
    );
    assert_plain!("feed 1 dead letter", FeedRecord, FeedRecord::DeadLetter);
    assert_plain!("feed 1 gap", FeedRecord, FeedRecord::Gap { next: 70_002 });
    assert_plain!("feed 1 purged", FeedRecord, FeedRecord::Purged { decision: 300 });
    assert_record("purged 6", &PurgedRecord::of(&purged()), |bytes| {
        assert_eq!(PurgedRecord::read(bytes).unwrap().purged().unwrap(), purged());
    });
    assert_plain!(
        "archived 1",
        ArchivedRecord,
        ArchivedRecord {
            object: "archive/saga_type=REFUND/day=2025-11-20/0a.parquet",
            size: 70_001,
            hash: [7; 32],
            saga_type: "REFUND",
            day: "2025-11-20",
            sagas: 3,
            events: 300,
            at: RECORDED_AT.0,
        }
    );
    assert_plain!(
        "holds 1",
        HoldRecord,
        HoldRecord {
            scope: HoldScopeRecord::Query {
                saga_type: Some("REFUND"),
                status: Some(3),
                from: None,
                to: Some(RECORDED_AT.0),
            },
            by: "kim",
            reason: "case 7",
            at: RECORDED_AT.0,
            lifted: Some(LiftedRecord {
                decision: 300,
                by: "lee",
                reason: "closed",
                at: RECORDED_AT.0 + 1,
            }),
        }
    );
    assert_plain!(
        "offsets 2",
        OffsetRecord,
        OffsetRecord {
            start: 5,
            next: 70_002,
            arrived_at: RECORDED_AT.0,
            last: Some(LastRecord {
                offset: 70_001,
                fingerprint: 0x0123_4567_89ab_cdef
            }),
            told: ToldRecord {
                believed: RECORDED_AT.0 - 900_000_000,
                ahead: Some(AheadRecord {
                    oldest: RECORDED_AT.0,
                    records: 2,
                }),
                doubt: Some(DoubtRecord {
                    agreeing: 3,
                    behind: 1,
                    youngest: RECORDED_AT.0 - 1_900_000_000,
                }),
            },
        }
    );
    assert_plain!(
        "dead_letters 1",
        DeadLetterRecord,
        DeadLetterRecord {
            topic: "c4ang.saga.tracker",
            reason: "bad_magic_byte",
            detail: "byte 0 is 123",
            arrived_at: RECORDED_AT.0,
            timestamp: Some(RECORDED_AT.0 - 1),
            key: Some(b"order-17"),
            value: Some(b"{\"not\":\"avro\"}"),
            headers: vec![("source", Some(b"x")), ("empty", None)],
        }
    );
    assert_plain!(
        "letters 1",
        DeadLetterSummaryRecord,
        DeadLetterSummaryRecord {
            topic: "c4ang.saga.tracker",
            reason: "unknown_status",
            detail: "field status is \"PAUSED\"",
            arrived_at: RECORDED_AT.0,
            bytes: 130,
            value: [7; 16],
            event_id: Some("e-1"),
            saga_id: Some("order-17"),
            saga_type: Some("ORDER_CREATION"),
            step: Some("STOCK_RESERVATION"),
            status: None,
        }
    );
    assert_plain!(
        "letter_marks 1 logged",
        DeadLetterMarkRecord,
        DeadLetterMarkRecord::Returned {
            at: RECORDED_AT.0,
            became: ReturnRecord::Logged {
                saga_id: "order-17",
                recorded_at: RECORDED_AT.0 - 1
            },
            value: [7; 16],
        }
    );
    assert_plain!(
        "letter_marks 1 announced",
        DeadLetterMarkRecord,
        DeadLetterMarkRecord::Announced {
            at: RECORDED_AT.0,
            value: [7; 16],
        }
    );
    assert_plain!(
        "letter_marks 1 removed",
        DeadLetterMarkRecord,
        DeadLetterMarkRecord::Removed {
            at: RECORDED_AT.0,
            redriven: true,
            reason: Some("truncated"),
            value: [7; 16],
        }
    );
    assert_plain!(
        "letter_marks 1 dead letter",
        DeadLetterMarkRecord,
        DeadLetterMarkRecord::Returned {
            at: RECORDED_AT.0,
            became: ReturnRecord::DeadLetter { reason: "truncated" },
            value: [7; 16],
        }
    );
    assert_plain!(
        "letter_marks 1 discarded",
        DeadLetterMarkRecord,
        DeadLetterMarkRecord::Discarded {
            at: RECORDED_AT.0,
            by: "kim",
            why: "test data"
        }
    );
    assert_plain!(
        "redrives 1 job",
        RedriveRecord,
        RedriveRecord {
            asked_at: RECORDED_AT.0,
            by: "kim",
            why: Some("schema registered late"),
            dry_run: false,
            order: "{}",
            chosen: 3,
            ended_at: Some(RECORDED_AT.0 + 5),
            failed: None,
        }
    );
    assert_plain!(
        "redrives 1 tally",
        RedriveTallyRecord,
        RedriveTallyRecord {
            waiting: 1,
            sent: 2,
            skipped: 3,
            refused: 300,
            forecast: 0,
        }
    );
    for (name, record) in [
        ("redrives 1 chosen", RedriveLetterRecord::Chosen),
        ("redrives 1 sending", RedriveLetterRecord::Sending),
        (
            "redrives 1 sent",
            RedriveLetterRecord::Sent {
                partition: 2,
                offset: 70_001,
            },
        ),
        ("redrives 1 skipped", RedriveLetterRecord::Skipped { why: "w" }),
        ("redrives 1 refused", RedriveLetterRecord::Refused { why: "w" }),
        (
            "redrives 1 forecast",
            RedriveLetterRecord::Forecast { told: "{}" },
        ),
    ] {
        assert_record(name, &record, |bytes| {
            assert_eq!(RedriveLetterRecord::read(bytes).unwrap(), record, "{name}");
        });
    }
    assert_plain!(
        "gaps 2",
        GapRecord,
        GapRecord {
            next: 9,
            kind: GapKind::Undelivered as u8,
            broker_low: 3,
            arrived_at: RECORDED_AT.0,
        }
    );
    assert_plain!(
        "counts 1",
        CountRecord,
        CountRecord {
            sagas: 12,
            duration_millis: 345_678
        }
    );
    let (path, started_at) = (state.path(), state.started_at);
    assert_record("by_started 2", &StartedRecord::of(&path, started_at), |bytes| {
        let read = StartedRecord::read(bytes).unwrap();
        assert_eq!(read.path(started_at).unwrap(), path);
    });
    let step = StatusMove {
        at: RECORDED_AT,
        from: Some(SagaStatus::Failed),
        to: SagaStatus::Compensated,
        first: Some(Milestone::Compensation),
    };
    assert_record("moves 2", &MoveRecord::of("REFUND", started_at, &step), |bytes| {
        let read = MoveRecord::read(bytes).unwrap();
        assert_eq!(read.at(RECORDED_AT).unwrap(), (step, started_at));
    });
    assert_plain!(
        "census 2",
        CensusRecord,
        CensusRecord {
            entered: [300, 200, 100, 7, 3],
            left: [290, 150, 0, 3, 0],
            ever_failed: 6,
            ever_compensated: 2,
            completed_millis: 345_678,
        }
    );
    let mut counts = OffsetCountsRecord::default();
    for (number, class) in (1..).zip(OffsetClass::ALL) {
        counts.add(class, number * 100);
    }
    assert_plain!("ledger 1", OffsetCountsRecord, counts);
    assert_plain!(
        "late 2",
        LateRecord,
        LateRecord {
            saga_id: "order-17",
            earlier: RECORDED_AT.0,
        }
    );
    assert_plain!(
        "timelines stood in 1",
        StoodInRecord,
        StoodInRecord::of(RECORDED_AT, Millis(RECORDED_AT.0 + 1))
    );
    assert_plain!(
        "contradicted 1",
        ContradictedRecord,
        ContradictedRecord { from: RECORDED_AT.0 }
    );
    assert_plain!(
        "many_changes 1",
        ManyChangesRecord,
        ManyChangesRecord {
            from: RECORDED_AT.0,
            until: RECORDED_AT.0 + 1,
        }
    );
    assert_plain!(
        "decisions 1",
        DecisionRecord,
        DecisionRecord {
            arrived_at: RECORDED_AT.0,
            outcome: DecisionOutcome::Refused as u8,
            kind: "hold",
            detail: "no such saga",
            message: b"{\"version\":1}",
        }
    );
    assert_plain!(
        "audit 1",
        AuditRecord,
        AuditRecord {
            at: RECORDED_AT.0,
            who: "kim",
            origin: "10.0.0.7",
            action: "set-status",
            target: "order-17",
            why: "paid by hand",
            outcome: 1,
            detail: "FAILED to COMPLETED",
            previous: [7; 32],
            hash: [0xfe; 32],
        }
    );
    assert_plain!(
        "incidents 1",
        IncidentRecord,
        IncidentRecord {
            ended: Some(RECORDED_AT.0 + 1),
            first_told: RECORDED_AT.0,
            last_told: RECORDED_AT.0 + 2,
            times: 300,
            receiver: Some("saga-tracker"),
            generator_url: None,
            labels: vec![("alertname", "Spike"), ("saga_type", "REFUND")],
            annotations: vec![("summary", "s")],
        }
    );
    assert_plain!(
        "notices 2",
        LateNoticeRecord,
        LateNoticeRecord {
            first_seen: RECORDED_AT.0,
            ordinal: 2,
            settled: true,
        }
    );
    assert_plain!("totals 1", TotalRecord, TotalRecord { value: -3 });
    assert_plain!("meta 1", MetaRecord, MetaRecord { value: "b" });
    assert_plain!("index 1", PresenceRecord, PresenceRecord);
    assert_plain!(
        "timelines 1",
        StandingRecord,
        StandingRecord::of(event.timeline_key(), EventDigest([9; 16]), true)
    );
    assert_plain!(
        "by_updated 1",
        UpdatedRecord,
        UpdatedRecord {
            started_at: RECORDED_AT.0
        }
    );
}
