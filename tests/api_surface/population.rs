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
    assert_eq!(flow["cycles"], json!([]));
    let refused = surface.get("/api/v1/flow?sagaType=ORDER_CREATION&limit=3").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("4 sagas"), "{}", refused.text());
}

/// Two services that answer each other, and one behind them.
fn choreography() -> Surface {
    let mut events = vec![
        event("one", 0, 0, "ORDER_CREATED", Started),
        event("one", 1, 1_000, "STOCK_RESERVED", InProgress),
        event("one", 2, 3_600_000, "ORDER_CONFIRMED", Completed),
        event("one", 3, 3_600_000, "MAIL|SENT", Completed),
        event("two", 4, 7_200_000, "ORDER_CREATED", Started),
    ];
    let services = ["order", "stock", "order", "mail", "order"];
    for (event, service) in events.iter_mut().zip(services) {
        event.producer_service = Some(service.into());
    }
    Surface::over(&events)
}

#[tokio::test]
async fn services_that_lead_to_each_other_are_named_with_the_edges_that_make_the_cycle() {
    let flow = ask(&choreography(), "/api/v1/flow?sagaType=ORDER_CREATION").await;
    let expected = json!([{
        "services": ["order", "stock"],
        "edges": [
            {"from": "order", "to": "stock", "count": 1},
            {"from": "stock", "to": "order", "count": 1},
        ],
    }]);
    assert_eq!(flow["cycles"], expected);
}

#[tokio::test]
async fn the_catalogue_tells_each_kind_of_event_as_json_and_as_markdown() {
    let surface = choreography();
    let catalogue = ask(&surface, "/api/v1/flow/catalogue").await;
    assert_eq!(
        (&catalogue["sagas"], &catalogue["events"]),
        (&json!(2), &json!(5))
    );
    let entries = catalogue["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    let created = entries
        .iter()
        .find(|entry| entry["step"] == "ORDER_CREATED")
        .unwrap();
    let expected = json!({
        "sagaType": "ORDER_CREATION", "step": "ORDER_CREATED", "service": "order", "status": "STARTED", "events": 2,
        "eventsPerHour": 1.0, "firstSeen": Millis(START).to_string(),
        "lastSeen": Millis(START + 7_200_000).to_string(), "typeOwner": null, "serviceOwner": null,
        "documented": created["documented"],
    });
    assert_eq!(created, &expected);
    let confirmed = entries
        .iter()
        .find(|entry| entry["step"] == "ORDER_CONFIRMED")
        .unwrap();
    assert_eq!(confirmed["documented"], true);
    let mail = entries.iter().find(|entry| entry["service"] == "mail").unwrap();
    assert_eq!(mail["documented"], false);

    let page = surface.get("/api/v1/flow/catalogue?format=markdown").await;
    assert_eq!(page.header("content-type"), "text/markdown; charset=utf-8");
    let lines: Vec<&str> = page.text().lines().collect();
    assert_eq!(lines.len(), 4 + 2 + entries.len(), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("| MAIL\\|SENT | mail | COMPLETED | 1 |")),
        "{lines:#?}"
    );
    let none = ask(&surface, "/api/v1/flow/catalogue?sagaType=NONE").await;
    assert_eq!((&none["entries"], &none["firstSeen"]), (&json!([]), &Value::Null));
    let refused = surface.get("/api/v1/flow/catalogue?limit=1").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("2 sagas"), "{}", refused.text());
}
