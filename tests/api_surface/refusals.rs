//! What is refused, and with which words.

use super::support::{Surface, event};
use axum::http::StatusCode;
use saga_tracker::domain::SagaStatus;
use std::fmt::Write;

#[tokio::test]
async fn every_refusal_has_the_standard_body() {
    let surface = Surface::over(&[event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started)]);
    let refused = [
        ("GET", "/api/v1/sagas/none"),
        ("GET", "/api/v1/sagas/none/steps"),
        ("GET", "/api/v1/sagas/%ff"),
        ("GET", "/api/v1/sagas/%zz"),
        ("GET", "/api/v1/sagas/100%/steps"),
        ("GET", "/api/v1/sagas/"),
        ("GET", "/api/v1/sagas/s/steps/1"),
        ("GET", "/api/v1/sagas?page=-1&size=1000"),
        ("GET", "/api/v1/sagas?cursor=made-up"),
        ("GET", "/api/v1/sagas/statistics?fromDate=now"),
        ("GET", "/"),
        ("GET", "/favicon.ico"),
        ("POST", "/nowhere"),
        ("POST", "/api/v1/sagas"),
        ("PUT", "/sagas/s"),
        ("DELETE", "/internal/v1/rebuild"),
        ("OPTIONS", "/actuator/health"),
        ("BREW", "/metrics"),
    ];
    let mut table = String::new();
    for (method, path) in refused {
        let reply = surface.send(method, path).await;
        assert_eq!(
            reply.header("content-type"),
            "application/json",
            "{method} {path}"
        );
        let body = reply.json();
        assert_eq!(body["path"], path.split('?').next().unwrap());
        assert_eq!(body["timestamp"], "2026-02-01T00:00:00Z");
        let allow = reply.header("allow");
        assert_eq!(
            !allow.is_empty(),
            reply.status == StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}: {allow}"
        );
        writeln!(
            table,
            "{method} {path}\n  {} {} {allow}",
            reply.status.as_u16(),
            body["error"]
        )
        .unwrap();
        writeln!(table, "  {}\n  {}", body["message"], body["details"]).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let surface = Surface::over(&[event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started)]);
    let plain = surface.get("/api/v1/sagas").await;
    let with_more = surface
        .get("/api/v1/sagas?utm_source=x&utm_source=y&%zz=1&page_=9&=&&q")
        .await;
    assert_eq!(with_more.status, StatusCode::OK);
    assert_eq!(with_more.body, plain.body);
}
