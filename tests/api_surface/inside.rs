//! Search by what happened inside of sagas, its export, and what statistics tell of it.

use super::support::{START, Surface, event};
use axum::http::StatusCode;
use saga_tracker::domain::SagaStatus::{Completed, Failed, InProgress, Started};
use saga_tracker::domain::{Event, Millis};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

/// Paid and confirmed; paid long ago; paid in the last hour and never confirmed; neither.
fn shop() -> Vec<Event> {
    let mut events = vec![
        event("confirmed", 0, HOUR, "ORDER_CREATED", Started),
        event("confirmed", 1, HOUR + 1, "PAYMENT_COMPLETED", Completed),
        event("confirmed", 2, HOUR + 2, "ORDER_CONFIRMED", Completed),
        event("old", 3, 0, "ORDER_CREATED", Started),
        event("old", 4, 1, "PAYMENT_COMPLETED", Completed),
        event("open", 5, HOUR, "ORDER_CREATED", Started),
        event("open", 6, HOUR + 5, "PAYMENT_COMPLETED", Completed),
        event("open", 7, HOUR + 9, "STOCK_RESERVED", InProgress),
        event("none", 8, HOUR, "ORDER_CREATED", Started),
    ];
    for event in &mut events {
        let service = if event.step.as_str() == "PAYMENT_COMPLETED" {
            "payment-service"
        } else {
            "order-service"
        };
        event.producer_service = Some(service.into());
        event.trace_id = Some(format!("t/{}", event.saga_id).into());
    }
    events
}

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

async fn found(surface: &Surface, query: &str) -> Vec<String> {
    let answer = ask(surface, &format!("/api/v1/sagas?sort=startedAt,asc&{query}")).await;
    let sagas = answer["content"].as_array().unwrap();
    assert_eq!(answer["page"]["totalElements"], sagas.len(), "{query}");
    sagas
        .iter()
        .map(|saga| saga["sagaId"].as_str().unwrap().to_owned())
        .collect()
}

const PAID: &str = "step=PAYMENT_COMPLETED&withoutStep=ORDER_CONFIRMED";

#[tokio::test]
async fn paid_in_the_last_hour_and_never_confirmed_is_one_question() {
    let surface = Surface::over(&shop());
    let last_hour = format!("{PAID}&fromDate={}", Millis(START + HOUR));
    assert_eq!(found(&surface, &last_hour).await, ["open"]);
    assert_eq!(found(&surface, PAID).await, ["old", "open"]);
    // Before it was confirmed, the other one was open too.
    let before = format!("{PAID}&asOf={}", Millis(START + HOUR + 1));
    assert_eq!(found(&surface, &before).await, ["old", "confirmed"]);
}

#[tokio::test]
async fn each_filter_goes_together_with_the_others_and_with_pages() {
    let surface = Surface::over(&shop());
    for (query, sagas) in [
        (
            "producerService=payment-service",
            vec!["old", "confirmed", "open"],
        ),
        (
            "producerService=payment-service&status=COMPLETED",
            vec!["confirmed"],
        ),
        ("traceId=t%2Fopen", vec!["open"]),
        ("traceId=t%2Fopen&step=ORDER_CONFIRMED", vec![]),
        ("orderId=order-of-open&step=ORDER_CREATED", vec!["open"]),
        ("step=ORDER_CREATED&step=STOCK_RESERVED", vec!["open"]),
        (
            "withoutStep=PAYMENT_COMPLETED&withoutStep=ORDER_CONFIRMED",
            vec!["none"],
        ),
    ] {
        assert_eq!(found(&surface, query).await, sagas, "{query}");
    }
    let page = ask(&surface, &format!("/sagas?{PAID}&size=1&sort=updatedAt,desc")).await;
    assert_eq!(page["content"][0]["sagaId"], "open");
    assert_eq!(page["page"]["totalElements"], 2);
    let cursor = page["nextCursor"].as_str().unwrap();
    let next = ask(
        &surface,
        &format!("/sagas?{PAID}&size=1&sort=updatedAt,desc&cursor={cursor}"),
    )
    .await;
    assert_eq!(next["content"][0]["sagaId"], "old");
    let other = surface
        .get(&format!(
            "/sagas?step=A&size=1&sort=updatedAt,desc&cursor={cursor}"
        ))
        .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn stuck_is_a_filter_that_goes_together_with_the_others_and_with_any_instant() {
    let mut events = shop();
    events.push(event("owing", 9, HOUR, "ORDER_CREATED", Started));
    events.push(event("owing", 10, HOUR + 1, "STOCK_RESERVED", InProgress));
    events.push(event("owing", 11, HOUR + 2, "PAYMENT_FAILED", Failed));
    events.push(event("out", 12, HOUR, "ORDER_CREATED", Started));
    events.push(event("out", 13, HOUR + 3, "STOCK_RESERVATION_FAILED", Failed));
    let surface = Surface::over(&events);
    for (query, sagas) in [
        ("stuck=true", vec!["old", "none", "open", "owing"]),
        ("stuck=PAST_DEADLINE", vec!["old", "none", "open"]),
        ("stuck=COMPENSATION_OVERDUE", vec!["owing"]),
        ("stuck=true&status=FAILED", vec!["owing"]),
        ("stuck=PAST_DEADLINE&status=FAILED", vec![]),
        ("stuck=true&step=PAYMENT_COMPLETED", vec!["old", "open"]),
        ("stuck=true&rule=NEVER_COMPENSATED", vec!["owing"]),
        ("stuck=true&sagaType=REFUND", vec![]),
    ] {
        assert_eq!(found(&surface, query).await, sagas, "{query}");
    }
    let due = START + HOUR + 2 + 300_000;
    for (at, sagas) in [(due - 1, vec![]), (due, vec!["owing"])] {
        let query = format!("stuck=COMPENSATION_OVERDUE&asOf={}", Millis(at));
        assert_eq!(found(&surface, &query).await, sagas, "{at}");
    }
    let table = surface
        .get("/api/v1/export/sagas?stuck=true&sort=startedAt,asc")
        .await;
    assert_eq!(table.text().lines().count(), 4);
    let page = ask(&surface, "/api/v1/sagas?stuck=true&size=2&sort=startedAt,asc").await;
    let cursor = page["nextCursor"].as_str().unwrap();
    let path = format!("/api/v1/sagas?stuck=true&size=2&sort=startedAt,asc&cursor={cursor}");
    let next = ask(&surface, &path).await;
    assert_eq!(next["content"][0]["sagaId"], "open");
    let refused = surface.get("/api/v1/sagas?stuck=false").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_export_has_what_the_search_finds() {
    let surface = Surface::over(&shop());
    let table = surface
        .get(&format!("/api/v1/export/sagas?{PAID}&sort=startedAt,asc"))
        .await;
    let sagas: Vec<Value> = table
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["sagaId"].clone())
        .collect();
    assert_eq!(sagas, ["old", "open"]);
    let events = surface.get("/api/v1/export/events?traceId=t%2Fold").await;
    assert_eq!(events.text().lines().count(), 2);
}

#[tokio::test]
async fn wrong_parameters_are_told_by_name() {
    let surface = Surface::over(&[]);
    let reply = surface
        .get("/api/v1/sagas?step=&withoutStep=A&step=A&traceId=&producerService=")
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let named: Vec<Value> = reply.json()["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["parameter"].clone())
        .collect();
    assert_eq!(named, ["step", "withoutStep", "producerService", "traceId"]);
}

#[tokio::test]
async fn statistics_tell_steps_services_and_times_when_asked() {
    let surface = Surface::over(&shop());
    let plain = ask(&surface, "/api/v1/sagas/statistics").await;
    assert!(plain.get("details").is_none());
    let answer = ask(&surface, "/api/v1/sagas/statistics?include=details").await;
    let details = &answer["details"];
    assert_eq!((&answer["total"], &details["events"]), (&json!(4), &json!(9)));
    let first = json!({
        "step": "ORDER_CREATED", "sagas": 4, "events": 4,
        "after": {"count": 0, "p50Seconds": 0.0, "p95Seconds": 0.0, "p99Seconds": 0.0},
    });
    assert_eq!(details["byStep"][0], first);
    let payments = json!({"producerService": "payment-service", "sagas": 3, "events": 3});
    assert_eq!(details["byProducerService"][1], payments);
    let took = json!({"count": 1, "p50Seconds": 0.002, "p95Seconds": 0.002, "p99Seconds": 0.002});
    assert_eq!(details["duration"], took);
    let refused = surface.get("/api/v1/sagas/statistics?include=steps").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
