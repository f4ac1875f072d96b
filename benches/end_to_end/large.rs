//! `large`: what only shows with ten million sagas, or ten million events.

use crate::pipeline;
use crate::report::Report;
use crate::rounds::number;
use crate::settings::Settings;
use crate::traffic::Traffic;
use crate::{machine, served, topic};
use anyhow::Context as _;
use saga_tracker::domain::{Event, Millis, Position, SagaDefinitions};
use saga_tracker::pipeline::ingest::writer::Writer;
use saga_tracker::pipeline::kafka::source::{RawHeaders, RawRecord};
use saga_tracker::pipeline::projector::ProjectorSettings;
use saga_tracker::pipeline::projector::rebuild::Rebuild;
use saga_tracker::store::SharedStore;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Where the traffic of the stores begins: 2026-01-01T00:00:00Z.
pub(crate) const FIRST: Millis = Millis(1_767_225_600_000);
/// How long it lasts.
pub(crate) const DAYS: i64 = 90;
/// What happens in this hour arrives at its end.
pub(crate) const OUTAGE: (Millis, Millis) = (
    Millis(FIRST.0 + 60 * 86_400_000),
    Millis(FIRST.0 + 60 * 86_400_000 + 3_600_000),
);
/// Sagas of the store that the large one is compared with.
const SMALL: u64 = 100_000;
const TOPIC: &str = "bench-large";
const SEED: u64 = 90;

/// Measures, and writes the table.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    searches(settings, &mut report)?;
    served::memory(settings, TOPIC, &mut report)?;
    let command = format!(
        "SAGA_BENCH_LARGE_SAGAS={} SAGA_BENCH_LARGE_EVENTS={} scripts/bench.sh large",
        settings.large_sagas, settings.large_events
    );
    report.keep("make bench-large", &command)
}

fn searches(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let (small, large) = (settings.path("sagas-small"), settings.path("sagas-large"));
    let (small, large) = (small.to_str().context("path")?, large.to_str().context("path")?);
    settings.child("fill", &[small, &SMALL.to_string()])?;
    let filled = settings.child("fill", &[large, &settings.large_sagas.to_string()])?;
    report.figure(
        "rebuild of the large store",
        format!(
            "{:.0} events/s of {}",
            number(&filled["rebuilt_per_second"])?,
            filled["events"]
        ),
    );
    report.figure("bytes on disk of it", format!("{} MiB", filled["disk_mib"]));
    report.figure(
        "peak memory of filling and rebuilding it",
        format!("{:.0} MiB", number(&filled["peak_mib"])?),
    );
    let found = settings.child("search", &[small, large])?;
    let name = format!(
        "search page of {} sagas ÷ of {SMALL}, the worst of all",
        settings.large_sagas
    );
    let worst = &found["worst"];
    report.at_most(
        &name,
        number(&worst["ratio"])?,
        3.0,
        format!(
            "{} ms ÷ {} ms: {}",
            worst["large_ms"], worst["small_ms"], worst["search"]
        ),
    );
    report.at_most(
        &format!(
            "p99 of a page as of, or as known at, any instant, {} sagas, ms",
            settings.large_sagas
        ),
        number(&found["past_p99_ms"])?,
        25.0,
        format!("{} pages of all filters, sorts and depths", found["past_pages"]),
    );
    for count in found["counts"].as_array().context("no counts")? {
        report.at_most(
            &format!(
                "{} of {} sagas ÷ of {SMALL}",
                count["count"].as_str().unwrap_or_default(),
                settings.large_sagas
            ),
            number(&count["ratio"])?,
            3.0,
            format!("{} ms ÷ {} ms", count["large_ms"], count["small_ms"]),
        );
    }
    for busy in found["busy"].as_array().context("no busy instants")? {
        report.figure(
            busy["search"].as_str().unwrap_or_default(),
            format!("{} ms, {} ms at most", busy["large_ms"], busy["worst_ms"]),
        );
    }
    for search in found["all"].as_array().context("no searches")? {
        report.figure(
            search["search"].as_str().unwrap_or_default(),
            format!(
                "{} ÷ {} ms = {:.2}",
                search["large_ms"],
                search["small_ms"],
                number(&search["ratio"])?
            ),
        );
    }
    std::fs::remove_dir_all(small)?;
    Ok(std::fs::remove_dir_all(large)?)
}

/// Fills a store with the log of so many sagas, spread evenly over the days, and makes its projections. A fifth of
/// them last days, and for an hour nothing arrives.
/// The events have no metadata, which searches do not read.
pub(crate) fn fill(dir: &Path, sagas: u64) -> anyhow::Result<Value> {
    let store: SharedStore = Arc::new(pipeline::open(dir)?);
    let last = Millis(FIRST.0 + DAYS * 86_400_000);
    let step_us = DAYS * 86_400_000_000 / i64::try_from(sagas)?;
    let events = std::thread::scope(|scope| {
        let (made, events) = sync_channel::<Vec<Event>>(4);
        scope.spawn(move || {
            let (from, until) = OUTAGE;
            let reports = Traffic::new(SEED, FIRST, step_us)
                .with_slow_sagas()
                .with_outage(from, until);
            let mut reports = reports.take_while(|report| report.arrives() < last);
            loop {
                let batch: Vec<Event> = reports
                    .by_ref()
                    .filter_map(|report| report.bare_event(Position::new(0, 0)))
                    .take(10_000)
                    .collect();
                if batch.is_empty() || made.send(batch).is_err() {
                    return;
                }
            }
        });
        let mut writer = Writer::open(store.clone(), TOPIC)?;
        let mut offset = 0;
        for batch in events {
            for event in batch {
                account(&mut writer, event, offset);
                offset += 1;
            }
            writer.write()?;
        }
        anyhow::Ok(offset)
    })?;
    store.flush()?;
    let job = Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::new(SagaDefinitions::default()),
        settings: ProjectorSettings::default(),
        progress: Arc::default(),
    };
    let started = Instant::now();
    let done = job.offline()?;
    let seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(
        done.events == events,
        "{} of {events} events were folded",
        done.events
    );
    Ok(json!({
        "events": events,
        "sagas": done.sagas,
        "rebuilt_per_second": events as f64 / seconds,
        "disk_mib": store.usage().disk_bytes >> 20,
        "peak_mib": machine::peak_mib(std::process::id())?,
    }))
}

fn account(writer: &mut Writer, mut event: Event, offset: u64) {
    event.position = Position::new(0, offset);
    let key = event.saga_id.clone();
    let record = RawRecord {
        position: event.position,
        timestamp: Some(event.arrived_at),
        key: Some(key.as_str().as_bytes()),
        value: Some(&[]),
        headers: RawHeaders::List(&[]),
    };
    writer.account(&record, event.arrived_at, None, Ok(event));
}

/// Fills the topic of the memory measurement.
pub(crate) fn fill_topic(settings: &Settings) -> anyhow::Result<Vec<String>> {
    topic::fill(settings, TOPIC, settings.large_events)
}
