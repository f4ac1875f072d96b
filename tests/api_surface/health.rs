//! What makes the tracker UP and DOWN, over HTTP. The rules themselves are tested where they are.

use super::support::{NOW, Surface};
use axum::http::StatusCode;
use saga_tracker::domain::{Cut, Millis};
use saga_tracker::operations::decisions::OpsSnapshot;

async fn statuses(surface: &Surface) -> [(u16, String); 3] {
    let mut statuses = [const { (0, String::new()) }; 3];
    for (status, probe) in statuses.iter_mut().zip(["", "/liveness", "/readiness"]) {
        let reply = surface.get(&format!("/actuator/health{probe}")).await;
        *status = (
            reply.status.as_u16(),
            reply.json()["status"].as_str().unwrap().to_owned(),
        );
    }
    statuses
}

fn up() -> (u16, String) {
    (200, "UP".to_owned())
}

fn down() -> (u16, String) {
    (503, "DOWN".to_owned())
}

#[tokio::test]
async fn a_tracker_is_ready_once_it_has_caught_up_and_stays_so_without_a_broker() {
    let surface = Surface::over(&[]);
    surface.ingest.update(|ingest| ingest.started_at = Some(NOW));
    assert_eq!(
        statuses(&surface).await,
        [down(), up(), down()],
        "nobody said where the topic ends"
    );
    surface.ingest.update(|ingest| {
        ingest.last_contact = Some(NOW);
        ingest.end = Cut::from_iter([(0, 10)]);
    });
    surface.set_progress(&[9]);
    assert_eq!(
        statuses(&surface).await,
        [down(), up(), down()],
        "one event is missing"
    );
    surface.set_progress(&[10]);
    assert_eq!(statuses(&surface).await, [up(), up(), up()]);
    surface
        .ingest
        .update(|ingest| ingest.unreachable_since = Some(Millis(NOW.0 - 30_000)));
    assert_eq!(
        statuses(&surface).await,
        [down(), up(), up()],
        "the broker is away"
    );
}

#[tokio::test]
async fn health_shows_every_component_with_its_reason() {
    let surface = Surface::over(&[]);
    surface
        .ingest
        .update(|ingest| ingest.fatal = Some("the topic was deleted and created again".to_owned()));
    let reply = surface.get("/actuator/health").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_json_snapshot!(reply.json());
}

#[tokio::test]
async fn decisions_that_are_read_no_more_are_told_and_a_topic_nobody_made_is_only_shown() {
    let surface = Surface::over(&[]);
    surface.ingest.update(|ingest| {
        ingest.last_contact = Some(NOW);
        ingest.end = Cut::from_iter([(0, 0)]);
    });
    surface.set_progress(&[0]);
    let missing = OpsSnapshot {
        waiting: Some("the ops topic does not exist".to_owned()),
        missing_since: Some(Millis(NOW.0 - 30_000)),
        ..OpsSnapshot::default()
    };
    surface.ops.update(|ops| *ops = missing);
    assert_eq!(statuses(&surface).await, [up(), up(), up()]);
    let reply = surface.get("/actuator/health").await;
    assert_eq!(
        reply.json()["components"]["ops"],
        serde_json::json!({
            "status": "DOWN",
            "details": {"message": "the ops topic does not exist", "next": 0, "end": null, "lag": null},
        })
    );
    let stopped = OpsSnapshot {
        fatal: Some("the ops topic went back".to_owned()),
        next: 4,
        end: Some(6),
        ..OpsSnapshot::default()
    };
    surface.ops.update(|ops| *ops = stopped);
    assert_eq!(statuses(&surface).await, [down(), up(), up()]);
    let reply = surface.get("/actuator/health").await;
    assert_eq!(
        reply.json()["components"]["ops"],
        serde_json::json!({
            "status": "DOWN",
            "details": {"message": "the ops topic went back", "next": 4, "end": 6, "lag": 2},
        })
    );
}
