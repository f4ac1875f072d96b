//! What is measured, and how much of it: all from the environment, which `scripts/bench.sh` documents.

use anyhow::Context as _;
use saga_tracker::pipeline::kafka::KafkaSettings;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// The run.
pub(crate) struct Settings {
    /// The broker.
    pub(crate) bootstrap: String,
    /// Where stores and files go; `scripts/bench.sh` removes it.
    pub(crate) dir: PathBuf,
    /// The release binary.
    pub(crate) tracker: PathBuf,
    /// Records in the topic.
    pub(crate) events: u64,
    /// How often each measurement is made.
    pub(crate) rounds: usize,
    /// How many sagas begin each second of the generated traffic.
    pub(crate) sagas_per_second: u64,
    /// Seed of the traffic.
    pub(crate) seed: u64,
    /// Sagas of the large store.
    pub(crate) large_sagas: u64,
    /// Records of the large topic.
    pub(crate) large_events: u64,
    /// Whether PostgreSQL is there (libpq's own variables say where).
    pub(crate) postgres: bool,
}

impl Settings {
    /// As `scripts/bench.sh` set them.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            bootstrap: required("SAGA_BENCH_BOOTSTRAP")?,
            dir: required("SAGA_BENCH_DIR")?.into(),
            tracker: required("SAGA_BENCH_TRACKER")?.into(),
            events: number("SAGA_BENCH_EVENTS", 1_000_000)?,
            rounds: number("SAGA_BENCH_ROUNDS", 3)?,
            sagas_per_second: number("SAGA_BENCH_SAGAS_PER_SECOND", 2_000)?,
            seed: number("SAGA_BENCH_SEED", 7)?,
            large_sagas: number("SAGA_BENCH_LARGE_SAGAS", 10_000_000)?,
            large_events: number("SAGA_BENCH_LARGE_EVENTS", 10_000_000)?,
            postgres: std::env::var_os("PGHOST").is_some(),
        })
    }

    /// Ingest as the tracker comes, from this topic.
    pub(crate) fn ingest(&self, topic: &str) -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: self.bootstrap.clone(),
            topic: topic.to_owned(),
            dlt_topic: format!("{topic}.dlt"),
            ..KafkaSettings::default()
        }
    }

    /// A directory in the run's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Measures in a process of its own.
    pub(crate) fn child(&self, name: &str, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = Command::new(std::env::current_exe()?)
            .args(["child", name])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "measuring {name} failed: {}",
            output.status
        );
        let text = String::from_utf8(output.stdout)?;
        let line = text
            .lines()
            .last()
            .with_context(|| format!("{name} said nothing"))?;
        serde_json::from_str(line).with_context(|| format!("{name} said {line:?}"))
    }
}

fn required(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; start scripts/bench.sh"))
}

fn number<T: FromStr>(name: &str, default: T) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text:?}")),
        Err(_) => Ok(default),
    }
}
