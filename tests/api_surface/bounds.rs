//! What keeps a request from taking more than its share, and failures from showing more than they
//! should.

use super::support::Surface;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::api::ServerSettings;
use saga_tracker::store::{
    Batch, Checkpoint, Direction, Durability, Key, Read, SortRange, Store, StoreError, Table, TableRange,
    Usage, VisitRow, VisitTable,
};
use std::sync::Arc;
use std::time::Duration;

fn small() -> ServerSettings {
    ServerSettings {
        max_body_bytes: 1000,
        max_header_bytes: 2000,
        max_uri_bytes: 500,
        request_timeout_ms: 50,
        ..ServerSettings::default()
    }
}

#[tokio::test]
async fn a_request_within_the_limits_passes_and_one_beyond_is_refused() {
    let surface = Surface::with(small(), &[]);
    let request = |uri: usize, header: usize, body: usize| {
        let uri = format!("/api/v1/sagas?{}", "x".repeat(uri));
        let body = Body::from(vec![b' '; body]);
        surface.request(
            Request::get(uri)
                .header("x-filler", "x".repeat(header))
                .body(body)
                .unwrap(),
        )
    };
    assert_eq!(request(400, 1000, 1000).await.status, StatusCode::OK);
    for (reply, status, error) in [
        (request(500, 0, 0).await, StatusCode::URI_TOO_LONG, "URI_TOO_LONG"),
        (
            request(0, 2000, 0).await,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEADERS_TOO_LARGE",
        ),
        (
            request(0, 0, 1001).await,
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
        ),
    ] {
        assert_eq!(reply.status, status);
        assert_eq!(reply.json()["error"], error);
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_503() {
    let surface = Surface::with(small(), &[]);
    let gate = surface.admin.close_gate();
    let reply = surface.send("POST", "/internal/v1/rebuild").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.json()["error"], "SERVICE_UNAVAILABLE");
    assert_eq!(reply.header("retry-after"), "1");
    let unbounded =
        tokio::time::timeout(Duration::from_millis(150), surface.get("/internal/v1/digest")).await;
    assert!(unbounded.is_err(), "a digest may take longer than other answers");
    gate.open();
}

#[tokio::test]
async fn probes_do_not_queue_behind_scans() {
    let surface = Surface::with(
        ServerSettings {
            max_concurrent_scans: 1,
            ..small()
        },
        &[],
    );
    let gate = surface.admin.close_gate();
    // Takes the one place, and longer than a request may.
    let held = surface.get("/internal/v1/snapshots").await;
    assert_eq!(held.status, StatusCode::SERVICE_UNAVAILABLE);
    let scan = surface.get("/sagas").await;
    assert_eq!(
        scan.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the one place is taken"
    );
    for path in ["/actuator/health/liveness", "/metrics", "/sagas/none"] {
        assert_ne!(
            surface.get(path).await.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    gate.open();
    assert_eq!(until_ok(&surface, "/sagas").await, StatusCode::OK);
}

/// Asks until what was in the way is over.
async fn until_ok(surface: &Surface, path: &str) -> StatusCode {
    for _ in 0..200 {
        if surface.get(path).await.status == StatusCode::OK {
            return StatusCode::OK;
        }
    }
    surface.get(path).await.status
}

#[tokio::test]
async fn what_reads_all_of_something_does_not_keep_searches_waiting() {
    let surface = Surface::with(
        ServerSettings {
            max_concurrent_scans: 1,
            max_concurrent_full_reads: 1,
            ..ServerSettings::default()
        },
        &[],
    );
    let gate = surface.admin.close_gate();
    let digests = async {
        tokio::join!(
            surface.get("/internal/v1/digest"),
            surface.get("/internal/v1/digest"),
            surface.get("/api/v1/audit/verification")
        )
    };
    let searches = async {
        for _ in 0..20 {
            assert_eq!(surface.get("/sagas").await.status, StatusCode::OK);
        }
        gate.open();
    };
    let ((first, second, third), ()) = tokio::join!(digests, searches);
    for reply in [first, second, third] {
        assert_eq!(reply.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_says_nothing_of_its_cause() {
    let surface = Surface::over(&[]);
    *surface.admin.panics.lock().unwrap() = true;
    for path in ["/internal/v1/progress", "/actuator/health"] {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reply.json()["error"], "INTERNAL_ERROR");
        assert!(!reply.text().contains("the test wants"), "{reply:?}");
    }
}

/// A store in which every read finds damage, or a disk that refuses.
struct Broken(fn() -> StoreError);

impl Read for Broken {
    fn get(&self, _: Table, _: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Err((self.0)())
    }

    fn multi_get(&self, _: Table, _: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        Err((self.0)())
    }

    fn scan(
        &self,
        _: Table,
        _: &[u8],
        _: SortRange<'_>,
        _: Direction,
        _: usize,
        _: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        Err((self.0)())
    }

    fn scan_table(&self, _: &TableRange, _: &mut VisitTable<'_>) -> Result<(), StoreError> {
        Err((self.0)())
    }
}

impl Store for Broken {
    fn snapshot(&self) -> Box<dyn Read + Send + Sync + '_> {
        Box::new(Broken(self.0))
    }

    fn write(&self, _: &Batch, _: Durability) -> Result<(), StoreError> {
        Err((self.0)())
    }

    fn clear(&self, _: Table) -> Result<(), StoreError> {
        Err((self.0)())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Err((self.0)())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Err((self.0)())
    }

    fn reclaim(&self, _: Table) -> Result<(), StoreError> {
        Ok(())
    }

    fn table_bytes(&self, _: Table) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn split(&self, _: Table, _: usize) -> Result<Vec<TableRange>, StoreError> {
        Err((self.0)())
    }

    fn checkpoint(&self, _: &std::path::Path) -> Result<Checkpoint, StoreError> {
        Err((self.0)())
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

const QUESTIONS: [&str; 4] = ["/sagas/s", "/sagas/s/steps", "/sagas", "/sagas/statistics"];

#[tokio::test]
async fn damage_is_reported_and_never_served() {
    let store = Arc::new(Broken(|| {
        StoreError::Corrupt("a.instances: 3 bytes too many".to_owned())
    }));
    let surface = Surface::on(ServerSettings::default(), store);
    for path in QUESTIONS {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("the store is damaged") && message.contains("restore a snapshot"),
            "{message}"
        );
    }
    assert_eq!(
        surface.get("/actuator/health/liveness").await.json()["components"]["db"]["status"],
        "DOWN"
    );
    assert!(
        surface
            .get("/metrics")
            .await
            .text()
            .contains("\nsaga_tracker_store_readable 0\n")
    );
}

#[tokio::test]
async fn a_disk_that_refuses_is_503() {
    let store = Arc::new(Broken(|| StoreError::Disk("no space left on device".to_owned())));
    let surface = Surface::on(ServerSettings::default(), store);
    for path in QUESTIONS {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(reply.header("retry-after"), "10");
    }
}
