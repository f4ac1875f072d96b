//! Puts the rooms together: a running tracker, the demo around it, and work on a store that nobody
//! serves. What each room does is its own business; only who knows whom is decided here.

pub mod offline;
mod open;
pub mod operator;
mod ops;
mod page;
pub mod snapshots;
mod supervise;
mod tour;
mod tracker;

use crate::domain::clock::SystemClock;
use crate::failpoint;
use crate::pipeline::kafka::MockBroker;
use crate::program::config::{Config, Effective, Loaded};
use crate::program::demo::{DemoSettings, run_workload};
use anyhow::Context as _;
use open::runtime;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracker::Tracker;

/// What the demo is asked for.
#[derive(Debug)]
pub struct DemoOptions {
    /// The workload.
    pub settings: DemoSettings,
    /// Where to keep the store; a directory that vanishes, when none is named.
    pub data_dir: Option<PathBuf>,
}

/// Consumes and serves until SIGTERM or Ctrl-C, then drains, commits and closes.
///
/// # Errors
/// When the tracker cannot start: the store, the address or the configuration says why.
pub fn serve(loaded: &Loaded) -> anyhow::Result<()> {
    let _armed = failpoint::Armed::from_environment();
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let tracker = Tracker::start(&loaded.config, &loaded.effective).await?;
        let stop = tracker.shutdown_token();
        tokio::spawn(stop_on_signal(stop));
        tracker.run().await
    });
    // What did not end in time is not waited for.
    runtime.shutdown_background();
    result
}

/// Serves on a broker inside this process, to which a live workload is published.
///
/// # Errors
/// As [`serve`], or when the broker cannot start.
pub fn demo(loaded: &Loaded, options: DemoOptions) -> anyhow::Result<()> {
    let Loaded {
        mut config,
        effective,
    } = loaded.clone();
    let broker = MockBroker::start(&[
        &config.kafka.topic,
        &config.kafka.dlt_topic,
        &config.kafka.ops_topic,
    ])?;
    broker
        .bootstrap_servers()
        .clone_into(&mut config.kafka.bootstrap_servers);
    config.registry.url = None;
    let vanishing = match options.data_dir {
        Some(named) => {
            config.store.data_dir = named;
            None
        }
        None => {
            let directory = vanishing_directory()?;
            config.store.data_dir.clone_from(&directory);
            Some(directory)
        }
    };
    let result = runtime()?.block_on(run_demo((&config, &effective), &broker, options.settings));
    if let Some(directory) = vanishing {
        std::fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    result
}

async fn run_demo(
    (config, effective): (&Config, &[Effective]),
    broker: &MockBroker,
    settings: DemoSettings,
) -> anyhow::Result<()> {
    let tracker = Tracker::start(config, effective).await?;
    let stop = tracker.shutdown_token();
    tokio::spawn(stop_on_signal(stop.clone()));
    let url = format!("http://127.0.0.1:{}", tracker.address().port());
    announce(&url, page::path(config))?;
    let (tell, told) = oneshot::channel();
    let (incidents, shown) = (tracker.incidents(), config.clone());
    tokio::task::spawn_blocking(move || {
        // Nothing comes of a workload that does not start.
        if let Ok(tour) = told.blocking_recv() {
            tour::begin(&tour, &incidents, &url, &shown);
        }
    });
    let bootstrap = broker.bootstrap_servers().to_owned();
    let topic = config.kafka.topic.clone();
    let workload = tokio::spawn(async move {
        let tell = |tour| {
            // Nobody waits for it when the tracker ends at once.
            let _gone = tell.send(tour);
        };
        let clock = Arc::new(SystemClock);
        let published = run_workload(&bootstrap, settings, &topic, clock, tell, stop.clone()).await;
        // Without a workload there is nothing to look at.
        stop.cancel();
        published
    });
    tracker.run().await?;
    workload.await??;
    Ok(())
}

fn announce(url: &str, page: Option<String>) -> anyhow::Result<()> {
    use std::io::Write;
    let page = page.map_or_else(String::new, |path| format!("  page      {url}{path}\n"));
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\nSaga Tracker demo: an embedded broker, a live workload, a store that vanishes at the end.\n\n\
         {page}\x20 API       {url}/api/v1/sagas\n\
         \x20 API docs  {url}/swagger-ui/\n\
         \x20 metrics   {url}/metrics\n\
         \x20 health    {url}/actuator/health\n\n\
         Try, in another terminal:\n\n\
         \x20 target/release/saga-tracker search --url {url} --status FAILED --size 5\n\
         \x20 target/release/saga-tracker stats --url {url}\n\
         \x20 curl -s '{url}/api/v1/sagas?size=1' | python3 -m json.tool\n\n\
         Ctrl-C stops it.\n"
    )?;
    Ok(())
}

fn vanishing_directory() -> anyhow::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("saga-tracker-demo-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("interrupted: draining"),
        () = stop.cancelled() => {}
    }
    stop.cancel();
}
