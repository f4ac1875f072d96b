//! Alerts in, and where they are shown.

use super::support::{NOW, Reply, START, Surface, event};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::domain::{Event, SagaStatus};
use saga_tracker::operations::incidents::Token;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::process::Command;
use std::time::Duration;
use tower::ServiceExt;

const WEBHOOK: &str = "/api/v1/alerts";

fn call(alerts: &Value) -> Value {
    json!({"version": "4", "groupKey": "{}", "status": "firing", "receiver": "saga-tracker", "alerts": alerts})
}

/// The stopped clock stands at 2026-02-01T00:00:00Z.
fn alert(fingerprint: &str, labels: &Value) -> Value {
    json!({
        "status": "firing", "labels": labels, "annotations": {"summary": "s", "runbook_url": "https://r.example/x"},
        "startsAt": "2026-01-31T23:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://p.example/g", "fingerprint": fingerprint,
    })
}

fn sent(body: &Value, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder()
        .method("POST")
        .uri(WEBHOOK)
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    request.body(Body::from(body.to_string())).unwrap()
}

async fn post(surface: &Surface, body: &Value, token: Option<&str>) -> Reply {
    surface.request(sent(body, token)).await
}

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

fn events() -> Vec<Event> {
    let at = NOW.0 - START;
    vec![
        event("a", 0, at - 1_800_000, "ORDER_CREATED", SagaStatus::Started),
        event("a", 1, at - 60_000, "PAYMENT_FAILED", SagaStatus::Failed),
    ]
}

#[tokio::test]
async fn an_alert_is_shown_in_the_list_on_the_overview_and_beside_the_timelines_that_it_names() {
    let surface = Surface::over(&events());
    let spike = alert(
        "c0ffee",
        &json!({"alertname": "Spike", "severity": "warning", "saga_type": "ORDER_CREATION"}),
    );
    let other = alert("0ddba11", &json!({"alertname": "Other", "saga_type": "REFUND"}));
    let sent = call(&json!([spike, other]));
    let reply = post(&surface, &sent, None).await;
    assert_eq!(
        (reply.status, reply.json()),
        (StatusCode::OK, json!({"new": 2, "known": 0, "ended": 0}))
    );
    assert_eq!(
        post(&surface, &sent, None).await.json(),
        json!({"new": 0, "known": 2, "ended": 0})
    );

    let found = ask(&surface, "/api/v1/incidents?active=true&size=1&page=1").await;
    assert_eq!(
        (&found["page"]["totalElements"], &found["page"]["totalPages"]),
        (&json!(2), &json!(2))
    );
    let found = ask(&surface, "/api/v1/incidents").await;
    let id = found["incidents"][0]["id"].as_str().unwrap().to_owned();
    let found = ask(&surface, &format!("/api/v1/incidents?id={id}")).await;
    assert_eq!(
        found["incidents"],
        json!([{
            "id": "c0ffee-1769900400000", "name": "Spike", "severity": "warning",
            "from": "2026-01-31T23:00:00Z", "until": null,
            "receivedAt": "2026-02-01T00:00:00Z", "updatedAt": "2026-02-01T00:00:00Z", "times": 2,
            "receiver": "saga-tracker",
            "labels": {"alertname": "Spike", "severity": "warning", "saga_type": "ORDER_CREATION"},
            "annotations": {"summary": "s", "runbook_url": "https://r.example/x"},
            "generatorUrl": "https://p.example/g", "runbookUrl": "https://r.example/x",
            "sagas": 1, "search": {"sagaType": "ORDER_CREATION", "fromDate": "2026-01-31T23:00:00Z"},
        }])
    );

    let overview = ask(&surface, "/api/v1/overview").await;
    assert_eq!(overview["incidents"], json!(2));
    assert_eq!(
        overview["incidentList"][0],
        json!({"id": "c0ffee-1769900400000", "name": "Spike", "severity": "warning", "from": "2026-01-31T23:00:00Z", "sagas": 1})
    );
    let timeline = ask(&surface, "/api/v1/sagas/a/timeline").await;
    assert_eq!(
        timeline["incidents"],
        json!([{"id": "c0ffee-1769900400000", "name": "Spike", "severity": "warning", "from": "2026-01-31T23:00:00Z", "until": null}])
    );
}

#[tokio::test]
async fn what_is_malformed_is_refused_as_a_whole_by_the_name_of_its_field() {
    let surface = Surface::over(&[]);
    let mut wrong = alert("a", &json!({}));
    wrong["startsAt"] = json!("soon");
    let reply = post(&surface, &call(&json!([alert("b", &json!({})), wrong])), None).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        reply.json()["details"],
        json!([{
            "parameter": "alerts[1].startsAt", "found": "\"soon\"",
            "accepted": "an instant from 2000 up to 5 minutes from now, as in 2026-01-31T09:30:00Z",
        }])
    );
    assert_eq!(
        ask(&surface, "/api/v1/incidents").await["page"]["totalElements"],
        json!(0)
    );
    let list = post(&surface, &json!([]), None).await;
    assert_eq!(
        (list.status, &list.json()["details"][0]["parameter"]),
        (StatusCode::BAD_REQUEST, &json!("body"))
    );
}

#[tokio::test]
async fn alerts_are_taken_of_whoever_shows_the_token_and_read_by_anybody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "secret\n").unwrap();
    let surface = Surface::trusting(Token::of(&path).unwrap());
    let sent = call(&json!([alert("a", &json!({}))]));
    for token in [None, Some("Bearer other"), Some("Basic secret")] {
        let reply = post(&surface, &sent, token).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (StatusCode::UNAUTHORIZED, &json!("UNAUTHORIZED"))
        );
        assert!(
            !reply.json().to_string().contains("secret\""),
            "the token is not told"
        );
    }
    // Nobody's body is read before.
    let malformed = post(&surface, &json!([]), None).await;
    assert_eq!(malformed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        post(&surface, &sent, Some("Bearer secret")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        ask(&surface, "/api/v1/incidents").await["page"]["totalElements"],
        json!(1)
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        post(&surface, &sent, Some("Bearer secret")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn alerts_that_are_taken_are_nobodys_act() {
    let surface = Surface::over(&[]);
    post(&surface, &call(&json!([alert("a", &json!({}))])), None).await;
    assert_eq!(ask(&surface, "/api/v1/audit").await["content"], json!([]));
    post(&surface, &json!({}), None).await;
    assert_eq!(
        ask(&surface, "/api/v1/audit").await["content"][0]["result"],
        json!("REFUSED")
    );
}

/// Reading the file waits for somebody who writes it, as one on a volume that does not answer would.
#[tokio::test]
async fn a_file_of_the_token_that_does_not_answer_keeps_no_probe_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "secret").unwrap();
    let surface = Surface::trusting(Token::of(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());

    let alerts = call(&json!([alert("a", &json!({}))]));
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let reply = surface
                .router
                .clone()
                .oneshot(sent(&alerts, Some("Bearer secret")));
            tokio::spawn(async move { reply.await.unwrap().status() })
        })
        .collect();
    // Until all of them have a thread.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let probe = surface.get("/actuator/health/liveness");
    let probe = tokio::time::timeout(Duration::from_secs(5), probe).await;

    let answered = async {
        while !asked.iter().all(tokio::task::JoinHandle::is_finished) {
            drop(OpenOptions::new().read(true).write(true).open(&path));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered)
        .await
        .unwrap();
    assert_eq!(probe.unwrap().status, StatusCode::OK);
    for status in asked {
        assert_eq!(status.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_page_of_the_largest_incidents_is_no_more_than_the_page_holds() {
    let surface = Surface::over(&[]);
    let text = "\u{1}".repeat(4_000);
    for number in 0..100 {
        let mut large = alert(
            &format!("f{number}"),
            &json!({"alertname": "Large", "note": "n".repeat(2_000)}),
        );
        for at in 0..20 {
            large["annotations"][format!("n{at}")] = json!(text);
        }
        let taken = post(&surface, &call(&json!([large])), None).await;
        assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    }
    let reply = surface.get("/api/v1/incidents?size=100").await;
    assert_eq!(reply.json()["incidents"].as_array().unwrap().len(), 100);
    assert!(reply.body.len() < 2 << 20, "{}", reply.body.len());
}
