//! What each call answers.

use super::support::{Surface, TOPIC, event};
use axum::http::StatusCode;
use saga_tracker::domain::{Event, MetadataForm, SagaStatus};
use saga_tracker::store::codec::Record;
use saga_tracker::store::records::OffsetRecord;
use saga_tracker::store::{Batch, Durability, Key, Table, keys, reads, totals};
use std::collections::BTreeSet;

pub(crate) fn compensated() -> Vec<Event> {
    use SagaStatus::{Compensated, Failed, InProgress, Started};
    let mut events = vec![
        event("saga-1", 0, 0, "ORDER_CREATED", Started),
        event("saga-1", 1, 250, "STOCK_RESERVATION_FAILED", InProgress),
        event("saga-1", 2, 500, "STOCK_RESERVATION_FAILED", Failed),
        event("saga-1", 3, 2_000, "COMPENSATION_ORDER", Compensated),
        event("saga-1", 4, 2_500, "LATE_FAILURE", Failed),
    ];
    let metadata = "{\"traceId\":\"t-1\",\"orderAmount\": 10.00}";
    events[0].metadata = Some(metadata.into());
    events[0].metadata_form = MetadataForm::Object;
    events[0].producer_service = Some("order-service".into());
    events[0].trace_id = Some("t-1".into());
    events[1].metadata = Some("no json".into());
    events[1].metadata_form = MetadataForm::Verbatim;
    events
}

/// `count` sagas, a second apart, every third of them completed.
fn many(count: u64) -> Vec<Event> {
    (0..count)
        .map(|n| {
            let status = if n % 3 == 0 {
                SagaStatus::Completed
            } else {
                SagaStatus::Started
            };
            let step = if n % 3 == 0 {
                "ORDER_CONFIRMED"
            } else {
                "ORDER_CREATED"
            };
            event(
                &format!("saga-{n:03}"),
                n,
                i64::try_from(n).unwrap() * 1_000,
                step,
                status,
            )
        })
        .collect()
}

fn ids(answer: &serde_json::Value) -> Vec<String> {
    let content = answer["content"].as_array().unwrap();
    content
        .iter()
        .map(|saga| saga["sagaId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_saga_has_the_fields_of_the_contract() {
    let surface = Surface::over(&compensated());
    let reply = surface.get("/api/v1/sagas/saga-1").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/json");
    insta::assert_json_snapshot!(reply.json());
}

#[tokio::test]
async fn a_failed_saga_says_what_it_owes_and_since_when_it_is_stuck() {
    use SagaStatus::{Failed, InProgress, Started};
    const HOUR: i64 = 3_600_000;
    let surface = Surface::over(&[
        event("owing", 0, -HOUR, "ORDER_CREATED", Started),
        event("owing", 1, -HOUR + 1_000, "STOCK_RESERVED", InProgress),
        event("owing", 2, -HOUR + 2_000, "PAYMENT_FAILED", Failed),
        event("waiting", 3, -HOUR, "ORDER_CREATED", Started),
    ]);
    let owing = surface.get("/api/v1/sagas/owing").await.json();
    assert_eq!(
        owing["compensation"],
        serde_json::json!({"state": "OWED", "owed": [
            {"step": "STOCK_RESERVED", "by": ["COMPENSATION_STOCK", "STOCK_RELEASED"]}
        ]})
    );
    assert_eq!(
        owing["stuck"],
        serde_json::json!({"since": "2026-01-31T08:35:02Z", "rule": "COMPENSATION_OVERDUE",
            "awaited": ["COMPENSATION_STOCK", "STOCK_RELEASED"]})
    );
    let violation = &owing["conformance"][0];
    assert_eq!(violation["rule"], "NEVER_COMPENSATED");
    assert_eq!(
        (&violation["at"], &violation["stepId"]),
        (&"2026-01-31T08:30:02Z".into(), &3.into())
    );
    let waiting = surface.get("/api/v1/sagas/waiting").await.json();
    assert_eq!(
        waiting["stuck"],
        serde_json::json!({"since": "2026-01-31T09:00:00Z", "rule": "PAST_DEADLINE", "awaited": ["ORDER_CONFIRMED"]})
    );
    // Where sagas are listed nothing of it is said.
    let listed = surface.get("/api/v1/sagas").await.json();
    assert_eq!(listed["content"][0].get("compensation"), None);
}

#[tokio::test]
async fn of_a_type_without_a_definition_nothing_is_said() {
    let mut refund = event("refund", 0, 0, "REFUND_FAILED", SagaStatus::Failed);
    refund.saga_type = "REFUND".into();
    let answer = Surface::over(&[refund]).get("/api/v1/sagas/refund").await.json();
    assert_eq!(answer["compensation"], serde_json::Value::Null);
    assert!(answer.as_object().unwrap().contains_key("compensation"));
    assert_eq!(
        (&answer["conformance"], &answer["stuck"]),
        (&serde_json::json!([]), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn the_definitions_in_force_are_told_with_the_steps_that_they_do_not_name() {
    let mut events = compensated();
    events.push(event("saga-2", 5, 0, "LATE_FAILURE", SagaStatus::InProgress));
    let answer = Surface::over(&events).get("/api/v1/definitions").await.json();
    let order = &answer["types"]["ORDER_CREATION"];
    assert_eq!(order["completing_steps"], serde_json::json!(["ORDER_CONFIRMED"]));
    assert_eq!(
        order["compensates"]["STOCK_RELEASED"],
        serde_json::json!(["STOCK_RESERVED"])
    );
    assert_eq!(
        answer["unknownSteps"],
        serde_json::json!([{"step": "LATE_FAILURE", "events": 2}])
    );
    let hash = saga_tracker::domain::SagaDefinitions::default().hash();
    assert_eq!(
        (&answer["hash"], &answer["rebuildDue"]),
        (&hash.into(), &false.into())
    );
}

#[tokio::test]
async fn a_timeline_is_in_fold_order_with_metadata_as_it_came() {
    let surface = Surface::over(&compensated());
    let reply = surface.get("/api/v1/sagas/saga-1/steps").await;
    insta::assert_json_snapshot!(reply.json());
    assert!(
        reply
            .text()
            .contains("\"metadata\":{\"traceId\":\"t-1\",\"orderAmount\": 10.00}")
    );
}

/// One saga of so many events, with some metadata each; every fifth was delivered twice.
fn long(count: u64) -> Vec<Event> {
    let mut events: Vec<Event> = (0..count)
        .map(|n| {
            let at = i64::try_from(n).unwrap() * 10;
            let mut event = event("long", n, at, "STOCK_RESERVED", SagaStatus::InProgress);
            event.metadata = Some(format!("{{\"note\":\"{}\"}}", "x".repeat(100)).into());
            event.metadata_form = MetadataForm::Object;
            event
        })
        .collect();
    for n in 0..count / 5 {
        let mut again = events[usize::try_from(n * 5).unwrap()].clone();
        again.position.offset = count + n;
        events.push(again);
    }
    events
}

#[tokio::test]
async fn a_long_timeline_comes_whole_and_its_pages_are_the_same() {
    let surface = Surface::over(&long(2_500));
    let whole = surface.get("/api/v1/sagas/long/steps").await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.header("content-type"), "application/json");
    let whole = whole.json();
    assert_eq!(whole.get("next"), None);
    let steps = whole["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2_500);
    assert!((1..).zip(steps).all(|(id, step)| step["id"] == id));
    let (mut paged, mut path) = (Vec::new(), "?size=999".to_owned());
    loop {
        let page = surface
            .get(&format!("/api/v1/sagas/long/steps{path}"))
            .await
            .json();
        paged.extend(page["steps"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("?size=999&after={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, steps);
}

#[tokio::test]
async fn pages_of_a_short_timeline_end_without_a_next() {
    let surface = Surface::over(&compensated());
    let page = surface.get("/api/v1/sagas/saga-1/steps?size=3").await.json();
    assert_eq!(page["steps"].as_array().unwrap().len(), 3);
    let next = page["next"].as_str().unwrap();
    let rest = surface
        .get(&format!("/sagas/saga-1/steps?after={next}"))
        .await
        .json();
    let ids: Vec<_> = rest["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["id"].as_u64())
        .collect();
    assert_eq!((ids, rest.get("next")), (vec![Some(4), Some(5)], None));
    let all = surface.get("/api/v1/sagas/saga-1/steps?size=5").await.json();
    assert_eq!(
        (all["steps"].as_array().unwrap().len(), all.get("next")),
        (5, None)
    );
    for bad in ["size=0", "size=1001", "after=1.2", "after=", "archive=yes"] {
        let reply = surface.get(&format!("/api/v1/sagas/saga-1/steps?{bad}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let missing = surface.get("/api/v1/sagas/nobody/steps?size=5").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn statistics_have_all_five_statuses() {
    let surface = Surface::over(
        &[
            compensated(),
            vec![event("b", 5, 0, "PAYMENT", SagaStatus::Started)],
        ]
        .concat(),
    );
    insta::assert_json_snapshot!(
        surface
            .get("/api/v1/sagas/statistics?fromDate=2026-01-31")
            .await
            .json()
    );
}

#[tokio::test]
async fn a_page_has_content_and_exact_totals() {
    let surface = Surface::over(&many(7));
    insta::assert_json_snapshot!(
        surface
            .get("/api/v1/sagas?size=1&page=2&status=STARTED")
            .await
            .json()
    );
}

#[tokio::test]
async fn aliases_answer_alike() {
    let surface = Surface::over(&compensated());
    for path in [
        "",
        "?type=ORDER_CREATION",
        "/saga-1",
        "/saga-1/steps",
        "/statistics?type=ORDER_CREATION",
    ] {
        let long = surface.get(&format!("/api/v1/sagas{path}")).await;
        assert_eq!(long.status, StatusCode::OK, "{path}");
        assert_eq!(
            long.body,
            surface.get(&format!("/sagas{path}")).await.body,
            "{path}"
        );
    }
    let by_name = surface.get("/sagas?sagaType=ORDER_CREATION").await;
    assert_eq!(by_name.body, surface.get("/sagas?type=ORDER_CREATION").await.body);
    assert_eq!(
        surface.get("/sagas?type=OTHER").await.json()["page"]["totalElements"],
        0
    );
}

#[tokio::test]
async fn pages_and_cursors_visit_the_same_sagas() {
    let surface = Surface::over(&many(25));
    for sort in [
        "startedAt,desc",
        "startedAt,asc",
        "updatedAt,desc",
        "updatedAt,asc",
    ] {
        let mut by_page = Vec::new();
        for page in 0..4 {
            let answer = surface
                .get(&format!("/sagas?size=7&page={page}&sort={sort}"))
                .await
                .json();
            assert_eq!(answer["page"]["number"], page);
            assert_eq!(answer["page"]["totalElements"], 25);
            assert_eq!(answer["page"]["totalPages"], 4);
            by_page.extend(ids(&answer));
        }
        let mut answer = surface.get(&format!("/sagas?size=7&sort={sort}")).await.json();
        let mut by_cursor = ids(&answer);
        while let Some(cursor) = answer["nextCursor"].as_str() {
            let reply = surface
                .get(&format!("/sagas?size=7&sort={sort}&cursor={cursor}"))
                .await;
            assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
            answer = reply.json();
            assert!(answer["page"]["number"].is_null());
            assert_eq!(answer["page"]["totalElements"], 25);
            by_cursor.extend(ids(&answer));
        }
        assert_eq!(by_page, by_cursor, "{sort}");
        assert_eq!(by_page.iter().collect::<BTreeSet<_>>().len(), 25, "{sort}");
        assert_eq!(by_page.is_sorted(), sort.ends_with("asc"), "{sort}");
    }
}

#[tokio::test]
async fn dates_bound_the_start_inclusively() {
    let surface = Surface::over(&many(10));
    for (bounds, expected) in [
        ("fromDate=2026-01-31T09:30:09Z", 1),
        ("fromDate=2026-01-31T09:30:08.001Z", 1),
        ("toDate=2026-01-31T09:30:00Z", 1),
        ("toDate=2026-01-31T18:30:01%2B09:00", 2),
        ("fromDate=2026-01-31&toDate=2026-01-31", 10),
        ("toDate=2026-01-30", 0),
        ("fromDate=2026-02-01", 0),
    ] {
        let answer = surface.get(&format!("/sagas?{bounds}")).await.json();
        assert_eq!(answer["page"]["totalElements"], expected, "{bounds}");
    }
}

#[tokio::test]
async fn an_id_may_hold_any_character() {
    let ids = [
        ("a/b/steps", "a%2Fb%2Fsteps"),
        ("two words", "two%20words"),
        ("50%", "50%25"),
        ("what?", "what%3F"),
        ("a#b&c=d;e+f", "a%23b&c=d;e+f"),
        ("주문-1", "%EC%A3%BC%EB%AC%B8-1"),
        ("nul\u{0}", "nul%00"),
        ("..", "%2E%2E"),
        ("{sagaId}", "%7BsagaId%7D"),
        ("statistics", "%73tatistics"),
    ];
    let events: Vec<_> = (0..)
        .zip(ids)
        .map(|(offset, (id, _))| event(id, offset, 0, "ORDER_CREATED", SagaStatus::Started))
        .collect();
    let surface = Surface::over(&events);
    for (id, encoded) in ids {
        for path in [
            format!("/api/v1/sagas/{encoded}"),
            format!("/sagas/{encoded}/steps"),
        ] {
            let reply = surface.get(&path).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
            assert_eq!(reply.json()["sagaId"], id);
        }
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let surface = Surface::over(&compensated());
    for path in [
        "/sagas/saga-1",
        "/sagas",
        "/sagas/none",
        "/actuator/prometheus",
        "/api-docs",
    ] {
        let (get, head) = (surface.get(path).await, surface.send("HEAD", path).await);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, b"", "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

/// How far topics are read and decisions done.
fn put_offsets(surface: &Surface) {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for (topic, next) in [(TOPIC, 7), ("ops", 3)] {
        keys::offsets(&mut key, topic, 0);
        let row = OffsetRecord {
            next,
            ..OffsetRecord::default()
        };
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
    }
    reads::put_meta(&mut batch, totals::RETENTION_CURSOR, "2");
    surface.store.write(&batch, Durability::Process).unwrap();
}

#[tokio::test]
async fn progress_and_digest_are_of_the_running_tracker() {
    let surface = Surface::over(&[]);
    surface.set_progress(&[7]);
    let progress = surface.get("/internal/v1/progress").await.json();
    assert_eq!(
        progress["partitions"][0],
        serde_json::json!({"partition": 0, "next": 7, "projected": 7, "end": null})
    );
    put_offsets(&surface);
    let digest = surface.get("/internal/v1/digest").await.json();
    let expected = saga_tracker::pipeline::verify::digest(&surface.store, TOPIC).unwrap();
    let rules: serde_json::Value = serde_json::from_str(&expected.rules).unwrap();
    assert!(rules["ORDER_CREATION"]["completing_steps"].is_array(), "{rules}");
    assert_eq!(
        digest,
        serde_json::json!({
            "at": {"0": 7},
            "topics": {"ops": {"0": 3}, "topic": {"0": 7}},
            "applied": 2,
            "waitingLetters": 0,
            "rules": rules,
            "total": expected.total,
            "tables": expected.tables,
        })
    );
}

#[tokio::test]
async fn the_page_of_the_documentation_is_served_from_the_binary() {
    let surface = Surface::over(&[]);
    let redirect = surface.get("/swagger-ui").await;
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (StatusCode::PERMANENT_REDIRECT, "/swagger-ui/")
    );
    assert!(
        surface
            .get("/swagger-ui/")
            .await
            .text()
            .contains("swagger-ui-bundle.js")
    );
    let initializer = surface.get("/swagger-ui/swagger-initializer.js").await;
    assert!(initializer.text().contains("/api-docs"), "{initializer:?}");
    assert_eq!(
        surface.get("/swagger-ui/swagger-ui-bundle.js").await.status,
        StatusCode::OK
    );
    assert_eq!(
        surface.get("/swagger-ui/none.js").await.json()["error"],
        "NOT_FOUND"
    );
    assert_eq!(
        surface.get("/v3/api-docs").await.body,
        surface.get("/api-docs").await.body
    );
}
