//! What is answered about offsets.

use super::support::{START, Surface, TOPIC, event};
use axum::http::StatusCode;
use saga_tracker::domain::{Event, Millis, Position, SagaStatus};
use saga_tracker::store::codec::Record;
use saga_tracker::store::ledger::OffsetSums;
use saga_tracker::store::records::{FeedRecord, GapKind, GapRecord, LogRecord, OffsetClass, OffsetRecord};
use saga_tracker::store::{Batch, Durability, Key, Table, keys};
use serde_json::json;
use std::ops::ControlFlow;

const DAY: i64 = 24 * 3_600_000;

/// Two events, one of which came twice, and a change by an operator.
fn deliveries() -> Vec<Event> {
    let mut events = vec![
        event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started),
        event("s", 1, 1_000, "STOCK_RESERVED", SagaStatus::InProgress),
        event("s", 2, 0, "ORDER_CREATED", SagaStatus::Started),
        event("s", 3, 9_000, "OPERATOR_STATUS_CHANGE", SagaStatus::Completed),
    ];
    events[2].event_id = events[0].event_id.clone();
    for event in &mut events {
        event.arrived_at = Millis(START);
    }
    events
}

/// What ingest keeps of the deliveries, of a dead letter, and of three offsets that nobody explains.
fn accounted(surface: &Surface, events: &[Event]) {
    let (mut rows, mut key, mut sums) = (Batch::new(), Key::default(), OffsetSums::default());
    for event in events {
        sums.add(0, event.arrived_at, OffsetClass::Logged, 1);
    }
    sums.add(0, Millis(START), OffsetClass::DeadLetter, 1);
    sums.add(0, Millis(START + DAY), OffsetClass::Unexplained, 3);
    sums.put(&*surface.store, Table::Accounted, &mut rows).unwrap();
    keys::offsets(&mut key, TOPIC, 0);
    let offsets = OffsetRecord {
        next: 8,
        ..OffsetRecord::default()
    };
    rows.put(Table::Offsets, &key, &offsets.to_bytes());
    surface.store.write(&rows, Durability::Process).unwrap();
}

/// What ingest keeps beside the log: that the first so many offsets were logged, then a dead letter, and then a gap of
/// a thousand.
pub(crate) fn account_for(surface: &Surface, logged: u64) {
    let (mut rows, mut key, mut sums) = (Batch::new(), Key::default(), OffsetSums::default());
    surface
        .store
        .scan_table(Table::Log, &mut |saga, sort, value| {
            let (saga_id, place) = (
                keys::parse_text("log", saga).unwrap(),
                keys::parse_log_sort(sort).unwrap(),
            );
            let (recorded_at, position) = (place.recorded_at.0, place.position);
            put_feed(
                &mut rows,
                position.offset,
                &FeedRecord::Logged { saga_id, recorded_at },
            );
            let arrived_at = LogRecord::read(value).unwrap().arrived_at();
            sums.add(0, arrived_at, OffsetClass::Logged, 1);
            ControlFlow::Continue(())
        })
        .unwrap();
    put_feed(&mut rows, logged, &FeedRecord::DeadLetter);
    sums.add(0, Millis(START), OffsetClass::DeadLetter, 1);
    let next = logged + 1_001;
    put_feed(&mut rows, logged + 1, &FeedRecord::Gap { next });
    let gap = GapRecord {
        next,
        kind: GapKind::Expired as u8,
        broker_low: next,
        arrived_at: START,
    };
    keys::gap(&mut key, Position::new(0, logged + 1));
    rows.put(Table::Gaps, &key, &gap.to_bytes());
    sums.add(0, Millis(START + DAY), OffsetClass::Expired, 1_000);
    sums.put(&*surface.store, Table::Accounted, &mut rows).unwrap();
    keys::offsets(&mut key, TOPIC, 0);
    let offsets = OffsetRecord {
        next,
        ..OffsetRecord::default()
    };
    rows.put(Table::Offsets, &key, &offsets.to_bytes());
    surface.store.write(&rows, Durability::Process).unwrap();
}

fn put_feed(rows: &mut Batch, offset: u64, entry: &FeedRecord<'_>) {
    let mut key = Key::default();
    keys::by_offset(&mut key, Position::new(0, offset));
    rows.put(Table::Feed, &key, &entry.to_bytes());
}

#[tokio::test]
async fn the_ledger_has_every_offset_in_one_class_and_says_what_nobody_explains() {
    let events = deliveries();
    let surface = Surface::over(&events);
    accounted(&surface, &events);
    let gap = |unexplained| json!({ "transactionMarker": 0, "compaction": 0, "expired": 0, "unexplained": unexplained });
    let classes = json!({
        "offsets": 8, "applied": 2, "duplicate": 1, "operator": 1, "purged": 0, "pending": 0, "deadLetter": 1,
        "gap": gap(3),
    });
    let answer = surface
        .get("/api/v1/ledger?fromDay=2026-01-31&toDay=2026-02-01")
        .await
        .json();
    assert_eq!(
        (&answer["complete"], &answer["unexplained"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(answer["total"], classes);
    let partition = &answer["partitions"][0];
    assert_eq!((&partition["start"], &partition["next"]), (&json!(0), &json!(8)));
    assert_eq!(partition["deadLetter"], json!(1));
    let days = partition["days"].as_array().unwrap();
    let shown: Vec<_> = days
        .iter()
        .map(|day| (&day["day"], &day["offsets"], &day["gap"]))
        .collect();
    let (first, second) = (json!("2026-01-31"), json!("2026-02-01"));
    let (none, three) = (gap(0), gap(3));
    assert_eq!(shown, [(&first, &json!(5), &none), (&second, &json!(3), &three)]);
    let without = surface.get("/api/v1/ledger?partition=0").await.json();
    assert_eq!(without["partitions"][0]["days"], json!([]));
    let metrics = surface.get("/actuator/prometheus").await;
    let text = metrics.text();
    assert!(
        text.contains("saga_tracker_ledger_unexplained_offsets 3"),
        "{text}"
    );
    assert!(
        text.contains("saga_tracker_ledger_offsets{class=\"duplicate\"} 1"),
        "{text}"
    );
    let health = surface.get("/actuator/health").await.json();
    let ledger = &health["components"]["ledger"];
    assert_eq!(ledger["status"], json!("UP"));
    let message = ledger["details"]["message"].as_str().unwrap();
    assert!(
        message.contains("3 offsets are unexplained, of partitions 0"),
        "{message}"
    );
}

#[tokio::test]
async fn wrong_days_are_refused() {
    let surface = Surface::over(&[]);
    for query in [
        "fromDay=yesterday",
        "fromDay=2020-01-01&toDay=2026-01-31",
        "partition=-1",
    ] {
        let reply = surface.get(&format!("/api/v1/ledger?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_saga_names_its_offsets() {
    let surface = Surface::over(&deliveries());
    let page = surface.get("/sagas/s/offsets?size=3").await.json();
    let named = |answer: &serde_json::Value| -> Vec<(u64, String)> {
        let offsets = answer["offsets"].as_array().unwrap().iter();
        offsets
            .map(|one| {
                (
                    one["offset"].as_u64().unwrap(),
                    one["class"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    };
    let one = |offset, class: &str| (offset, class.to_owned());
    assert_eq!(
        named(&page),
        [one(0, "applied"), one(2, "duplicate"), one(1, "applied")]
    );
    let next = page["next"].as_str().unwrap();
    let rest = surface
        .get(&format!("/api/v1/sagas/s/offsets?after={next}"))
        .await
        .json();
    assert_eq!(named(&rest), [one(3, "operator")]);
    assert_eq!(rest.get("next"), None);
    assert_eq!(rest["offsets"][0]["arrivedAt"], json!(Millis(START).to_string()));
    assert_eq!(
        rest["offsets"][0]["partition"],
        json!(Position::new(0, 3).partition)
    );
    let unknown = surface.get("/api/v1/sagas/nobody/offsets").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
