//! What keeps a request from taking more than its share, and failures from showing more than they
//! should.

use super::gated::Gated;
use super::support::{Reply, Surface, event, stored};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::api::ServerSettings;
use saga_tracker::domain::SagaStatus;
use saga_tracker::store::{
    Batch, Checkpoint, Direction, Durability, Key, Read, SortRange, Store, StoreError, Table, TableRange,
    Usage, VisitRow, VisitTable,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

fn small() -> ServerSettings {
    ServerSettings {
        max_body_bytes: 1000,
        max_header_bytes: 2000,
        max_uri_bytes: 500,
        ..ServerSettings::default()
    }
}

fn hurried() -> ServerSettings {
    ServerSettings {
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
    let surface = Surface::with(hurried(), &[]);
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

/// A surface over one saga, `s`, whose store can keep questions waiting.
fn gated(settings: ServerSettings) -> (Arc<Surface>, Gated) {
    let store = Gated::over(stored(&[event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started)]));
    let surface = Surface::on(settings, Arc::new(store.clone()));
    (Arc::new(surface), store)
}

/// Asks for what waits at the gate of the store.
fn ask(surface: &Arc<Surface>) -> JoinHandle<Reply> {
    let surface = surface.clone();
    tokio::spawn(async move { surface.get("/api/v1/purged/none").await })
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn probes_do_not_queue_behind_scans() {
    let (surface, store) = gated(ServerSettings {
        max_concurrent_scans: 1,
        ..ServerSettings::default()
    });
    let gate = store.close();
    let held = ask(&surface);
    until(|| store.came() == 1).await;
    let waiting = ask(&surface);
    for path in [
        "/actuator/health/liveness",
        "/metrics",
        "/sagas/s",
        "/sagas/s/steps",
        "/internal/v1/snapshots",
    ] {
        let reply = surface.get(path).await;
        assert_ne!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert!(
        !waiting.is_finished() && store.came() == 1,
        "the one place is taken"
    );
    drop(gate);
    for asked in [held, waiting] {
        assert_eq!(asked.await.unwrap().status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn searches_do_not_queue_behind_what_waits_for_an_object_store() {
    let surface = Surface::with(
        ServerSettings {
            max_concurrent_scans: 1,
            ..ServerSettings::default()
        },
        &[],
    );
    let gate = surface.admin.close_gate();
    let lists = async {
        tokio::join!(
            surface.get("/internal/v1/snapshots"),
            surface.get("/internal/v1/snapshots")
        )
    };
    let searches = async {
        for _ in 0..20 {
            assert_eq!(surface.get("/sagas").await.status, StatusCode::OK);
        }
        gate.open();
    };
    let ((first, second), ()) = tokio::join!(lists, searches);
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn so_many_wait_for_what_reads_all_and_further_ones_are_429() {
    let surface = Arc::new(Surface::with(
        ServerSettings {
            max_concurrent_full_reads: 1,
            ..ServerSettings::default()
        },
        &[],
    ));
    let gate = surface.admin.close_gate();
    let digest = || {
        let surface = surface.clone();
        tokio::spawn(async move { surface.get("/internal/v1/digest").await })
    };
    // One has the place, and eight wait for it.
    let mut asked = vec![digest()];
    until(|| !surface.admin.digests.lock().unwrap().is_empty()).await;
    asked.extend((0..9).map(|_| digest()));
    until(|| asked.iter().any(JoinHandle::is_finished)).await;
    let (refused, waiting): (Vec<_>, Vec<_>) = asked.into_iter().partition(JoinHandle::is_finished);
    for reply in refused {
        let reply = reply.await.unwrap();
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert_eq!(waiting.len(), 9);
    gate.open();
    for reply in waiting {
        assert_eq!(reply.await.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_wait_for_a_place_is_bounded_where_the_work_is_not() {
    let surface = Arc::new(Surface::with(
        ServerSettings {
            max_concurrent_full_reads: 1,
            ..hurried()
        },
        &[],
    ));
    let gate = surface.admin.close_gate();
    let other = surface.clone();
    let held = tokio::spawn(async move { other.get("/internal/v1/digest").await });
    until(|| !surface.admin.digests.lock().unwrap().is_empty()).await;
    let late = surface.get("/internal/v1/digest").await;
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!held.is_finished());
    gate.open();
    assert_eq!(held.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_that_waits_for_a_place_is_not_made_when_its_client_goes() {
    let surface = Arc::new(Surface::over(&[]));
    let gate = surface.admin.close_gate();
    let post = |path: &'static str| {
        let surface = surface.clone();
        tokio::spawn(async move { surface.send("POST", path).await })
    };
    // All 64 places are taken by what waits at the gate.
    let holders: Vec<_> = (0..64).map(|_| post("/internal/v1/rebuild")).collect();
    until(|| surface.admin.rebuilds_asked.load(Ordering::SeqCst) == 64).await;
    let left = post("/internal/v1/snapshots");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for holder in holders {
        holder.await.unwrap();
    }
    let by = surface.admin.started_by.lock().unwrap().len();
    assert_eq!(by, 1, "one rebuild, and no snapshot");
    let gave_up = async {
        loop {
            let told = surface.get("/api/v1/audit?result=REFUSED").await;
            if told.text().contains("nobody waits for the answer any more") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gave_up)
        .await
        .unwrap();
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

#[tokio::test]
async fn calls_that_wait_hold_a_bounded_number_of_bytes_and_small_ones_go_on() {
    let surface = Arc::new(Surface::over(&[]));
    let gate = surface.admin.close_gate();
    let change = |bytes: usize| {
        let mut body = br#"{"status": "COMPLETED", "reason": "ticket 7"}"#.to_vec();
        body.resize(bytes.max(body.len()), b' ');
        let request = Request::patch("/internal/v1/sagas/s/status")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let surface = surface.clone();
        tokio::spawn(async move { surface.request(request).await })
    };
    let large: Vec<_> = (0..40).map(|_| change(1 << 20)).collect();
    let ended = || large.iter().filter(|call| call.is_finished()).count();
    until(|| ended() == 8).await;
    let small = change(0);
    gate.open();
    // It was asked: this tracker publishes nothing.
    assert_eq!(small.await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    let mut refused = Vec::new();
    for call in large {
        let reply = call.await.unwrap();
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            refused.push(reply);
        }
    }
    assert_eq!(refused.len(), 8);
    let message = refused[0].json()["message"].to_string();
    assert!(message.contains("send it again later"), "{message}");
    assert_eq!(refused[0].header("retry-after"), "1");
    // There is room again.
    let again = change(1 << 20).await.unwrap();
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
}
