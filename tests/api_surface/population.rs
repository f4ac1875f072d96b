//! Stuck sagas and the observed flow.

use super::support::{START, Surface, event};
use axum::http::StatusCode;
use saga_tracker::domain::Millis;
use saga_tracker::domain::SagaStatus::{Completed, Failed, InProgress, Started};
use serde_json::{Value, json};

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

fn surface() -> Surface {
    Surface::over(&[
        event("slow", 0, 0, "ORDER_CREATED", Started),
        event("owing", 1, 0, "ORDER_CREATED", Started),
        event("owing", 2, 1_000, "STOCK_RESERVED", InProgress),
        event("owing", 3, 3_000, "PAYMENT_FAILED", Failed),
        event("done", 4, 0, "ORDER_CREATED", Started),
        event("done", 5, 2_000, "STOCK_RESERVED", InProgress),
        event("done", 6, 9_000, "ORDER_CONFIRMED", Completed),
        event("out", 7, 0, "ORDER_CREATED", Started),
        event("out", 8, 5_000, "STOCK_RESERVATION_FAILED", Failed),
    ])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn stuck(answer: &Value) -> Vec<(&str, &str)> {
    let sagas = answer["content"].as_array().unwrap().iter();
    sagas
        .map(|saga| (text(&saga["sagaId"]), text(&saga["stuck"]["rule"])))
        .collect()
}

#[tokio::test]
async fn stuck_sagas_come_by_rule_with_what_they_await_and_as_of_any_instant() {
    let surface = surface();
    let now = ask(&surface, "/api/v1/sagas/stuck").await;
    assert_eq!(
        stuck(&now),
        [("slow", "PAST_DEADLINE"), ("owing", "COMPENSATION_OVERDUE")]
    );
    assert_eq!(now["page"]["totalElements"], 2);
    for saga in now["content"].as_array().unwrap() {
        assert!(!saga["stuck"]["awaited"].as_array().unwrap().is_empty(), "{saga}");
        let own = ask(&surface, &format!("/sagas/{}", saga["sagaId"].as_str().unwrap())).await;
        assert_eq!(own["stuck"], saga["stuck"]);
    }
    let second = ask(&surface, "/api/v1/sagas/stuck?size=1&page=1").await;
    assert_eq!(stuck(&second), [("owing", "COMPENSATION_OVERDUE")]);
    let overdue = ask(&surface, "/api/v1/sagas/stuck?rule=COMPENSATION_OVERDUE").await;
    assert_eq!(overdue["page"]["totalElements"], 1);
    let before = Millis(START + 3_000 + 299_999);
    let then = ask(&surface, &format!("/api/v1/sagas/stuck?asOf={before}")).await;
    assert_eq!(stuck(&then), []);
}

#[tokio::test]
async fn the_flow_has_counts_and_times_of_each_pair_of_steps() {
    let surface = surface();
    let flow = ask(&surface, "/api/v1/flow?sagaType=ORDER_CREATION").await;
    assert_eq!((&flow["sagas"], &flow["events"]), (&json!(4), &json!(9)));
    let edges = flow["edges"].as_array().unwrap();
    let reserved = edges.iter().find(|edge| edge["to"] == "STOCK_RESERVED").unwrap();
    let expected = json!({
        "from": "ORDER_CREATED", "to": "STOCK_RESERVED", "count": 2,
        "p50Seconds": 1.0, "p95Seconds": 2.0, "p99Seconds": 2.0,
    });
    assert_eq!(reserved, &expected);
    let refused = surface.get("/api/v1/flow?sagaType=ORDER_CREATION&limit=3").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("4 sagas"), "{}", refused.text());
}
