//! Every call that changes something leaves an audit entry, whatever became of it.

use super::support::{Reply, Surface, event};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::domain::SagaStatus;
use saga_tracker::pipeline::kafka::OutError;
use serde_json::{Value, json};

fn surface() -> Surface {
    Surface::over(&[event("s/1", 0, 0, "PAYMENT_FAILED", SagaStatus::Failed)])
}

async fn call(surface: &Surface, method: &str, path: &str, kind: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .header("x-operator", "김")
        .body(Body::from(body.to_owned()))
        .unwrap();
    surface.request(request).await
}

async fn patch(surface: &Surface, body: &Value) -> Reply {
    let path = "/internal/v1/sagas/s%2F1/status";
    call(surface, "PATCH", path, "application/json", &body.to_string()).await
}

async fn entries(surface: &Surface, query: &str) -> Vec<Value> {
    let reply = surface.get(&format!("/api/v1/audit{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()["content"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_route_that_takes_a_changing_method_leaves_an_entry() {
    let surface = surface();
    // A rebuild that ended would be told of once more.
    let _gate = surface.gate.close();
    let document: Value = surface.get("/api-docs").await.json();
    let mut calls = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"] {
            if operations.get(method).is_none() {
                continue;
            }
            let concrete: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { "0-0" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            call(
                &surface,
                &method.to_uppercase(),
                &concrete,
                "application/json",
                "{",
            )
            .await;
            calls += 1;
            let newest = &entries(&surface, "?size=1").await[0];
            assert_eq!(
                newest["number"],
                calls - 1,
                "{method} {path} left no entry, or more than one"
            );
            assert_eq!(newest["who"], "김");
        }
    }
    assert!(calls >= 2, "the test sees no routes");
    let found = surface.get("/api/v1/audit/verification").await.json();
    assert_eq!((&found["entries"], &found["faulty"]), (&json!(calls), &json!(0)));
}

#[tokio::test]
async fn reading_and_asking_in_the_wrong_way_leaves_none() {
    let surface = surface();
    for path in ["/sagas", "/sagas/none", "/metrics", "/internal/v1/progress"] {
        surface.get(path).await;
    }
    assert_eq!(
        surface.send("POST", "/sagas").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        surface.send("DELETE", "/nowhere").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(entries(&surface, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_entry_says_who_did_what_why_and_how_it_came_out() {
    let surface = surface();
    let _gate = surface.gate.close();
    let body = json!({"status": "COMPLETED", "reason": "paid by hand", "expectedStatus": "FAILED"});
    *surface.broker.says.lock().unwrap() = OutError::Uncertain("it went away".to_owned());
    assert_eq!(
        patch(&surface, &body).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        call(&surface, "POST", "/internal/v1/rebuild", "application/json", "")
            .await
            .status,
        StatusCode::ACCEPTED
    );
    let all = entries(&surface, "").await;
    let fields = |entry: &Value| {
        ["who", "action", "target", "why", "result"].map(|name| entry[name].as_str().unwrap().to_owned())
    };
    assert_eq!(fields(&all[0]), ["김", "rebuild", "projections", "", "BEGUN"]);
    assert_eq!(
        fields(&all[1]),
        ["김", "set-status", "s/1", "paid by hand", "FAILED"]
    );
    assert!(
        all[1]["detail"]
            .as_str()
            .unwrap()
            .contains("It may still take effect")
    );
    assert_eq!(all[0]["previousHash"], all[1]["hash"]);
    assert_eq!(
        entries(&surface, "?action=set-status&result=FAILED&who=%EA%B9%80")
            .await
            .len(),
        1
    );
    assert_eq!(entries(&surface, "?target=other").await.len(), 0);
    let older = surface.get("/api/v1/audit?size=1").await.json()["nextCursor"]
        .as_u64()
        .unwrap();
    assert_eq!(
        entries(&surface, &format!("?cursor={older}")).await,
        [all[1].clone()]
    );
}

#[tokio::test]
async fn a_bad_body_is_refused_with_all_that_is_wrong_with_it() {
    let surface = surface();
    for (body, words) in [
        (
            json!({"status": "PAUSED", "reason": " ", "expectedStatus": "x"}),
            "status: found \"PAUSED\", accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED; \
             expectedStatus: found \"x\", accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED; \
             reason: found \" \", accepted: 1 to 1000 characters, not only blanks",
        ),
        (json!({"status": "FAILED"}), "missing field `reason`"),
        (
            json!({"status": "FAILED", "reason": "r", "expectedstatus": "x"}),
            "unknown field `expectedstatus`",
        ),
        (json!({"status": 1, "reason": "r"}), "invalid type"),
        (json!([]), "body: found"),
    ] {
        let reply = patch(&surface, &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}: {reply:?}");
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{body}: {message}");
    }
    let path = "/internal/v1/sagas/s/status";
    assert_eq!(
        call(&surface, "PATCH", path, "text/plain", "{}").await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[tokio::test]
async fn refused_calls_without_end_do_not_make_entries_without_end() {
    let surface = surface();
    for number in 0..200 {
        let body = json!({"status": "PAUSED", "reason": "y".repeat(number)});
        assert_eq!(patch(&surface, &body).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(entries(&surface, "?size=100").await.len(), 5);
}

/// While decisions are not read, say because the disk is nearly full, every one is answered so at once.
#[tokio::test]
async fn calls_that_were_not_attempted_make_no_entries_without_end_and_unsettled_ones_are_all_told() {
    let surface = surface();
    let body = json!({"status": "COMPLETED", "reason": "paid by hand"});
    let call = async |error: OutError| {
        *surface.broker.says.lock().unwrap() = error;
        for _ in 0..20 {
            assert_eq!(
                patch(&surface, &body).await.status,
                StatusCode::SERVICE_UNAVAILABLE
            );
        }
    };
    call(OutError::Unreachable("the disk is full".to_owned())).await;
    let told = entries(&surface, "?size=100&result=REFUSED").await;
    assert_eq!(told.len(), 5);
    assert!(
        told[0]["detail"]
            .as_str()
            .unwrap()
            .contains("nothing was changed")
    );
    assert_eq!(entries(&surface, "?size=100").await.len(), 5);
    call(OutError::Uncertain("it went away".to_owned())).await;
    assert_eq!(entries(&surface, "?size=100&result=FAILED").await.len(), 20);
}
