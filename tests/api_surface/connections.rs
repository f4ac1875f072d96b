//! The server on real sockets: who is cut off, and how it stops.

use super::support::{ClosedGate, Surface, event};
use saga_tracker::api::{Server, ServerHandle, ServerSettings};
use saga_tracker::domain::SagaStatus;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    handle: ServerHandle,
    task: JoinHandle<()>,
    surface: Arc<Surface>,
}

impl Running {
    async fn start(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = ServerSettings {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            ..ServerSettings::default()
        };
        change(&mut settings);
        let events: Vec<_> = (0..50)
            .map(|n| event(&format!("saga-{n}"), n, 0, "ORDER_CREATED", SagaStatus::Started))
            .collect();
        let surface = Arc::new(Surface::with(settings.clone(), &events));
        let server = Server::bind(settings, &surface.context).await.unwrap();
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
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("nothing within {PATIENCE:?}"))
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
    format!("GET {path} HTTP/1.1\r\nhost: tracker\r\nconnection: close\r\n{headers}\r\n")
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_cut_off() {
    let server = Running::start(|settings| settings.header_timeout_ms = 200).await;
    let mut slow = server.connect().await;
    let started = Instant::now();
    let answer = exchange(&mut slow, "GET /sagas HTTP/1.1\r\nhost: tr").await;
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
    let server = Running::start(|settings| settings.max_header_bytes = 8 << 10).await;
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

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Running::start(|settings| settings.max_connections = 1).await;
    let mut first = server.connect().await;
    let request = "GET /sagas/saga-1 HTTP/1.1\r\nhost: tracker\r\n\r\n";
    first.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    within(first.read_exact(&mut byte)).await.unwrap();

    let mut second = server.connect().await;
    second
        .write_all(get("/sagas/saga-2", "").as_bytes())
        .await
        .unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "answered while the first connection was open");
    drop(first);
    assert!(text(&read_all(&mut second).await).contains("saga-2"));
    server.stopped().await;
}

#[tokio::test]
async fn a_running_request_ends_before_the_server_does() {
    let server = Running::start(|_| ()).await;
    let (waiting, gate) = digest_under_way(&server).await;
    let mut idle = server.connect().await;
    let answered = "HEAD /actuator/info HTTP/1.1\r\nhost: tracker\r\n\r\n";
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
    gate.open();
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
    gate.open();
    waiting.abort();
}

/// A request that is answered when told to.
async fn digest_under_way(server: &Running) -> (JoinHandle<Vec<u8>>, ClosedGate) {
    let gate = server.surface.admin.close_gate();
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
