//! The whole tracker beside what it is compared with: Kafka's own client, RocksDB, PostgreSQL, a static page.
//!
//! `scripts/bench.sh` starts the servers and calls this. Every measurement is a process of its own
//! (this program, started again), so that none inherits another's heap, and its peak memory is its
//! own. What is compared is measured in turn, round after round, and medians are divided.
//!
//! Parts of the tracker by themselves are the other benches' business.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod dedupe;
mod freshness;
mod hot;
mod http;
mod large;
mod machine;
mod pipeline;
mod postgres;
mod projections;
mod purging;
mod recording;
mod report;
mod rounds;
mod search;
mod served;
mod settings;
mod snapshots;
mod static_server;
mod topic;
mod traffic;

use anyhow::bail;
use settings::Settings;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["small"] => rounds::run(&Settings::from_env()?),
        ["freshness"] => {
            let settings = Settings::from_env()?;
            let mut report = report::Report::default();
            freshness::run(&settings, &mut report)?;
            report.keep("Freshness", "scripts/bench.sh freshness")
        }
        ["projections"] => {
            let settings = Settings::from_env()?;
            let mut report = report::Report::default();
            projections::run(&settings, &mut report)?;
            report.keep("Projections", &projections::command(&settings))
        }
        ["large"] => large::run(&Settings::from_env()?),
        ["child", name, rest @ ..] => child(name, rest),
        _ => bail!("expected small, freshness, projections or large; scripts/bench.sh starts what they need"),
    }
}

/// One measurement; its result is a line of JSON on standard output.
fn child(name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    let result = match (name, arguments) {
        ("topic", [topic, events]) => {
            topic::fill(&settings, topic, events.parse()?)?;
            serde_json::json!({})
        }
        ("consume", [topic]) => topic::consume(&settings, topic)?,
        ("ingest", [topic, dir]) => pipeline::ingest(&settings, topic, dir.as_ref())?,
        ("ingest_without", [topic, dir, off]) => projections::ingest(&settings, topic, dir.as_ref(), off)?,
        ("snapshots", [topic, dir]) => snapshots::ingest(&settings, topic, dir.as_ref())?,
        ("ingest_and_purge", [topic, dir]) => pipeline::ingest_and_purge(&settings, topic, dir.as_ref())?,
        ("replay", [topic, dir]) => recording::replay(&settings, topic, dir.as_ref())?,
        ("rebuild", [topic, dir]) => pipeline::rebuild(topic, dir.as_ref())?,
        ("dedupe", [dir]) => dedupe::measure(&settings, dir.as_ref())?,
        ("hot", [shape, dir]) => hot::measure(&settings, shape, dir.as_ref())?,
        ("constant", [body]) => return static_server::serve(body),
        ("fill", [dir, sagas]) => large::fill(dir.as_ref(), sagas.parse()?)?,
        ("search", [small, large]) => search::compare(small.as_ref(), large.as_ref())?,
        _ => bail!("no such measurement: {name} {arguments:?}"),
    };
    println!("{result}");
    Ok(())
}
