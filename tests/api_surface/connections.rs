//! The server on real sockets: who is cut off, and how it stops.

use super::gated::Closed;
use super::support::{Surface, event};
use saga_tracker::domain::{Event, MetadataForm, Position, SagaStatus};
use saga_tracker::server::api::{Server, ServerHandle, ServerSettings};
use saga_tracker::store::codec::Record;
use saga_tracker::store::records::{DeadLetterRecord, DeadLetterSummaryRecord};
use saga_tracker::store::{Batch, Durability, Key, Table, keys};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Nothing here takes longer, unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(20);

struct Running {
    handle: ServerHandle,
    task: JoinHandle<()>,
    surface: Arc<Surface>,
}

impl Running {
    async fn start(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let events: Vec<_> = (0..50)
            .map(|n| event(&format!("saga-{n}"), n, 0, "ORDER_CREATED", SagaStatus::Started))
            .collect();
        Self::over(&events, change).await
    }

    async fn over(events: &[Event], change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = ServerSettings {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            ..ServerSettings::default()
        };
        change(&mut settings);
        let surface = Arc::new(Surface::with(settings.clone(), events));
        let server = Server::bind(settings, &surface.context, surface.router.clone())
            .await
            .unwrap();
        Self {
            handle: server.handle(),
            task: tokio::spawn(server.run()),
            surface,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.handle.address()).await.unwrap()
    }

    async fn stopped(self) {
        self.handle.stop();
        within(self.task).await.unwrap();
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, work)
        .await
        .unwrap_or_else(|_| panic!("nothing within {TIMEOUT:?}"))
}

/// Sends, and reads until the server closes the connection.
async fn exchange(stream: &mut TcpStream, request: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(stream).await
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    answer
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_cut_off() {
    let server = Running::start(|settings| settings.header_timeout_ms = 200).await;
    let mut slow = server.connect().await;
    let started = Instant::now();
    let answer = exchange(&mut slow, "GET /sagas HTTP/1.1\r\nhost: lo").await;
    assert!(
        started.elapsed() >= Duration::from_millis(150),
        "{:?}",
        started.elapsed()
    );
    assert!(!text(&answer).contains("200 OK"), "{}", text(&answer));
    let mut silent = server.connect().await;
    assert_eq!(read_all(&mut silent).await, b"");
    server.stopped().await;
}

#[tokio::test]
async fn headers_beyond_all_limits_are_431() {
    let server = Running::start(|settings| settings.header_limit_bytes = 8 << 10).await;
    for bytes in [9 << 10, 60 << 10] {
        let filler = format!("x-filler: {}\r\n", "x".repeat(bytes));
        let answer = exchange(&mut server.connect().await, &get("/sagas", &filler)).await;
        assert!(text(&answer).starts_with("HTTP/1.1 431 "), "{}", text(&answer));
    }
    server.stopped().await;
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_asks_and_short_ones_are_not() {
    let server = Running::start(|_| ()).await;
    let magic: [(&str, &[u8]); 2] = [("gzip", &[0x1f, 0x8b]), ("zstd", &[0x28, 0xb5, 0x2f, 0xfd])];
    let plain = exchange(&mut server.connect().await, &get("/sagas", "")).await;
    for (encoding, magic) in magic {
        let accept = format!("accept-encoding: {encoding}\r\n");
        let answer = exchange(&mut server.connect().await, &get("/sagas", &accept)).await;
        let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        assert!(text(&answer[..body]).contains(&format!("content-encoding: {encoding}\r\n")));
        assert!(answer[body..].windows(magic.len()).any(|bytes| bytes == magic));
        assert!(
            answer.len() * 3 < plain.len(),
            "{} of {}",
            answer.len(),
            plain.len()
        );
        let short = exchange(&mut server.connect().await, &get("/sagas/saga-1", &accept)).await;
        assert!(!text(&short).contains("content-encoding"), "{}", text(&short));
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_request_id_is_echoed_or_given() {
    let server = Running::start(|_| ()).await;
    let id = |answer: Vec<u8>| {
        let text = text(&answer);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "))
            .map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let sent = exchange(
        &mut server.connect().await,
        &get("/sagas/saga-1", "x-request-id: req-7\r\n"),
    )
    .await;
    assert_eq!(id(sent), "req-7");
    for headers in ["", "x-request-id: two words\r\n"] {
        let given = id(exchange(&mut server.connect().await, &get("/nowhere", headers)).await);
        assert!(uuid::Uuid::parse_str(&given).is_ok(), "{given}");
    }
    server.stopped().await;
}

/// A request that announces a body and sends none.
async fn begun_post(server: &Running, path: &str) -> TcpStream {
    let mut stream = server.connect().await;
    send_head(&mut stream, path).await;
    stream
}

async fn send_head(stream: &mut TcpStream, path: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Asks on new connections until it is answered so.
async fn until_answered(server: &Running, path: &str, with: &str) -> String {
    within(async {
        loop {
            let mut stream = server.connect().await;
            // A place may be given to another before the answer is there.
            let mut answer = Vec::new();
            if stream.write_all(get(path, "").as_bytes()).await.is_ok() {
                let _ = stream.read_to_end(&mut answer).await;
            }
            if text(&answer).starts_with(with) {
                return text(&answer);
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

const LIVENESS: &str = "/actuator/health/liveness";

#[tokio::test]
async fn liveness_is_answered_while_posts_without_a_body_hold_every_place() {
    let server = Running::start(|settings| {
        settings.max_connections = 4;
        settings.body_timeout_ms = 60_000;
    })
    .await;
    let mut posts = Vec::new();
    for path in ["/internal/v1/sagas/replay", "/internal/v1/replay"].repeat(2) {
        posts.push(begun_post(&server, path).await);
    }
    let refused = until_answered(&server, "/sagas", "HTTP/1.1 503 ").await;
    assert!(refused.contains("retry-after: 1\r\n") && refused.contains("too many connections"));
    for _ in 0..100 {
        for path in [LIVENESS, "/actuator/health/readiness", "/actuator/health"] {
            let answer = text(&exchange(&mut server.connect().await, &get(path, "")).await);
            assert!(answer.contains("\"db\""), "{path}: {answer}");
        }
    }
    drop(posts);
    until_answered(&server, "/sagas", "HTTP/1.1 200 ").await;
    server.stopped().await;
}

#[tokio::test]
async fn liveness_is_answered_among_any_number_of_silent_connections() {
    let server = Running::start(|settings| settings.max_connections = 4).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(begun_post(&server, "/internal/v1/replay").await);
    }
    for _ in 0..10 {
        for _ in 0..40 {
            held.push(server.connect().await);
        }
        until_answered(&server, LIVENESS, "HTTP/1.1 200 ").await;
    }
    drop(held);
    server.stopped().await;
}

#[tokio::test]
async fn idle_connections_make_room() {
    let server = Running::start(|settings| {
        settings.max_connections = 4;
        settings.header_timeout_ms = 600_000;
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(server.connect().await);
    }
    until_answered(&server, "/sagas", "HTTP/1.1 200 ").await;
    assert_eq!(
        read_all(&mut idle[0]).await,
        b"",
        "the one that is idle longest is closed"
    );
    server.stopped().await;
}

/// More than all buffers between the tracker and a client that does not read.
fn long_timeline() -> Vec<Event> {
    let long = |n| Event {
        metadata: Some("x".repeat(64 << 10).as_str().into()),
        metadata_form: MetadataForm::Verbatim,
        ..event("long", n, 0, "ORDER_CREATED", SagaStatus::Started)
    };
    (0..500).map(long).collect()
}

#[tokio::test]
async fn a_connection_that_is_sent_an_answer_is_not_idle() {
    let server = Running::over(&long_timeline(), |settings| settings.max_connections = 1).await;
    let mut reader = server.connect().await;
    let request = get("/sagas/long/steps", "");
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1 << 10];
    within(reader.read_exact(&mut answer)).await.unwrap();
    // Whatever is idle for a second makes room.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        let other = text(&exchange(&mut server.connect().await, &get("/sagas", "")).await);
        assert!(other.starts_with("HTTP/1.1 503 "), "{other}");
    }
    answer.extend(read_all(&mut reader).await);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"]}\r\n0\r\n\r\n"));
    server.stopped().await;
}

/// Clients that ask, take the first bytes of the answer and then no more.
async fn readers_that_stop(server: &Running, path: &str, count: usize) -> Vec<TcpStream> {
    let mut readers = Vec::new();
    for _ in 0..count {
        let mut reader = server.connect().await;
        reader.write_all(get(path, "").as_bytes()).await.unwrap();
        within(reader.read_exact(&mut [0; 1 << 10])).await.unwrap();
        readers.push(reader);
    }
    readers
}

/// A connection from another peer.
async fn connect_from(server: &Running, address: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(server.handle.address()).await.unwrap()
}

/// Half of the threads on which timelines, or dead letters, wait for whom they are sent to.
const HALF: usize = 4;

#[tokio::test]
async fn readers_that_do_not_read_keep_no_searches_waiting() {
    let server = Running::over(&long_timeline(), |settings| settings.max_concurrent_scans = 1).await;
    let readers = readers_that_stop(&server, "/sagas/long/steps", HALF).await;
    let answer = text(&exchange(&mut server.connect().await, &get("/sagas", "")).await);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // A further timeline waits for one of those, and comes when one of them has left.
    let mut another = server.connect().await;
    another
        .write_all(get("/sagas/long/steps?size=1", "").as_bytes())
        .await
        .unwrap();
    drop(readers);
    assert!(text(&read_all(&mut another).await).starts_with("HTTP/1.1 200 "));
    server.stopped().await;
}

#[tokio::test]
async fn slow_readers_of_one_peer_take_timelines_away_from_no_other() {
    let server = Running::over(&long_timeline(), |_| ()).await;
    let request = get("/sagas/long/steps", "");
    let mut slow = Vec::new();
    for _ in 0..4 * HALF {
        let mut reader = connect_from(&server, "127.0.0.2").await;
        reader.write_all(request.as_bytes()).await.unwrap();
        slow.push(reader);
    }
    for reader in &mut slow[..HALF] {
        within(reader.read_exact(&mut [0; 1 << 10])).await.unwrap();
    }
    let short = get("/sagas/long/steps?size=1", "");
    let answer = text(&exchange(&mut server.connect().await, &short).await);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(slow);
    server.stopped().await;
}

/// A dead letter whose details have more bytes than all buffers between the tracker and a client.
fn add_large_letter(surface: &Surface) {
    // Each takes six bytes in JSON.
    let value = vec![1; 2 << 20];
    let letter = DeadLetterRecord {
        topic: "topic",
        reason: "bad_magic",
        detail: "",
        arrived_at: 0,
        timestamp: None,
        key: None,
        value: Some(&value),
        headers: Vec::new(),
    };
    let listed = DeadLetterSummaryRecord {
        topic: "topic",
        reason: "bad_magic",
        detail: "",
        arrived_at: 0,
        bytes: value.len() as u64,
        value: [0; 16],
        event_id: None,
        saga_id: None,
        saga_type: None,
        step: None,
        status: None,
    };
    let (mut key, mut batch) = (Key::default(), Batch::new());
    keys::by_offset(&mut key, Position::new(0, 7));
    batch.put_with(Table::DeadLetters, &key, |bytes| letter.write(bytes));
    batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
    surface.store.write(&batch, Durability::Process).unwrap();
}

#[tokio::test]
async fn a_dead_letter_is_sent_while_it_is_read_to_so_many_at_once() {
    let server = Running::start(|_| ()).await;
    add_large_letter(&server.surface);
    let path = "/api/v1/dead-letters/0-7";
    let whole = text(&exchange(&mut server.connect().await, &get(path, "")).await);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(
        body.len() > 14 << 20 && body.ends_with("}\r\n0\r\n\r\n"),
        "{}",
        body.len()
    );

    let readers = readers_that_stop(&server, path, HALF).await;
    let mut another = server.connect().await;
    another.write_all(get(path, "").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), another.read_u8()).await;
    assert!(
        early.is_err(),
        "what it would be sent is not held in memory before there is a place"
    );
    drop(readers);
    within(another.read_u8()).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn one_peer_cannot_take_the_places_of_others() {
    let server = Running::start(|settings| settings.max_connections_per_peer = 2).await;
    let mut posts = Vec::new();
    for _ in 0..2 {
        posts.push(begun_post(&server, "/internal/v1/replay").await);
    }
    until_answered(&server, "/sagas", "HTTP/1.1 503 ").await;
    let mut theirs = connect_from(&server, "127.0.0.2").await;
    let answer = text(&exchange(&mut theirs, &get("/sagas", "")).await);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(posts);
    server.stopped().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_on_every_route() {
    let server = Running::start(|settings| settings.body_timeout_ms = 50).await;
    for path in [
        "/internal/v1/sagas/replay",
        "/internal/v1/replay",
        "/api/v1/dead-letters/redrive",
        "/api/v1/dead-letters/discard",
        "/api/v1/holds",
        "/api/v1/archive/s/restore",
    ] {
        let mut post = begun_post(&server, path).await;
        let answer = text(&read_all(&mut post).await);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("\"error\":\"REQUEST_TIMEOUT\""), "{answer}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_digest_ends_when_its_client_goes_away() {
    let server = Running::start(|_| ()).await;
    let gate = server.surface.gate.close();
    let mut client = server.connect().await;
    let request = get("/internal/v1/digest", "");
    client.write_all(request.as_bytes()).await.unwrap();
    let surface = server.surface.clone();
    let until = async |what: fn(&Surface) -> bool| {
        while !what(&surface) {
            tokio::task::yield_now().await;
        }
    };
    within(until(|surface| surface.gate.came() == 1)).await;
    assert!(!server.surface.gate.gave_up());
    drop(client);
    within(until(|surface| surface.gate.gave_up())).await;
    drop(gate);
    server.stopped().await;
}

#[tokio::test]
async fn a_name_that_leads_to_a_loopback_address_is_not_served() {
    let server = Running::start(|_| ()).await;
    for (host, status) in [("evil.example", 403), ("localhost", 200), ("127.0.0.1:8086", 200)] {
        let request = get("/sagas", "").replace("host: localhost", &format!("host: {host}"));
        let answer = text(&exchange(&mut server.connect().await, &request).await);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{host}: {answer}"
        );
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_running_request_ends_before_the_server_does() {
    let server = Running::start(|_| ()).await;
    let (waiting, gate) = digest_under_way(&server).await;
    let mut idle = server.connect().await;
    let answered = "HEAD /actuator/info HTTP/1.1\r\nhost: localhost\r\n\r\n";
    idle.write_all(answered.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(idle.read_u8()).await.unwrap());
    }
    server.handle.stop();
    assert_eq!(
        read_all(&mut idle).await,
        b"",
        "an idle connection is closed at once"
    );
    drop(gate);
    assert!(text(&within(waiting).await.unwrap()).starts_with("HTTP/1.1 200 OK"));
    within(server.task).await.unwrap();
    assert!(TcpStream::connect(server.handle.address()).await.is_err());
}

#[tokio::test]
async fn the_grace_of_a_shutdown_is_bounded() {
    let server = Running::start(|settings| settings.shutdown_grace_ms = 100).await;
    let (waiting, gate) = digest_under_way(&server).await;
    let started = Instant::now();
    server.handle.stop();
    within(server.task).await.unwrap();
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(100)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    drop(gate);
    waiting.abort();
}

/// A request that is answered when told to.
async fn digest_under_way(server: &Running) -> (JoinHandle<Vec<u8>>, Closed) {
    let gate = server.surface.gate.close();
    let mut stream = server.connect().await;
    stream
        .write_all(get("/internal/v1/digest", "").as_bytes())
        .await
        .unwrap();
    // Connections are accepted in order: when this later one is answered, the other is being served.
    let probe = exchange(&mut server.connect().await, &get("/actuator/info", "")).await;
    assert!(text(&probe).starts_with("HTTP/1.1 200 OK"), "{}", text(&probe));
    (tokio::spawn(async move { read_all(&mut stream).await }), gate)
}

#[tokio::test]
async fn who_watches_is_told_of_the_end_and_does_not_hold_it_up() {
    let server = Running::start(|settings| settings.shutdown_grace_ms = 15_000).await;
    let mut viewer = server.connect().await;
    viewer
        .write_all(get("/api/v1/live", "").as_bytes())
        .await
        .unwrap();
    within(viewer.read_exact(&mut [0; 256])).await.unwrap();
    let started = Instant::now();
    server.stopped().await;
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let rest = text(&read_all(&mut viewer).await);
    assert!(rest.contains("event: end\ndata: {}\n\n"), "{rest}");
}
