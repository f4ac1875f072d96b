//! What keeps a request from taking more than its share, and failures from showing more than they
//! should.

use super::gated::Closed;
use super::support::{Reply, Surface, event};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::domain::SagaStatus;
use saga_tracker::operations::objects::ObjectsSettings;
use saga_tracker::server::api::ServerSettings;
use saga_tracker::store::{
    Batch, Direction, Durability, Key, SortRange, Store, StoreError, StoreRead, Table, Usage, VisitRow,
    VisitTable,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn small() -> ServerSettings {
    ServerSettings {
        body_limit_bytes: 1000,
        header_limit_bytes: 2000,
        uri_limit_bytes: 500,
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
    let gate = surface.gate.close();
    let reply = surface.get("/api/v1/purged/none").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.json()["error"], "SERVICE_UNAVAILABLE");
    assert_eq!(reply.header("retry-after"), "1");
    let unbounded =
        tokio::time::timeout(Duration::from_millis(150), surface.get("/internal/v1/digest")).await;
    assert!(unbounded.is_err(), "a digest may take longer than other answers");
    drop(gate);
}

/// A surface over one saga, `s`.
fn over_one(settings: ServerSettings) -> Arc<Surface> {
    let events = [event("s", 0, 0, "ORDER_CREATED", SagaStatus::Started)];
    Arc::new(Surface::with(settings, &events))
}

/// Asks for what waits at the gate of the store.
fn ask(surface: &Arc<Surface>) -> JoinHandle<Reply> {
    let surface = surface.clone();
    tokio::spawn(async move { surface.get("/api/v1/purged/none").await })
}

fn digest(surface: &Arc<Surface>) -> JoinHandle<Reply> {
    let surface = surface.clone();
    tokio::spawn(async move { surface.get("/internal/v1/digest").await })
}

/// A surface with one place for what reads all, which is taken until the gate opens.
async fn full_read_under_way(settings: ServerSettings) -> (Arc<Surface>, Closed, JoinHandle<Reply>) {
    let settings = ServerSettings {
        max_concurrent_full_reads: 1,
        ..settings
    };
    let surface = Arc::new(Surface::with(settings, &[]));
    let gate = surface.gate.close();
    let held = digest(&surface);
    until(|| surface.gate.came() == 1).await;
    (surface, gate, held)
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
    let surface = over_one(ServerSettings {
        max_concurrent_scans: 1,
        ..ServerSettings::default()
    });
    let gate = surface.gate.close();
    let held = ask(&surface);
    until(|| surface.gate.came() == 1).await;
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
        !waiting.is_finished() && surface.gate.came() == 1,
        "the one place is taken"
    );
    drop(gate);
    for asked in [held, waiting] {
        assert_eq!(asked.await.unwrap().status, StatusCode::NOT_FOUND);
    }
}

/// An empty bucket that answers when it is told to.
async fn slow_bucket() -> (ObjectsSettings, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = ObjectsSettings {
        url: Some("s3://bucket".to_owned()),
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        region: Some("here".to_owned()),
        access_key: Some("key".to_owned()),
        secret_key: Some("secret".to_owned().into()),
        allow_http: true,
        ..ObjectsSettings::default()
    };
    let answer = CancellationToken::new();
    let told = answer.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                told.cancelled().await;
                let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{list}", list.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (settings, answer)
}

#[tokio::test]
async fn searches_do_not_queue_behind_what_waits_for_an_object_store() {
    let settings = ServerSettings {
        max_concurrent_scans: 1,
        ..ServerSettings::default()
    };
    let (objects, answer) = slow_bucket().await;
    let surface = Surface::snapping(settings, &[], objects, PathBuf::new());
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
        answer.cancel();
    };
    let ((first, second), ()) = tokio::join!(lists, searches);
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn so_many_wait_for_what_reads_all_and_further_ones_are_429() {
    // One has the place, and eight wait for it.
    let (surface, gate, held) = full_read_under_way(ServerSettings::default()).await;
    let mut asked = vec![held];
    asked.extend((0..9).map(|_| digest(&surface)));
    until(|| asked.iter().any(JoinHandle::is_finished)).await;
    let (refused, waiting): (Vec<_>, Vec<_>) = asked.into_iter().partition(JoinHandle::is_finished);
    for reply in refused {
        let reply = reply.await.unwrap();
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert_eq!(waiting.len(), 9);
    drop(gate);
    for reply in waiting {
        assert_eq!(reply.await.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_wait_for_a_place_is_bounded_where_the_work_is_not() {
    let (surface, gate, held) = full_read_under_way(hurried()).await;
    let late = surface.get("/internal/v1/digest").await;
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!held.is_finished());
    drop(gate);
    assert_eq!(held.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn flows_and_catalogues_wait_with_what_reads_much_and_not_before_searches() {
    let (surface, gate, held) = full_read_under_way(hurried()).await;
    for path in ["/api/v1/flow?sagaType=ORDER_CREATION", "/api/v1/flow/catalogue"] {
        let late = surface.get(path).await;
        assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(surface.get("/sagas").await.status, StatusCode::OK);
    drop(gate);
    assert_eq!(held.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_that_waits_for_a_place_is_not_made_when_its_client_goes() {
    let surface = over_one(ServerSettings::default());
    let gate = surface.broker.gate.close();
    let send = |request: axum::http::request::Builder, body: &'static str| {
        let surface = surface.clone();
        tokio::spawn(async move { surface.request(request.body(Body::from(body)).unwrap()).await })
    };
    let change = || {
        let request =
            Request::patch("/internal/v1/sagas/s/status").header("content-type", "application/json");
        send(request, r#"{"status": "FAILED", "reason": "test"}"#)
    };
    // All 64 places are taken by what waits for the broker.
    let holders: Vec<_> = (0..64).map(|_| change()).collect();
    until(|| surface.broker.gate.came() == 64).await;
    let left = send(Request::post("/internal/v1/rebuild"), "");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(gate);
    for holder in holders {
        assert_eq!(holder.await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    }
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
    assert_eq!(surface.get("/internal/v1/rebuild").await.json()["phase"], "idle");
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
    let gate = surface.gate.close();
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
        drop(gate);
    };
    let ((first, second, third), ()) = tokio::join!(digests, searches);
    for reply in [first, second, third] {
        assert_eq!(reply.status, StatusCode::OK);
    }
}

/// A surface over so many sagas, each of a type of its own.
fn of_many_types(settings: ServerSettings, types: u64) -> Arc<Surface> {
    let events: Vec<_> = (0..types)
        .map(|n| {
            let mut event = event(&format!("s{n}"), n, 0, "ORDER_CREATED", SagaStatus::Started);
            event.saga_type = format!("TYPE_{n}").into();
            event
        })
        .collect();
    Arc::new(Surface::with(settings, &events))
}

/// A hundred calls at once.
fn a_hundred(surface: &Arc<Surface>, path: &'static str) -> Vec<JoinHandle<Reply>> {
    let call = || {
        let surface = surface.clone();
        tokio::spawn(async move { surface.get(path).await })
    };
    (0..100).map(|_| call()).collect()
}

#[tokio::test]
async fn a_hundred_statistics_over_many_types_do_not_keep_searches_from_being_answered() {
    let surface = of_many_types(ServerSettings::default(), 1_200);
    let statistics = a_hundred(&surface, "/sagas/statistics");
    for _ in 0..20 {
        let found = surface.get("/sagas?sagaType=TYPE_7").await;
        assert_eq!(found.status, StatusCode::OK);
        assert_eq!(found.json()["page"]["totalElements"], 1);
    }
    for asked in statistics {
        let reply = asked.await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.json()["total"], 1_200);
    }
}

#[tokio::test]
async fn a_hundred_statistics_that_look_at_each_saga_wait_with_what_reads_much_and_not_before_searches() {
    let (surface, gate, held) = full_read_under_way(ServerSettings::default()).await;
    let statistics = a_hundred(&surface, "/sagas/statistics?include=details");
    // One has the place, and eight wait for it.
    until(|| statistics.iter().filter(|asked| asked.is_finished()).count() == 92).await;
    for _ in 0..20 {
        assert_eq!(surface.get("/sagas").await.status, StatusCode::OK);
        assert_eq!(surface.get("/sagas/statistics").await.status, StatusCode::OK);
    }
    drop(gate);
    assert_eq!(held.await.unwrap().status, StatusCode::OK);
    let mut answered = 0;
    for asked in statistics {
        match asked.await.unwrap().status {
            StatusCode::OK => answered += 1,
            refused => assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    assert_eq!(answered, 8);
}

#[tokio::test]
async fn a_panic_is_a_500_and_says_nothing_of_its_cause() {
    let store = Arc::new(Broken(|| panic!("the test wants a panic")));
    let surface = Surface::asking(ServerSettings::default(), store);
    for path in ["/sagas/s", "/sagas", "/actuator/health"] {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reply.json()["error"], "INTERNAL_ERROR");
        assert!(!reply.text().contains("the test wants"), "{reply:?}");
    }
}

/// A store in which every read finds damage, or a disk that refuses.
struct Broken(fn() -> StoreError);

impl StoreRead for Broken {
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

    fn scan_table(&self, _: Table, _: &mut VisitTable<'_>) -> Result<(), StoreError> {
        Err((self.0)())
    }
}

impl Store for Broken {
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
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
    let surface = Surface::asking(ServerSettings::default(), store);
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
    let surface = Surface::asking(ServerSettings::default(), store);
    for path in QUESTIONS {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(reply.header("retry-after"), "10");
    }
}

#[tokio::test]
async fn calls_that_wait_hold_a_bounded_number_of_bytes_and_small_ones_go_on() {
    let surface = over_one(ServerSettings::default());
    let gate = surface.broker.gate.close();
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
    drop(gate);
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
