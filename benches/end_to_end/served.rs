//! The release binary in service: answers while it ingests, memory, disk, requests per second, restarts.

use crate::http::{Connection, Server};
use crate::report::{Report, median, percentile};
use crate::settings::Settings;
use crate::static_server;
use crate::{large, machine, topic};
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(1_800);
/// Between two questions while it ingests.
const PAUSE: Duration = Duration::from_millis(5);
const LOAD: Duration = Duration::from_secs(3);

/// Measures all of it. The topics are filled; `sagas` are some of the large one.
pub(crate) fn run(
    settings: &Settings,
    (small, large): (&str, &str),
    sagas: &[String],
    report: &mut Report,
) -> anyhow::Result<()> {
    let (one, ten) = (settings.path("served-1x"), settings.path("served-10x"));
    ingest(settings, small, &one, &[])?;
    let seen = ingest(settings, large, &ten, sagas)?;
    report.figure(
        "GET saga while ingesting, p50 / p99",
        format!("{} ms", pair(&seen.saga)),
    );
    report.figure(
        "search while ingesting, p50 / p99",
        format!("{} ms", pair(&seen.search)),
    );
    report.figure(
        "ingest by the release binary with those readers, from exec",
        format!("{:.0} events/s", seen.events as f64 / seen.seconds),
    );
    report.figure(
        format!("peak resident memory, {} events", seen.events),
        format!("{:.0} MiB", seen.peak_mib),
    );

    restarts(settings, (small, &one), (large, &ten), report)?;
    settle_and_load(settings, large, &ten, sagas, report)
}

/// Memory after as many events as the large topic holds, with default settings.
pub(crate) fn memory(settings: &Settings, topic: &str, report: &mut Report) -> anyhow::Result<()> {
    let sagas = large::fill_topic(settings)?;
    let data = settings.path("served-large");
    let seen = ingest(settings, topic, &data, &sagas)?;
    let name = format!("peak resident memory, {} events, MB", seen.events);
    let megabytes = seen.peak_mib * f64::from(1 << 20) / 1e6;
    report.at_most(&name, megabytes, 300.0, "default settings, readers meanwhile");
    report.figure(
        "ingest by the release binary with readers",
        format!("{:.0} events/s", seen.events as f64 / seen.seconds),
    );
    report.figure(
        "GET saga while ingesting, p50 / p99",
        format!("{} ms", pair(&seen.saga)),
    );
    report.figure(
        "search while ingesting, p50 / p99",
        format!("{} ms", pair(&seen.search)),
    );
    let mut tracker = Server::tracker(settings, topic, &data)?;
    let ready = tracker.ready(TIMEOUT)?;
    report.figure(
        "restart after kill -9",
        format!("{:.0} ms", ready.as_secs_f64() * 1000.0),
    );
    let bytes = settled(&data)? as f64 / seen.events as f64;
    report.figure("bytes on disk per event, merges settled", format!("{bytes:.0} B"));
    let after = machine::peak_mib(tracker.pid())?;
    report.figure(
        "peak resident memory since that restart",
        format!("{after:.0} MiB"),
    );
    tracker.kill()
}

/// What was seen while a new store was filled.
struct Seen {
    saga: Vec<f64>,
    search: Vec<f64>,
    events: u64,
    seconds: f64,
    peak_mib: f64,
}

/// Fills a new store, asks meanwhile, and kills the tracker as soon as everything shows.
fn ingest(settings: &Settings, topic: &str, data: &Path, sagas: &[String]) -> anyhow::Result<Seen> {
    let end = topic::ends(settings, topic)?;
    let events: u64 = end.iter().map(|(_, next)| next).sum();
    let started = Instant::now();
    let mut tracker = Server::tracker(settings, topic, data)?;
    let mut connection = tracker.connect()?;
    let mut seen = Seen {
        saga: Vec::new(),
        search: Vec::new(),
        events,
        seconds: 0.0,
        peak_mib: 0.0,
    };
    let searches = [
        "/api/v1/sagas?status=FAILED&size=20",
        "/api/v1/sagas?sagaType=ORDER_CREATION&sort=updatedAt,desc&size=20",
        "/api/v1/sagas?page=50&size=20",
    ];
    for turn in 0.. {
        if projected(&mut connection)? >= events {
            break;
        }
        anyhow::ensure!(started.elapsed() < TIMEOUT, "{topic} was not consumed in time");
        if let Some(saga) = sagas.get(turn % sagas.len().max(1)) {
            seen.saga
                .push(timed(&mut connection, &format!("/api/v1/sagas/{saga}"))?);
            seen.search
                .push(timed(&mut connection, searches[turn % searches.len()])?);
        }
        std::thread::sleep(PAUSE);
    }
    seen.seconds = started.elapsed().as_secs_f64();
    seen.peak_mib = machine::peak_mib(tracker.pid())?;
    tracker.kill()?;
    Ok(seen)
}

/// Records that show in answers.
fn projected(connection: &mut Connection) -> anyhow::Result<u64> {
    let (_, body) = connection.get("/internal/v1/progress")?;
    let body: serde_json::Value = serde_json::from_str(&body)?;
    let partitions = body["partitions"].as_array().context("no partitions")?;
    Ok(partitions
        .iter()
        .filter_map(|partition| partition["projected"].as_u64())
        .sum())
}

fn timed(connection: &mut Connection, path: &str) -> anyhow::Result<f64> {
    let asked = Instant::now();
    let (status, body) = connection.get(path)?;
    anyhow::ensure!(status == 200 || status == 404, "{path}: {status} {body}");
    Ok(asked.elapsed().as_secs_f64() * 1000.0)
}

/// Restarts copies of two stores whose trackers were killed.
fn restarts(
    settings: &Settings,
    one: (&str, &Path),
    ten: (&str, &Path),
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..settings.rounds.max(3) {
        for ((topic, data), seconds) in [one, ten].into_iter().zip(&mut seconds) {
            let copy = settings.path("restarted");
            let copied = Command::new("cp").arg("-r").arg(data).arg(&copy).status()?;
            anyhow::ensure!(copied.success(), "copying {} failed", data.display());
            let mut tracker = Server::tracker(settings, topic, &copy)?;
            seconds.push(tracker.ready(TIMEOUT)?.as_secs_f64());
            tracker.kill()?;
            std::fs::remove_dir_all(&copy)?;
        }
    }
    let [one, ten] = seconds.map(|seconds| median(&seconds));
    let detail = format!("{:.0} ms ÷ {:.0} ms", ten * 1000.0, one * 1000.0);
    report.at_most(
        "restart after kill -9 with 10× the data ÷ 1×",
        ten / one,
        1.2,
        detail,
    );
    Ok(())
}

fn settle_and_load(
    settings: &Settings,
    topic: &str,
    data: &Path,
    sagas: &[String],
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut tracker = Server::tracker(settings, topic, data)?;
    tracker.ready(TIMEOUT)?;
    let events: u64 = topic::ends(settings, topic)?.iter().map(|(_, next)| next).sum();
    let bytes = settled(data)?;
    report.figure(
        "bytes on disk per event, merges settled",
        format!("{:.0} B", bytes as f64 / events as f64),
    );

    let mut connection = tracker.connect()?;
    let paths: Vec<String> = sagas.iter().map(|saga| format!("/api/v1/sagas/{saga}")).collect();
    let body = connection.get(paths.first().context("no sagas")?)?.1;
    let mut constant = Server::constant(&body)?;
    let page = [static_server::PATH.to_owned()];
    let without_store = ["/actuator/info".to_owned()];
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..settings.rounds {
        rates[0].push(tracker.load(&paths, LOAD)?);
        rates[1].push(constant.load(&page, LOAD)?);
        rates[2].push(tracker.load(&without_store, LOAD)?);
    }
    let [saga, page, without_store] = rates.map(|rates| median(&rates));
    let detail = format!(
        "{saga:.0} ÷ {page:.0} requests/s, of the same {} bytes",
        body.len()
    );
    report.at_least("GET saga ÷ a static handler", saga / page, 0.8, detail);
    report.figure(
        "GET saga ÷ GET /actuator/info, a page that never changes, of the same server",
        format!(
            "{:.2} ({saga:.0} ÷ {without_store:.0} requests/s)",
            saga / without_store
        ),
    );
    tracker.kill()
}

/// Bytes on disk, once they have not changed for a while.
pub(crate) fn settled(data: &Path) -> anyhow::Result<u64> {
    let (mut bytes, mut since) = (0, Instant::now());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = machine::disk_bytes(data)?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
        if since.elapsed() > Duration::from_secs(3) || Instant::now() > deadline {
            return Ok(bytes);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pair(millis: &[f64]) -> String {
    format!("{:.2} / {:.2}", percentile(millis, 50), percentile(millis, 99))
}
