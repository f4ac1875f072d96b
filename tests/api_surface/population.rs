//! Broken rules, stuck sagas and the observed flow.

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
async fn stuck_sagas_are_those_of_what_was_known_at_an_instant() {
    let mut events = vec![
        event("owing", 0, 0, "ORDER_CREATED", Started),
        event("owing", 1, 1_000, "STOCK_RESERVED", InProgress),
        event("owing", 2, 3_000, "PAYMENT_FAILED", Failed),
    ];
    events[2].arrived_at = Millis(START + 600_000);
    let surface = Surface::over(&events);
    let path = |as_of: Option<i64>, known_at: i64| {
        let as_of = as_of.map_or_else(String::new, |at| format!("&asOf={}", Millis(START + at)));
        let known_at = Millis(START + known_at);
        format!("/api/v1/sagas/stuck?knownAt={known_at}{as_of}")
    };
    // Until the failure arrived it was one that takes long.
    let before = ask(&surface, &path(None, 599_999)).await;
    assert_eq!(stuck(&before), [("owing", "PAST_DEADLINE")]);
    assert_eq!(before["content"][0]["currentStatus"], "IN_PROGRESS");
    assert_eq!(before["knownAt"], json!(Millis(START + 599_999).to_string()));
    let after = ask(&surface, &path(None, 600_000)).await;
    assert_eq!(stuck(&after), [("owing", "COMPENSATION_OVERDUE")]);
    for (as_of, known_at, expected) in [
        (400_000, 599_999, vec![]),
        (400_000, 600_000, vec![("owing", "COMPENSATION_OVERDUE")]),
        (302_999, 600_000, vec![]),
        (1_800_000, 599_999, vec![("owing", "PAST_DEADLINE")]),
    ] {
        let then = ask(&surface, &path(Some(as_of), known_at)).await;
        assert_eq!(stuck(&then), expected, "as of {as_of}, known at {known_at}");
    }
}

#[tokio::test]
async fn what_failed_with_nothing_to_compensate_is_counted_apart_and_never_stuck() {
    let surface = surface();
    let of_type = json!([{"sagaType": "ORDER_CREATION", "sagas": 1}]);
    for path in [
        "/api/v1/conformance",
        "/api/v1/conformance?rule=OUT_OF_ORDER&from=2030-01-01",
        "/api/v1/conformance?sagaType=ORDER_CREATION",
    ] {
        assert_eq!(
            ask(&surface, path).await["nothingToCompensate"],
            of_type,
            "{path}"
        );
    }
    let other = ask(&surface, "/api/v1/conformance?sagaType=REFUND").await;
    assert_eq!(other["nothingToCompensate"], json!([]));
    let statistics = |query: String| {
        let surface = &surface;
        async move {
            let answer = ask(surface, &format!("/api/v1/sagas/statistics?{query}")).await;
            answer["nothingToCompensate"].clone()
        }
    };
    assert_eq!(statistics(String::new()).await, 1);
    assert_eq!(statistics("sagaType=REFUND".to_owned()).await, 0);
    assert_eq!(statistics(format!("fromDate={}", Millis(START + 1))).await, 0);
    let at = format!("asOf={}", Millis(START + 5_000));
    assert_eq!(statistics(at.clone()).await, Value::Null);
    for (query, sagas) in [
        ("compensation=NOTHING_TO_COMPENSATE".to_owned(), vec!["out"]),
        (format!("compensation=NOTHING_TO_COMPENSATE&{at}"), vec!["out"]),
        (
            format!(
                "compensation=NOTHING_TO_COMPENSATE&asOf={}",
                Millis(START + 4_999)
            ),
            vec![],
        ),
        ("compensation=OWED".to_owned(), vec!["owing"]),
        ("compensation=OWED&stuck=true".to_owned(), vec!["owing"]),
        ("compensation=NOTHING_TO_COMPENSATE&stuck=true".to_owned(), vec![]),
        (
            "compensation=NOT_NEEDED&sort=startedAt,asc".to_owned(),
            vec!["done", "slow"],
        ),
    ] {
        let answer = ask(&surface, &format!("/api/v1/sagas?{query}")).await;
        let found = answer["content"].as_array().unwrap().iter();
        let found: Vec<&str> = found.map(|saga| text(&saga["sagaId"])).collect();
        assert_eq!(found, sagas, "{query}");
    }
    let refused = surface.get("/api/v1/sagas?compensation=NOTHING").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn broken_rules_are_counted_and_listed_by_when_they_were_broken_with_what_happened() {
    let surface = Surface::over(&[
        event("first", 0, 0, "ORDER_CREATED", Started),
        event("first", 1, 1_000, "STOCK_RESERVED", InProgress),
        event("first", 2, 3_000, "PAYMENT_FAILED", Failed),
        event("second", 3, 0, "ORDER_CREATED", Started),
        event("second", 4, 1_000, "STOCK_RESERVED", InProgress),
        event("second", 5, 4_000, "PAYMENT_FAILED", Failed),
        event("second", 6, 5_000, "STOCK_RELEASED", Failed),
        event("second", 7, 6_000, "GIFT_WRAPPED", InProgress),
        event("fine", 8, 0, "ORDER_CREATED", Started),
    ]);
    let all = ask(&surface, "/api/v1/conformance").await;
    let counts = json!([
        {"sagaType": "ORDER_CREATION", "rule": "NEVER_COMPENSATED", "sagas": 1},
        {"sagaType": "ORDER_CREATION", "rule": "COMPENSATION_FAILED", "sagas": 1},
        {"sagaType": "ORDER_CREATION", "rule": "UNKNOWN_STEP", "sagas": 1},
    ]);
    assert_eq!(all["counts"], counts);
    let rows = |answer: &Value| -> Vec<(String, String, i64)> {
        let rows = answer["content"].as_array().unwrap().iter();
        rows.map(|row| {
            let at: i64 = text(&row["at"])
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_millisecond()
                - START;
            (
                text(&row["rule"]).to_owned(),
                text(&row["saga"]["sagaId"]).to_owned(),
                at,
            )
        })
        .collect()
    };
    let row = |rule: &str, saga: &str, at| (rule.to_owned(), saga.to_owned(), at);
    assert_eq!(
        rows(&all),
        [
            row("UNKNOWN_STEP", "second", 6_000),
            row("COMPENSATION_FAILED", "second", 5_000),
            row("NEVER_COMPENSATED", "first", 3_000),
        ]
    );
    let failed = &all["content"][1]["violations"][0];
    assert_eq!(
        (
            failed["rule"].as_str(),
            failed["message"].as_str(),
            failed["stepId"].as_u64()
        ),
        (
            Some("COMPENSATION_FAILED"),
            Some("the compensating step STOCK_RELEASED reported FAILED"),
            Some(4)
        )
    );
    let own = ask(&surface, "/api/v1/sagas/second").await;
    assert_eq!(&own["conformance"][0], failed);
    let from = Millis(START + 5_000);
    let late = ask(
        &surface,
        &format!("/api/v1/conformance?from={from}&size=1&page=1"),
    )
    .await;
    assert_eq!(rows(&late), [row("COMPENSATION_FAILED", "second", 5_000)]);
    assert_eq!(
        (&late["page"]["totalElements"], &late["page"]["totalPages"]),
        (&json!(2), &json!(2))
    );
    let owing = ask(
        &surface,
        "/api/v1/conformance?rule=NEVER_COMPENSATED&sagaType=ORDER_CREATION",
    )
    .await;
    assert_eq!(rows(&owing), [row("NEVER_COMPENSATED", "first", 3_000)]);
    let found = ask(&surface, "/api/v1/sagas?rule=COMPENSATION_FAILED&status=FAILED").await;
    assert_eq!(found["page"]["totalElements"], 1);
    assert_eq!(found["content"][0]["sagaId"], "second");
    for refused in [
        "rule=LATE",
        "from=never",
        "to=x",
        "size=0",
        "page=-1",
        "sagaType=",
    ] {
        let reply = surface.get(&format!("/api/v1/conformance?{refused}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{refused}: {reply:?}");
        let name = refused.split('=').next().unwrap();
        assert_eq!(reply.json()["details"][0]["parameter"], name, "{refused}");
    }
    let empty = ask(&surface, "/api/v1/conformance?type=REFUND").await;
    assert_eq!((&empty["counts"], &empty["content"]), (&json!([]), &json!([])));
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
