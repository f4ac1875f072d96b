//! Servers in processes of their own, and a client that costs little.

use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Requests under way at the same time in a load.
const CONNECTIONS: usize = 16;

/// A server that dies with its handle.
pub(crate) struct Server {
    child: Child,
    port: u16,
    started: Instant,
}

impl Server {
    /// The release binary with default settings, on this topic and store.
    pub(crate) fn tracker(settings: &Settings, topic: &str, data: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        std::fs::create_dir_all(data)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(data.with_extension("log"))?;
        let started = Instant::now();
        let child = Command::new(&settings.tracker)
            .arg("serve")
            .env("KAFKA_BOOTSTRAP_SERVERS", &settings.bootstrap)
            .env("KAFKA_TOPIC_SAGA_TRACKER", topic)
            .env("KAFKA_TOPIC_SAGA_TRACKER_DLT", format!("{topic}.dlt"))
            .env("SAGA_TRACKER_BIND", "127.0.0.1")
            .env("SERVER_PORT", port.to_string())
            .env("SAGA_TRACKER_DATA_DIR", data)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", settings.tracker.display()))?;
        Ok(Self { child, port, started })
    }

    /// The page that never changes.
    pub(crate) fn constant(body: &str) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["child", "constant", body])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self {
            child,
            port: line.trim().parse()?,
            started,
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it, once it listens.
    pub(crate) fn connect(&mut self) -> anyhow::Result<Connection> {
        loop {
            match Connection::open(self.port) {
                Ok(connection) => return Ok(connection),
                Err(error) if self.started.elapsed() > TIMEOUT => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it calls itself ready. Since its start, that took so long.
    pub(crate) fn ready(&mut self, timeout: Duration) -> anyhow::Result<Duration> {
        let mut connection = self.connect()?;
        while connection.get("/actuator/health/readiness")?.0 != 200 {
            anyhow::ensure!(self.started.elapsed() < timeout, "not ready after {timeout:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.started.elapsed())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Requests per second of several clients that go round these paths for so long.
    pub(crate) fn load(&mut self, paths: &[String], how_long: Duration) -> anyhow::Result<f64> {
        let mut connections = (0..CONNECTIONS)
            .map(|_| self.connect())
            .collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Vec<u8>> = paths.iter().map(|path| request(path)).collect();
        let mut next = requests.iter().cycle();
        let started = Instant::now();
        let mut answered = 0u32;
        while started.elapsed() < how_long {
            for (connection, request) in connections.iter_mut().zip(next.by_ref()) {
                connection.stream.write_all(request)?;
            }
            for connection in &mut connections {
                let (status, _) = connection.answer()?;
                anyhow::ensure!(status == 200, "status {status} under load");
                answered += 1;
            }
        }
        Ok(f64::from(answered) / started.elapsed().as_secs_f64())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Opens it anew: one that nobody used for a while may have been closed.
    pub(crate) fn reopen(&mut self) -> anyhow::Result<()> {
        *self = Self::open(self.stream.peer_addr()?.port())?;
        Ok(())
    }

    /// Asks, and returns status and body.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<(u16, String)> {
        self.stream.write_all(&request(path))?;
        let (status, body) = self.answer()?;
        Ok((status, String::from_utf8_lossy(body).into_owned()))
    }

    fn answer(&mut self) -> anyhow::Result<(u16, &[u8])> {
        self.buffer.clear();
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some((status, body)) = parse(&self.buffer)? {
                return Ok((status, &self.buffer[body]));
            }
            match self.stream.read(&mut chunk)? {
                0 => bail!("the server closed the connection"),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// Status and place of the body of a whole answer; `None` while more is to come.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<(u16, std::ops::Range<usize>)>> {
    let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..head_end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .with_context(|| format!("an answer without a length: {head}"))?
        .parse()?;
    let body = head_end + 4..head_end + 4 + length;
    Ok((bytes.len() >= body.end).then_some((status, body)))
}
