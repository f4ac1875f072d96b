//! What runs on behind an answer: snapshots and rebuilds, from the request to their end.

use super::answers::compensated;
use super::support::Surface;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::operations::objects::ObjectsSettings;
use saga_tracker::server::api::ServerSettings;
use std::sync::atomic::Ordering;

/// What the path answers once it is as wanted.
async fn once(
    surface: &Surface,
    path: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let asking = async {
        loop {
            let answer = surface.get(path).await.json();
            if wanted(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, asking).await.unwrap()
}

#[tokio::test]
async fn snapshots_are_made_listed_and_pruned_on_demand() {
    const STATUS: &str = "/internal/v1/snapshots/status";
    let directory = tempfile::tempdir().unwrap();
    let (bucket, data) = (directory.path().join("bucket"), directory.path().join("data"));
    std::fs::create_dir(&bucket).unwrap();
    let objects = ObjectsSettings {
        url: Some(format!("file://{}", bucket.display())),
        ..ObjectsSettings::default()
    };
    std::fs::write(&data, b"in the way").unwrap();
    let scratch = data.join("checkpoint");
    let surface = Surface::snapping(ServerSettings::default(), &compensated(), objects, scratch);
    let begun = surface.send("POST", "/internal/v1/snapshots").await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    assert!(begun.json()["id"].as_str().unwrap().starts_with("20260201T"));
    let failed = once(&surface, STATUS, |status| status["running"].is_null()).await;
    assert_eq!(
        failed["failure"]["trigger"], "request",
        "it has nowhere to copy to"
    );
    assert_eq!(failed["last"], serde_json::Value::Null);
    std::fs::remove_file(&data).unwrap();
    let begun = surface.send("POST", "/internal/v1/snapshots").await.json();
    let made = once(&surface, STATUS, |status| status["running"].is_null()).await;
    assert_eq!(
        (&made["last"]["id"], &made["failure"]),
        (&begun["id"], &serde_json::Value::Null)
    );
    let listed = surface.get("/internal/v1/snapshots?limit=1").await.json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(listed["snapshots"][0]["sentBytes"], made["last"]["sentBytes"]);
    for limit in ["0", "1001", "x", ""] {
        let refused = surface
            .get(&format!("/internal/v1/snapshots?limit={limit}"))
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{limit}");
    }
    for (query, dry_run) in [("?dryRun=true", true), ("", false)] {
        let pruned = surface
            .send("POST", &format!("/internal/v1/snapshots/prune{query}"))
            .await
            .json();
        assert_eq!(
            (&pruned["dryRun"], &pruned["kept"][0], &pruned["deletedFiles"]),
            (&dry_run.into(), &begun["id"], &0.into())
        );
    }
    let refused = surface
        .send("POST", "/internal/v1/snapshots/prune?dryRun=maybe")
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let nowhere = Surface::over(&[]).send("POST", "/internal/v1/snapshots").await;
    assert_eq!(nowhere.status, StatusCode::CONFLICT);
    assert!(
        nowhere.json()["message"]
            .as_str()
            .unwrap()
            .contains("objects.url")
    );
}

#[tokio::test]
async fn one_rebuild_runs_at_a_time_and_is_followed_to_its_end() {
    const PATH: &str = "/internal/v1/rebuild";
    let surface = Surface::over(&compensated());
    let idle = surface.get(PATH).await.json();
    assert_eq!(
        (&idle["phase"], &idle["generation"]),
        (&"idle".into(), &"a".into())
    );
    let gate = surface.gate.close();
    let started = surface.send("POST", PATH).await;
    assert_eq!(started.status, StatusCode::ACCEPTED);
    assert_eq!(started.json()["phase"], "folding");
    assert_eq!(surface.get(PATH).await.json()["running"], true);
    for path in [PATH, "/internal/v1/replay"] {
        let request = Request::post(path).header("content-type", "application/json");
        let again = surface.request(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(
            (again.status, again.json()["error"].as_str()),
            (StatusCode::CONFLICT, Some("CONFLICT")),
            "{path}"
        );
    }
    drop(gate);
    let ended = once(&surface, PATH, |status| status["running"] == false).await;
    assert_eq!(
        (&ended["phase"], &ended["generation"], &ended["error"]),
        (&"done".into(), &"b".into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn a_rebuild_without_room_for_other_projections_is_not_started() {
    const PATH: &str = "/internal/v1/rebuild";
    let surface = Surface::over(&compensated());
    surface.room.0.store(999, Ordering::Relaxed);
    let refused = surface.send("POST", PATH).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("999 bytes are free, and 1000 must be"),
        "{message}"
    );
    assert_eq!(surface.get(PATH).await.json()["phase"], "idle");
    surface.room.0.store(1_000, Ordering::Relaxed);
    assert_eq!(surface.send("POST", PATH).await.status, StatusCode::ACCEPTED);
}
