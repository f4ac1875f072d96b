//! The replaced service's way: PostgreSQL, one transaction per event; and PostgreSQL at its best:
//! batches by COPY, then deduplicated and merged. The same events, decoded already, as files that
//! psql plays: neither Kafka nor decoding counts against it.

use crate::report::{Report, median};
use crate::settings::Settings;
use crate::topic;
use saga_tracker::domain::{Event, Position};
use std::fmt::Write as _;
use std::fs;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

const SCHEMA: &str = "
DROP TABLE IF EXISTS saga_steps; DROP TABLE IF EXISTS saga_instance;
CREATE TABLE saga_instance (
    saga_id text PRIMARY KEY, saga_type text NOT NULL, order_id text NOT NULL,
    current_status text NOT NULL, last_step text NOT NULL, last_trace_id text,
    started_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX ON saga_instance (order_id);
CREATE INDEX ON saga_instance (saga_type, current_status, started_at);
CREATE TABLE saga_steps (
    id bigserial PRIMARY KEY, event_id text NOT NULL UNIQUE,
    saga_id text NOT NULL REFERENCES saga_instance, step text NOT NULL, status text NOT NULL,
    producer_service text, trace_id text, metadata_json text, recorded_at timestamptz NOT NULL);
CREATE INDEX ON saga_steps (saga_id, recorded_at);
";

const MERGE: &str = "ON CONFLICT (saga_id) DO UPDATE SET
    current_status = excluded.current_status, last_step = excluded.last_step,
    last_trace_id = coalesce(excluded.last_trace_id, saga_instance.last_trace_id),
    started_at = least(saga_instance.started_at, excluded.started_at),
    updated_at = greatest(saga_instance.updated_at, excluded.updated_at)";

/// Events of one COPY.
const BATCH: usize = 5_000;
/// Sized so that each takes a few seconds.
const ONE_CLIENT: usize = 2_000;
const EIGHT_CLIENTS: usize = 12_000;
const BATCHED: usize = 150_000;

/// Compares with `live` events per second.
pub(crate) fn compare(settings: &Settings, live: f64, report: &mut Report) -> anyhow::Result<()> {
    let events: Vec<Event> = topic::traffic(settings, settings.events)
        .filter_map(|report| report.event(Position::new(0, 0)))
        .take(BATCHED)
        .collect();
    let one = transactions(settings, &events[..ONE_CLIENT.min(events.len())], 1)?;
    let eight = transactions(settings, &events[..EIGHT_CLIENTS.min(events.len())], 8)?;
    let copied = batches(settings, &events)?;
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..settings.rounds {
        for ((files, count), rates) in [&one, &eight, &copied].into_iter().zip(&mut rates) {
            psql(&["-c", SCHEMA])?;
            let started = Instant::now();
            play(files)?;
            rates.push(*count as f64 / started.elapsed().as_secs_f64());
        }
    }
    let [one, eight, copied] = rates.map(|rates| median(&rates));
    let of = |rate: f64| format!("{live:.0} ÷ {rate:.0} events/s");
    report.at_least(
        "ingest ÷ PostgreSQL, a transaction per event, 1 client",
        live / one,
        100.0,
        of(one),
    );
    report.at_least(
        "ingest ÷ PostgreSQL, batched COPY",
        live / copied,
        2.0,
        of(copied),
    );
    report.figure(
        "ingest ÷ PostgreSQL, a transaction per event, 8 clients",
        format!("{:.1} ({})", live / eight, of(eight)),
    );
    Ok(())
}

/// A file per client; a saga's events stay with one client, as a partition's do.
fn transactions(
    settings: &Settings,
    events: &[Event],
    clients: usize,
) -> anyhow::Result<(Vec<PathBuf>, usize)> {
    let prepared = format!(
        "PREPARE instance AS INSERT INTO saga_instance VALUES ($1,$2,$3,$4,$5,$6,$7,$7) {MERGE};
PREPARE step AS INSERT INTO saga_steps
    (event_id, saga_id, step, status, producer_service, trace_id, metadata_json, recorded_at)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (event_id) DO NOTHING;\n"
    );
    let mut files = vec![prepared; clients];
    let hasher = foldhash::fast::FixedState::default();
    for event in events {
        let client = usize::try_from(hasher.hash_one(&event.saga_id) % clients as u64)?;
        let fields = Fields::of(event, quote);
        let Fields {
            id,
            saga,
            kind,
            order,
            step,
            status,
            trace,
            service,
            metadata,
            at,
        } = fields;
        writeln!(
            files[client],
            "BEGIN;\nEXECUTE instance({saga},{kind},{order},{status},{step},{trace},{at});\n\
             EXECUTE step({id},{saga},{step},{status},{service},{trace},{metadata},{at});\nCOMMIT;"
        )?;
    }
    let mut paths = Vec::new();
    for (number, text) in files.into_iter().enumerate() {
        paths.push(settings.path(&format!("transactions-{clients}-{number}.sql")));
        fs::write(&paths[number], text)?;
    }
    Ok((paths, events.len()))
}

fn batches(settings: &Settings, events: &[Event]) -> anyhow::Result<(Vec<PathBuf>, usize)> {
    let mut file = "CREATE TEMP TABLE staging (event_id text, saga_id text, saga_type text, order_id text,
    step text, status text, trace_id text, producer_service text, metadata_json text,
    recorded_at timestamptz) ON COMMIT DELETE ROWS;\n"
        .to_owned();
    for batch in events.chunks(BATCH) {
        file.push_str("BEGIN;\nCOPY staging FROM STDIN;\n");
        for event in batch {
            let Fields {
                id,
                saga,
                kind,
                order,
                step,
                status,
                trace,
                service,
                metadata,
                at,
            } = Fields::of(event, escape);
            writeln!(
                file,
                "{id}\t{saga}\t{kind}\t{order}\t{step}\t{status}\t{trace}\t{service}\t{metadata}\t{at}"
            )?;
        }
        writeln!(
            file,
            "\\.\nINSERT INTO saga_instance SELECT DISTINCT ON (saga_id) saga_id, saga_type, order_id, status, step,
    trace_id, min(recorded_at) OVER (PARTITION BY saga_id), recorded_at
    FROM staging ORDER BY saga_id, recorded_at DESC {MERGE};
INSERT INTO saga_steps (event_id, saga_id, step, status, producer_service, trace_id, metadata_json, recorded_at)
    SELECT DISTINCT ON (event_id) event_id, saga_id, step, status, producer_service, trace_id, metadata_json,
    recorded_at FROM staging ORDER BY event_id ON CONFLICT (event_id) DO NOTHING;
COMMIT;"
        )?;
    }
    let path = settings.path("batches.sql");
    fs::write(&path, file)?;
    Ok((vec![path], events.len()))
}

/// An event's fields as PostgreSQL reads them.
struct Fields {
    id: String,
    saga: String,
    kind: String,
    order: String,
    step: String,
    status: String,
    trace: String,
    service: String,
    metadata: String,
    at: String,
}

impl Fields {
    fn of(event: &Event, write: fn(Option<&str>) -> String) -> Self {
        let text = |text: &str| write(Some(text));
        Self {
            id: text(event.event_id.as_str()),
            saga: text(event.saga_id.as_str()),
            kind: text(event.saga_type.as_str()),
            order: text(event.order_id.as_str()),
            step: text(event.step.as_str()),
            status: text(event.status.as_str()),
            trace: write(event.trace_id.as_deref()),
            service: write(event.producer_service.as_deref()),
            metadata: write(event.metadata.as_deref()),
            at: text(&event.recorded_at.to_string()),
        }
    }
}

/// As in a statement.
fn quote(text: Option<&str>) -> String {
    text.map_or_else(
        || "NULL".to_owned(),
        |text| format!("'{}'", text.replace('\'', "''")),
    )
}

/// As behind COPY.
fn escape(text: Option<&str>) -> String {
    text.map_or_else(
        || "\\N".to_owned(),
        |text| {
            text.replace('\\', "\\\\")
                .replace('\t', "\\t")
                .replace('\n', "\\n")
        },
    )
}

fn play(files: &[PathBuf]) -> anyhow::Result<()> {
    let running: Vec<_> = files
        .iter()
        .map(|file| psql_command().arg("-f").arg(file).spawn())
        .collect::<Result<_, _>>()?;
    for mut client in running {
        let status = client.wait()?;
        anyhow::ensure!(status.success(), "psql failed: {status}");
    }
    Ok(())
}

fn psql(arguments: &[&str]) -> anyhow::Result<()> {
    let status = psql_command().args(arguments).status()?;
    anyhow::ensure!(status.success(), "psql {arguments:?} failed: {status}");
    Ok(())
}

fn psql_command() -> Command {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdout(Stdio::null());
    command
}
