//! The timeline of a saga as columns.

use super::support::{START, Surface, event};
use axum::http::StatusCode;
use saga_tracker::domain::{Event, Millis, SagaStatus};
use serde_json::{Value, json};

/// An order that failed at its payment, whose stock was released late; of another one the services are known.
fn events() -> Vec<Event> {
    use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
    let mut events = vec![
        event("s", 0, 0, "ORDER_CREATED", Started),
        event("s", 1, 1_000, "STOCK_RESERVED", InProgress),
        event("s", 2, 2_000, "PAYMENT_FAILED", Failed),
        event("s", 3, 1_000, "STOCK_RESERVED", InProgress),
        event("s", 4, 3_000, "STOCK_RELEASED", InProgress),
        event("s", 5, 5_000, "COMPENSATION_ORDER", Compensated),
        event("done", 6, 0, "ORDER_CREATED", Started),
        event("done", 7, 1_000, "ORDER_CONFIRMED", Completed),
    ];
    events[1].producer_service = Some("product-service".into());
    events[3].producer_service = Some("product-service".into());
    events[3].event_id = events[1].event_id.clone();
    events[4].arrived_at = Millis(START + 60_000);
    events[7].producer_service = Some("order-service".into());
    events
}

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

#[tokio::test]
async fn a_timeline_is_columns_of_numbers_and_what_the_definition_says_of_them() {
    let surface = Surface::over(&events());
    let found = ask(&surface, "/api/v1/sagas/s/timeline").await;
    assert_eq!(
        (
            &found["whole"],
            &found["total"],
            &found["exact"],
            &found["density"],
            &found["base"]
        ),
        (&json!(5), &json!(5), &json!(true), &Value::Null, &json!(START))
    );
    let columns = &found["columns"];
    assert_eq!(columns["id"], json!([1, 1, 1, 1, 1]));
    assert_eq!(columns["recordedAt"], json!([0, 1_000, 1_000, 1_000, 2_000]));
    assert_eq!(columns["delay"], json!([0, 0, 0, 57_000, 0]));
    assert_eq!(columns["service"], json!([-1, 0, -1, -1, -1]));
    assert_eq!(columns["status"], json!([0, 1, 3, 1, 4]));
    assert_eq!(columns["offset"], json!([0, 1, 1, 2, 1]));
    assert_eq!(columns["deliveries"], json!([1, 2, 1, 1, 1]));
    assert_eq!(columns["flags"][3].as_u64().unwrap() & 1, 1, "{columns}");
    assert_eq!(found["names"]["services"], json!(["product-service"]));
    let states: Vec<&Value> = found["states"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| &state["status"])
        .collect();
    assert_eq!(states.first().unwrap(), &&json!("STARTED"));
    assert_eq!(
        found["states"].as_array().unwrap().last().unwrap()["until"],
        Value::Null
    );
    assert_eq!(
        (&found["cursor"], &found["incidents"]),
        (&json!({"0": 8}), &json!([]))
    );
}

#[tokio::test]
async fn what_has_not_come_names_who_reports_it_elsewhere() {
    let surface = Surface::over(&events());
    let found = ask(&surface, "/api/v1/sagas/s/timeline").await;
    let ghosts = found["ghosts"].as_array().unwrap();
    let confirmed = ghosts.iter().find(|ghost| ghost["step"] == "ORDER_CONFIRMED");
    assert_eq!(
        confirmed,
        Some(&json!({"step": "ORDER_CONFIRMED", "service": "order-service", "due": null})),
        "{ghosts:?}"
    );
    let arcs = found["arcs"].as_array().unwrap();
    let stock = arcs.iter().find(|arc| arc["from"] == 2);
    assert_eq!(
        stock,
        Some(&json!({"from": 2, "to": 4, "step": "STOCK_RESERVED", "due": null, "overdue": false})),
        "{arcs:?}"
    );
}

#[tokio::test]
async fn more_events_than_are_wanted_are_counted_and_a_part_is_exact() {
    let long: Vec<Event> = (0..400)
        .map(|n| event("s", n, n as i64 * 10, "STEP", SagaStatus::InProgress))
        .collect();
    let surface = Surface::over(&long);
    let found = ask(&surface, "/api/v1/sagas/s/timeline?max=50").await;
    let counted: u64 = found["density"]["count"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    let rows = found["columns"]["id"].as_array().unwrap().len() as u64;
    assert_eq!(
        (counted + rows, &found["exact"], &found["total"]),
        (400, &json!(false), &json!(400))
    );
    let (from, to) = (Millis(START + 1_000), Millis(START + 1_090));
    let part = ask(
        &surface,
        &format!("/api/v1/sagas/s/timeline?max=50&from={from}&to={to}"),
    )
    .await;
    assert_eq!(
        (&part["exact"], &part["total"], &part["whole"]),
        (&json!(true), &json!(10), &json!(400))
    );
    assert_eq!(part["columns"]["id"], json!([101, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
    assert_eq!(part["base"], json!(START + 1_000));
}

#[tokio::test]
async fn a_timeline_is_of_the_moment_that_is_asked_for_and_bad_input_is_named() {
    let surface = Surface::over(&events());
    let known = Millis(START + 10_000);
    let found = ask(&surface, &format!("/api/v1/sagas/s/timeline?knownAt={known}")).await;
    assert_eq!(
        (&found["whole"], &found["knownAt"]),
        (&json!(4), &json!(known.to_string()))
    );
    let before = Millis(START - 1);
    let reply = surface
        .get(&format!("/api/v1/sagas/s/timeline?asOf={before}"))
        .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(
        surface.get("/api/v1/sagas/none/timeline").await.status,
        StatusCode::NOT_FOUND
    );
    let reply = surface.get("/api/v1/sagas/s/timeline?max=0&from=x").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let parameters: Vec<Value> = reply.json()["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["parameter"].clone())
        .collect();
    assert_eq!(parameters, [json!("from"), json!("max")]);
}

#[tokio::test]
async fn steps_tell_what_they_meant_and_with_their_deliveries_how_late_they_were() {
    let surface = Surface::over(&events());
    let plain = ask(&surface, "/api/v1/sagas/s/steps").await;
    let step = &plain["steps"][3];
    assert_eq!(
        (&step["effectiveStatus"], &step["partition"], &step["offset"]),
        (&json!("IN_PROGRESS"), &json!(0), &json!(4))
    );
    assert_eq!(step["arrivedAt"], json!(Millis(START + 60_000).to_string()));
    assert_eq!((step.get("lateMillis"), step.get("deliveries")), (None, None));
    let told = ask(&surface, "/api/v1/sagas/s/steps?include=deliveries&size=3").await;
    let deliveries: Vec<&Value> = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["deliveries"])
        .collect();
    assert_eq!(deliveries, [&json!(1), &json!(2), &json!(1)]);
    let next = told["next"].as_str().unwrap();
    let rest = ask(
        &surface,
        &format!("/api/v1/sagas/s/steps?include=deliveries&after={next}"),
    )
    .await;
    assert_eq!(rest["steps"][0]["lateMillis"], json!(55_000));
    let refused = surface.get("/api/v1/sagas/s/steps?include=all").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
