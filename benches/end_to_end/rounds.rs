//! `small`: everything that a million events can show.

use crate::report::{Report, median};
use crate::settings::Settings;
use crate::{hot, postgres, served, topic};
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const SMALL: &str = "bench-1x";
const LARGE: &str = "bench-10x";

/// Measures, and writes the table.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    topic::fill(settings, SMALL, settings.events / 10)?;
    let sagas = topic::fill(settings, LARGE, settings.events)?;
    let live = pipeline(settings, &mut report)?;
    if settings.postgres {
        postgres::compare(settings, live, &mut report)?;
    }
    dedupe(settings, &mut report)?;
    hot::run(settings, &mut report)?;
    served::run(settings, (SMALL, LARGE), &sagas, &mut report)?;
    let command = format!(
        "SAGA_BENCH_EVENTS={} SAGA_BENCH_ROUNDS={} scripts/bench.sh",
        settings.events, settings.rounds
    );
    report.keep("make bench", &command)
}

/// Ingest, consumption alone, writing alone and rebuild in turn. Returns ingested events per second.
fn pipeline(settings: &Settings, report: &mut Report) -> anyhow::Result<f64> {
    let mut rates = BTreeMap::<&str, Vec<f64>>::new();
    let mut last = (Value::Null, Value::Null);
    let mut sent = Vec::new();
    for _ in 0..settings.rounds {
        let dir = settings.path("ingested");
        let path = text(&dir)?;
        let raw = settings.child("consume", &[LARGE])?;
        let ingested = settings.child("ingest", &[LARGE, path])?;
        let rebuilt = settings.child("rebuild", &[LARGE, path])?;
        std::fs::remove_dir_all(&dir)?;
        let snapshotting = settings.child("snapshots", &[LARGE, path])?;
        std::fs::remove_dir_all(&dir)?;
        sent.push(number(&snapshotting["sent_bytes"])? / number(&snapshotting["new_table_bytes"])?);
        let purging = settings.child("ingest_and_purge", &[LARGE, path])?;
        std::fs::remove_dir_all(&dir)?;
        let replayed = settings.child("replay", &[LARGE, path])?;
        std::fs::remove_dir_all(&dir)?;
        let seconds = [
            ("raw", number(&raw["seconds"])?),
            ("live", number(&ingested["seconds"])?),
            ("snapshots", number(&snapshotting["seconds"])?),
            ("purging", number(&purging["seconds"])?),
            ("one", number(&replayed["seconds"])?),
            ("two", number(&replayed["two_threads_seconds"])?),
        ];
        for (name, seconds) in seconds {
            rates
                .entry(name)
                .or_default()
                .push(settings.events as f64 / seconds);
        }
        let each = rebuilt["seconds"].as_array().context("no seconds")?;
        for seconds in each {
            let rate = number(&rebuilt["events"])? / number(seconds)?;
            rates.entry("rebuild").or_default().push(rate);
        }
        last = (ingested, replayed);
    }
    let rate = |name: &str| median(&rates[name]);
    let of = |other: &str| format!("{:.0} ÷ {:.0} events/s", rate("live"), rate(other));
    report.at_least(
        "ingest ÷ a tight loop writing the same rows",
        rate("live") / rate("one"),
        0.75,
        of("one"),
    );
    report.at_least(
        "ingest ÷ raw librdkafka consume",
        rate("live") / rate("raw"),
        0.10,
        of("raw"),
    );
    report.at_least(
        "ingest with retention running ÷ idle",
        rate("purging") / rate("live"),
        0.90,
        format!(
            "{:.0} ÷ {:.0} events/s; 500 sagas a second go meanwhile",
            rate("purging"),
            rate("live")
        ),
    );
    report.at_least(
        "rebuild ÷ live ingest",
        rate("rebuild") / rate("live"),
        8.0,
        format!("{:.0} ÷ {:.0} events/s", rate("rebuild"), rate("live")),
    );
    report.at_least(
        "ingest while snapshots are made ÷ idle",
        rate("snapshots") / rate("live"),
        0.95,
        format!("{:.0} ÷ {:.0} events/s", rate("snapshots"), rate("live")),
    );
    report.at_most(
        "snapshot bytes sent ÷ bytes of new tables",
        median(&sent),
        1.1,
        "while ingesting, a second between two snapshots",
    );
    report.figure(
        "ingest ÷ the same rows written by two threads",
        format!("{:.2} ({})", rate("live") / rate("two"), of("two")),
    );
    let (ingested, replayed) = last;
    let per_event = |value: &Value| number(value).map(|total| total / settings.events as f64);
    report.figure(
        "rows and bytes written per event, before compression",
        format!(
            "{:.2} rows, {:.0} B",
            per_event(&replayed["rows"])?,
            per_event(&replayed["bytes"])?
        ),
    );
    let threads = ingested["cpu"].as_object().context("no threads")?;
    let micros = |seconds: f64| seconds * 1e6 / settings.events as f64;
    let all: f64 = threads.values().filter_map(Value::as_f64).sum();
    report.figure(
        "processor time per event: ingest, all threads ÷ the tight loop, all threads",
        format!("{:.1} ÷ {:.1} µs", micros(all), micros(number(&replayed["cpu"])?)),
    );
    report.figure(
        "share of its time that the ingest thread waited for a processor",
        format!("{:.0} %", number(&ingested["waited"])? * 100.0),
    );
    for (thread, seconds) in ingested["cpu"].as_object().context("no threads")? {
        let micros = micros(number(seconds)?);
        if micros >= 0.05 {
            report.figure(
                format!("processor time of ingest, thread {thread}"),
                format!("{micros:.2} µs per event"),
            );
        }
    }
    Ok(rate("live"))
}

fn dedupe(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let dir = settings.path("dedupe");
    let found = settings.child("dedupe", &[text(&dir)?])?;
    let (on, off) = (number(&found["on_micros"])?, number(&found["off_micros"])?);
    let detail = format!(
        "{off:.2} ÷ {on:.2} µs per event; of them {:.2} for knowing keys, the rest for finding duplicates",
        number(&found["keys_micros"])?
    );
    report.at_least("dedupe on ÷ off", off / on, 0.85, detail);
    Ok(())
}

/// A number of a child's result.
pub(crate) fn number(value: &Value) -> anyhow::Result<f64> {
    value.as_f64().with_context(|| format!("{value} is no number"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the directory's name is not UTF-8")
}
