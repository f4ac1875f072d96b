//! What is answered about one saga at any moment.

use super::support::{START, Surface, event};
use axum::http::StatusCode;
use saga_tracker::domain::{Event, MetadataForm, Millis, Position, SagaStatus};
use serde_json::{Value, json};

/// A saga whose failure arrived ten minutes late, after it had been confirmed; the first event came twice, the second
/// time with another body; an operator's change was refused.
fn late() -> Vec<Event> {
    use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
    let mut events = vec![
        event("s", 0, 0, "ORDER_CREATED", Started),
        event("s", 1, 1_000, "STOCK_RESERVED", InProgress),
        event("s", 2, 5_000, "ORDER_CONFIRMED", Completed),
        event("s", 3, 3_000, "PAYMENT_FAILED", Failed),
        event("s", 4, 0, "ORDER_CREATED", Started),
        event("s", 5, 9_000, "OPERATOR_STATUS_CHANGE", Compensated),
    ];
    events[0].trace_id = Some("t-1".into());
    events[3].arrived_at = Millis(START + 600_000);
    events[3].trace_id = Some("t-2".into());
    with_metadata(&mut events[3], r#"{"failureReason":"CARD_DECLINED"}"#);
    events[4].event_id = "event-0".into();
    events[4].arrived_at = Millis(START + 600_000);
    events[4].order_id = "another".into();
    events[5].arrived_at = Millis(START + 600_500);
    let change = r#"{"operator":"kim","reason":"by hand","expectedStatus":"FAILED"}"#;
    with_metadata(&mut events[5], change);
    events
}

fn with_metadata(event: &mut Event, text: &str) {
    event.metadata = Some(text.into());
    event.metadata_form = MetadataForm::Object;
}

fn at(after: i64) -> String {
    Millis(START + after).to_string()
}

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

fn steps(answer: &Value) -> Vec<(u64, &str)> {
    let steps = answer["steps"].as_array().unwrap();
    let step = |step: &'_ Value| step["id"].as_u64().unwrap();
    steps
        .iter()
        .map(|one| (step(one), one["step"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_late_event_is_not_there_as_it_was_known_before_it_arrived() {
    let surface = Surface::over(&late());
    let now = ask(&surface, "/sagas/s").await;
    assert_eq!(
        (
            &now["currentStatus"],
            &now["failedStep"],
            &now["failureReason"],
            &now["traceIds"]
        ),
        (
            &json!("COMPLETED"),
            &json!("PAYMENT_FAILED"),
            &json!("CARD_DECLINED"),
            &json!(["t-1", "t-2"])
        )
    );
    assert_eq!(
        (&now["statusSince"], now.get("cursor")),
        (&json!(at(5_000)), None)
    );

    let known = ask(&surface, &format!("/api/v1/sagas/s?knownAt={}", at(599_999))).await;
    assert_eq!(
        (
            &known["stepCount"],
            &known["failedStep"],
            &known["duplicates"],
            &known["conflicts"]
        ),
        (&json!(3), &Value::Null, &json!(0), &json!(0))
    );
    assert_eq!(known["knownAt"], json!(at(599_999)));
    assert_eq!((known.get("asOf"), &known["cursor"]), (None, &json!({"0": 6})));
    assert_eq!(known["definitions"].as_str().unwrap().len(), 64);

    let then = ask(&surface, &format!("/api/v1/sagas/s?asOf={}", at(4_000))).await;
    assert_eq!(
        (
            &then["currentStatus"],
            &then["stepCount"],
            &then["conflicts"],
            &then["asOf"]
        ),
        (&json!("FAILED"), &json!(3), &json!(1), &json!(at(4_000)))
    );
    let believed = format!("/api/v1/sagas/s?asOf={}&knownAt={}", at(4_000), at(6_000));
    let believed = ask(&surface, &believed).await;
    assert_eq!(
        (&believed["currentStatus"], &believed["stepCount"]),
        (&json!("IN_PROGRESS"), &json!(2))
    );
}

#[tokio::test]
async fn steps_at_a_moment_come_whole_and_by_page() {
    let surface = Surface::over(&late());
    let path = format!("/api/v1/sagas/s/steps?knownAt={}", at(6_000));
    let whole = ask(&surface, &path).await;
    let wanted = [
        (1, "ORDER_CREATED"),
        (2, "STOCK_RESERVED"),
        (3, "ORDER_CONFIRMED"),
    ];
    assert_eq!(steps(&whole), wanted);
    assert_eq!(
        (&whole["knownAt"], &whole["cursor"]),
        (&json!(at(6_000)), &json!({"0": 6}))
    );
    let page = ask(&surface, &format!("{path}&size=2")).await;
    assert_eq!(steps(&page), wanted[..2]);
    let next = page["next"].as_str().unwrap();
    let rest = ask(&surface, &format!("{path}&after={next}")).await;
    assert_eq!((steps(&rest).as_slice(), rest.get("next")), (&wanted[2..], None));
    let then = ask(
        &surface,
        &format!("/sagas/s/steps?asOf={}&size=1&after={next}", at(4_000)),
    )
    .await;
    assert_eq!(steps(&then), [(3, "PAYMENT_FAILED")]);
    let plain = ask(&surface, "/sagas/s/steps").await;
    assert_eq!(
        (steps(&plain).len(), plain.get("cursor"), plain.get("asOf")),
        (5, None, None)
    );
}

#[tokio::test]
async fn a_date_means_its_end_and_any_offset_is_read() {
    let surface = Surface::over(&late());
    let day = ask(
        &surface,
        "/sagas/s?asOf=2026-01-31&knownAt=2026-01-31T18:40:00%2B09:00",
    )
    .await;
    assert_eq!(
        (&day["asOf"], &day["knownAt"], &day["stepCount"]),
        (
            &json!("2026-01-31T23:59:59.999Z"),
            &json!("2026-01-31T09:40:00Z"),
            &json!(4)
        )
    );
}

#[tokio::test]
async fn a_saga_that_had_not_begun_is_not_found_and_the_message_says_when_it_began() {
    let surface = Surface::over(&late());
    for (path, said) in [
        (format!("?asOf={}", at(-1)), "as of 2026-01-31T09:29:59.999Z"),
        (
            format!("/steps?knownAt={}", at(-1)),
            "as known at 2026-01-31T09:29:59.999Z",
        ),
        (
            format!("/history?asOf={}&knownAt={}", at(-1), at(0)),
            "as of 2026-01-31T09:29:59.999Z, as known at",
        ),
        (format!("?include=steps&knownAt={}", at(-1)), "as known at"),
    ] {
        let reply = surface.get(&format!("/api/v1/sagas/s{path}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(said) && message.contains("it began at 2026-01-31T09:30:00Z"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn wrong_moments_are_named_with_what_is_accepted() {
    let surface = Surface::over(&late());
    for (path, parameter) in [
        ("?asOf=yesterday", "asOf"),
        ("/steps?knownAt=2026-02-30", "knownAt"),
        ("/history?asOf=", "asOf"),
        ("/diff?from=now", "from"),
        ("/diff?fromKnownAt=1", "fromKnownAt"),
        ("/diff?to=x", "to"),
        ("/diff?toKnownAt=2026-01-31T00:00:00", "toKnownAt"),
        ("?include=everything", "include"),
        ("/history?size=0", "size"),
        ("/history?after=x", "after"),
    ] {
        let reply = surface.get(&format!("/api/v1/sagas/s{path}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        let details = &reply.json()["details"][0];
        assert_eq!(details["parameter"], parameter, "{path}");
        assert!(!details["accepted"].as_str().unwrap().is_empty());
    }
    for path in ["/history", "/diff"] {
        let reply = surface.get(&format!("/api/v1/sagas/none{path}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_history_tells_every_state_and_what_is_worth_a_look() {
    let surface = Surface::over(&late());
    insta::assert_json_snapshot!(ask(&surface, "/api/v1/sagas/s/history").await);
    let known = ask(&surface, &format!("/sagas/s/history?knownAt={}", at(6_000))).await;
    let states = known["states"].as_array().unwrap();
    let statuses: Vec<_> = states
        .iter()
        .map(|state| state["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["STARTED", "IN_PROGRESS", "COMPLETED"]);
    let page = ask(&surface, "/sagas/s/history?size=3").await;
    let next = page["next"].as_str().unwrap();
    let rest = ask(&surface, &format!("/sagas/s/history?after={next}")).await;
    let numbers = |answer: &Value| -> Vec<u64> {
        let states = answer["states"].as_array().unwrap().iter();
        states.map(|state| state["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        (numbers(&page), numbers(&rest), rest.get("next")),
        (vec![1, 2, 3], vec![4], None)
    );
}

#[tokio::test]
async fn two_moments_differ_by_fields_and_events() {
    let surface = Surface::over(&late());
    let path = format!(
        "/api/v1/sagas/s/diff?from={}&fromKnownAt={}&to={}",
        at(4_000),
        at(6_000),
        at(4_000)
    );
    insta::assert_json_snapshot!(ask(&surface, &path).await);
    let same = ask(&surface, "/sagas/s/diff").await;
    assert_eq!(
        (&same["fields"], &same["from"]["saga"]),
        (&json!([]), &same["to"]["saga"])
    );
    let begun = ask(&surface, &format!("/sagas/s/diff?from={}", at(-1))).await;
    assert_eq!(
        (&begun["from"]["saga"], &begun["to"]["onlyHereCount"]),
        (&Value::Null, &json!(5))
    );
}

#[tokio::test]
async fn a_saga_comes_with_its_steps_in_one_call_and_many_are_cut_off() {
    let surface = Surface::over(&late());
    let whole = ask(&surface, "/api/v1/sagas/s?include=steps").await;
    assert_eq!(
        whole["steps"],
        ask(&surface, "/api/v1/sagas/s/steps").await["steps"]
    );
    assert_eq!(
        (&whole["stepsTruncated"], whole.get("cursor")),
        (&json!(false), None)
    );
    let known = ask(&surface, &format!("/sagas/s?include=steps&knownAt={}", at(6_000))).await;
    assert_eq!((steps(&known).len(), &known["stepCount"]), (3, &json!(3)));

    let many = |count: u64, metadata: Option<String>| {
        let one = |offset| {
            let after = i64::try_from(offset).unwrap();
            let mut event = event("s", offset, after, "STOCK_RESERVED", SagaStatus::InProgress);
            if let Some(text) = &metadata {
                with_metadata(&mut event, text);
            }
            event
        };
        (0..count).map(one).collect::<Vec<Event>>()
    };
    let large = format!("{{\"note\":\"{}\"}}", "x".repeat(1 << 20));
    for (events, told) in [
        (many(1_000, None), (1_000, false)),
        (many(1_001, None), (1_000, true)),
        (many(9, Some(large)), (4, true)),
    ] {
        let answer = ask(&Surface::over(&events), "/sagas/s?include=steps").await;
        let truncated = answer["stepsTruncated"].as_bool().unwrap();
        assert_eq!((steps(&answer).len(), truncated), told);
    }
}

#[tokio::test]
async fn what_came_first_stands_until_one_at_a_lower_position_arrives() {
    let mut events = vec![
        event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started),
        event("s", 1, 1_000, "PAYMENT_FAILED", SagaStatus::Failed),
        event("s", 0, 1_000, "ORDER_CONFIRMED", SagaStatus::Completed),
    ];
    events[0].position = Position::new(1, 0);
    events[2].event_id = events[1].event_id.clone();
    events[1].position = Position::new(1, 1);
    events[2].position = Position::new(0, 0);
    events[2].arrived_at = Millis(START + 5_000);
    let surface = Surface::over(&events);
    let status = |answer: Value| answer["currentStatus"].as_str().unwrap().to_owned();
    let now = ask(&surface, "/sagas/s").await;
    assert_eq!(
        (status(now.clone()), &now["duplicates"]),
        ("COMPLETED".to_owned(), &json!(1))
    );
    let known = ask(&surface, &format!("/sagas/s?knownAt={}", at(4_999))).await;
    assert_eq!(
        (status(known.clone()), &known["duplicates"]),
        ("FAILED".to_owned(), &json!(0))
    );
    let diff = ask(&surface, &format!("/sagas/s/diff?fromKnownAt={}", at(4_999))).await;
    let only = |side: &str| {
        (
            diff[side]["onlyHere"][0]["partition"].clone(),
            diff[side]["onlyHereCount"].clone(),
        )
    };
    assert_eq!(
        (only("from"), only("to")),
        ((json!(1), json!(1)), (json!(0), json!(1)))
    );
}
