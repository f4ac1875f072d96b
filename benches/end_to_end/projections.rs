//! `projections`: what each projection that can be switched off costs, in time, memory and room.

use crate::pipeline;
use crate::report::{Report, median};
use crate::rounds::number;
use crate::settings::Settings;
use crate::{served, topic};
use anyhow::Context as _;
use saga_tracker::domain::SagaDefinitions;
use saga_tracker::pipeline::projector::ProjectorSettings;
use saga_tracker::pipeline::projector::rebuild::Rebuild;
use saga_tracker::store::SharedStore;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TOPIC: &str = "bench-projections";
/// Options of `projector`, and `all` for all of them.
const SWITCHES: [&str; 3] = ["past", "ledger", "traces"];

/// How to measure the same again.
pub(crate) fn command(settings: &Settings) -> String {
    format!(
        "SAGA_BENCH_EVENTS={} SAGA_BENCH_ROUNDS={} scripts/bench.sh projections",
        settings.events, settings.rounds
    )
}

/// Measures ingest and rebuild with everything, without each, and without all, in turn.
pub(crate) fn run(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    topic::fill(settings, TOPIC, settings.events)?;
    let all = SWITCHES.join(",");
    let choices: Vec<&str> = [""].into_iter().chain(SWITCHES).chain([all.as_str()]).collect();
    let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for _ in 0..settings.rounds {
        for off in &choices {
            let dir = settings.path("projections");
            let path = dir.to_str().context("the directory's name is not UTF-8")?;
            let measured = settings.child("ingest_without", &[TOPIC, path, off])?;
            std::fs::remove_dir_all(&dir)?;
            found.entry(off).or_default().push(measured);
        }
    }
    let of = |off: &str, name: &str| -> anyhow::Result<f64> {
        let values: anyhow::Result<Vec<f64>> = found[off].iter().map(|one| number(&one[name])).collect();
        Ok(median(&values?))
    };
    let whole = of("", "events_per_second")?;
    for off in choices.iter().skip(1) {
        let without = of(off, "events_per_second")?;
        let name = format!("ingest ÷ ingest without {off}");
        let detail = format!("{whole:.0} ÷ {without:.0} events/s");
        if *off == all {
            report.at_least(&name, whole / without, 0.85, detail);
        } else {
            report.figure(name, format!("{:.2} ({detail})", whole / without));
        }
    }
    report.at_least(
        "rebuild ÷ live ingest, with all projections",
        of("", "rebuilt_per_second")? / whole,
        5.0,
        format!("{:.0} ÷ {whole:.0} events/s", of("", "rebuilt_per_second")?),
    );
    for off in &choices {
        let name = if off.is_empty() {
            "with everything".to_owned()
        } else {
            format!("without {off}")
        };
        report.figure(
            format!("{name}: projector's processor time, rebuild, room, peak memory"),
            format!(
                "{:.2} µs per event, {:.0} events/s, {:.0} B per event, {:.0} MiB",
                of(off, "projector_micros")?,
                of(off, "rebuilt_per_second")?,
                of(off, "bytes_per_event")?,
                of(off, "peak_mib")?,
            ),
        );
    }
    Ok(())
}

/// Consumes the topic without some projections, then makes them anew.
pub(crate) fn ingest(settings: &Settings, topic: &str, dir: &Path, off: &str) -> anyhow::Result<Value> {
    let switches = off.split(',').filter(|name| !name.is_empty());
    let switches: Map<String, Value> = switches.map(|name| (name.to_owned(), false.into())).collect();
    let projector: ProjectorSettings = serde_json::from_value(switches.into())?;
    let store: SharedStore = Arc::new(pipeline::open(dir)?);
    let consumed = pipeline::consume_with(settings, topic, &store, projector.clone())?;
    let events = number(&consumed["events"])?;
    let threads = consumed["cpu"].as_object().context("no threads")?;
    let folding = threads.iter().filter(|(name, _)| name.starts_with("projector"));
    let folding: f64 = folding.filter_map(|(_, seconds)| seconds.as_f64()).sum();
    served::settled(dir)?;
    let disk = store.usage().disk_bytes as f64;
    let job = Rebuild {
        store: store.clone(),
        topic: topic.to_owned(),
        definitions: Arc::new(SagaDefinitions::default()),
        settings: projector,
        progress: Arc::default(),
    };
    let started = Instant::now();
    let rebuilt = job.offline()?.events as f64 / started.elapsed().as_secs_f64();
    Ok(json!({
        "events_per_second": events / number(&consumed["seconds"])?,
        "projector_micros": folding * 1e6 / events,
        "bytes_per_event": disk / events,
        "peak_mib": consumed["peak_mib"],
        "rebuilt_per_second": rebuilt,
    }))
}
