//! Snapshots without a running tracker: listed, checked, pruned, made of a store that nobody serves,
//! and restored.

use super::open::{open_store, runtime};
use super::operator;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::failpoint;
use crate::operations::audit::{Act, Audit, Outcome};
use crate::operations::objects;
use crate::operations::snapshot::coverage::{self, Finding};
use crate::operations::snapshot::{
    self, Create, Created, Depot, Listed, Manifest, Progress, Pruned, Restore, RestoreOptions, Restored,
    SnapshotError, SnapshotId, SnapshotParts, Snapshots, Verified, Which, patiently,
};
use crate::pipeline::kafka::topic_bounds;
use crate::program::config::Config;
use crate::store::SharedStore;
use crate::store::rocks::{self, ENGINE, RocksStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Called with how far the work is, a few times a second.
pub type Told<'t> = dyn FnMut(&Progress) + 't;

/// What became of a restore.
#[derive(Debug)]
pub enum RestoreOutcome {
    /// The data directory is a store now.
    Done(Box<Manifest>, Restored, Vec<Finding>),
    /// Nothing was done: the topic does not go on where the snapshot ends.
    Refused(Box<Manifest>, Vec<Finding>),
}

/// Where a checkpoint of the store is made.
pub(super) fn scratch(data_dir: &Path) -> PathBuf {
    data_dir.join("checkpoint")
}

fn random() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}

/// Snapshots of a running tracker, on the runtime that this is called on.
pub(super) fn of_tracker(
    config: &Config,
    store: SharedStore,
    audit: Audit,
    shutdown: CancellationToken,
) -> Snapshots {
    Snapshots::new(SnapshotParts {
        store,
        objects: config.objects.clone(),
        settings: config.snapshot.clone(),
        scratch: scratch(&config.store.data_dir),
        topic: config.kafka.topic.clone(),
        audit,
        clock: Arc::new(SystemClock),
        random,
        shutdown,
    })
}

fn depot(config: &Config) -> Result<Depot, SnapshotError> {
    Ok(Depot::new(&objects::open(&config.objects)?))
}

/// The snapshots there are, oldest first.
///
/// # Errors
/// When the object store cannot be asked.
pub fn list(config: &Config) -> anyhow::Result<Vec<Listed>> {
    runtime()?.block_on(async { Ok(snapshot::list(&depot(config)?).await?) })
}

/// Makes a snapshot of the store in the data directory.
///
/// # Errors
/// When the store cannot be opened, or the snapshot not be made.
pub fn create(config: &Config, told: &mut Told<'_>) -> anyhow::Result<Created> {
    let _armed = failpoint::Armed::from_environment();
    let depot = depot(config)?;
    let store = open_store(config)?;
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let act = operator::act("create-snapshot", depot.place(), "");
    audit.record(&act, Outcome::Begun, "")?;
    let job = Create {
        store,
        depot,
        settings: config.snapshot.clone(),
        scratch: scratch(&config.store.data_dir),
        topic: config.kafka.topic.clone(),
        clock: Arc::new(SystemClock),
        progress: Arc::default(),
    };
    let id = SnapshotId::new(SystemClock.now(), random());
    let progress = job.progress.clone();
    let made = runtime()?.block_on(telling(&progress, told, async { Ok(job.run(id).await?) }));
    audit.note_result(&act, &made, |created| created.manifest.id.to_string());
    made
}

/// Reads every file of the snapshots and compares it with what the manifests say.
///
/// # Errors
/// When the object store cannot be asked; damage of files is no error.
pub fn verify(
    config: &Config,
    which: &Which,
    told: &mut Told<'_>,
) -> anyhow::Result<(Vec<SnapshotId>, Verified)> {
    runtime()?.block_on(async {
        let (depot, progress) = (depot(config)?, Progress::default());
        let checking = async { Ok(snapshot::verify_which(&depot, which, &progress).await?) };
        telling(&progress, told, checking).await
    })
}

/// Lets go of snapshots that the settings do not keep.
///
/// # Errors
/// When the object store cannot be asked, or a manifest cannot be read.
pub fn prune(config: &Config, dry_run: bool) -> anyhow::Result<Pruned> {
    let _armed = failpoint::Armed::from_environment();
    let depot = depot(config)?;
    let pruned = runtime()?.block_on(async {
        patiently("object store", async || Ok(depot.check().await?)).await?;
        snapshot::prune(&depot, &config.snapshot, dry_run).await
    });
    if !dry_run {
        let (outcome, detail) = match &pruned {
            Ok(pruned) => (Outcome::Done, pruned.to_string()),
            Err(error) => (Outcome::Failed, error.to_string()),
        };
        let act = operator::act("prune-snapshots", depot.place(), "");
        note_if_here(config, &act, outcome, &detail);
    }
    Ok(pruned?)
}

/// Records an act in the store of the data directory, if there is one that nobody serves. Otherwise
/// there is nowhere to: `--url` has the server do it, and record it.
fn note_if_here(config: &Config, act: &Act, outcome: Outcome, detail: &str) {
    if !config.store.data_dir.join(rocks::HEAD).exists() {
        tracing::info!(
            action = act.action,
            detail,
            "not in an audit log: there is no store here"
        );
        return;
    }
    match open_store(config) {
        Ok(store) => Audit::new(store, Arc::new(SystemClock)).note(act, outcome, detail),
        Err(error) => {
            tracing::warn!(%error, action = act.action, detail, "not in the audit log; --url has the server do it");
        }
    }
}

/// Makes the data directory from a snapshot, after asking the broker whether the topic goes on where
/// the snapshot ends.
///
/// # Errors
/// When the directory is not empty, the broker or the object store cannot be asked, or anything of
/// the snapshot is not as it was.
pub fn restore(
    config: &Config,
    options: &RestoreOptions,
    told: &mut Told<'_>,
) -> anyhow::Result<RestoreOutcome> {
    let _armed = failpoint::Armed::from_environment();
    runtime()?.block_on(async {
        let job = Restore {
            depot: depot(config)?,
            target: config.store.data_dir.clone(),
            engine: ENGINE,
            open: Arc::new(|path| RocksStore::open_copy(path)),
            progress: Arc::default(),
        };
        let manifest = job.choose(options).await?;
        let findings = if options.skip_broker {
            Vec::new()
        } else {
            ask_broker(config, &manifest).await?
        };
        if !options.accept(&findings) {
            return Ok(RestoreOutcome::Refused(Box::new(manifest), findings));
        }
        let progress = job.progress.clone();
        let done = telling(&progress, told, async { Ok(job.run(&manifest).await?) }).await?;
        let act = operator::act("restore", manifest.id.as_str(), "");
        let missing: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let store = open_store(config)?;
        Audit::new(store, Arc::new(SystemClock)).record(&act, Outcome::Done, &missing.join("; "))?;
        Ok(RestoreOutcome::Done(Box::new(manifest), done, findings))
    })
}

async fn ask_broker(config: &Config, manifest: &Manifest) -> anyhow::Result<Vec<Finding>> {
    let topic = &manifest.numbers.topic;
    anyhow::ensure!(
        *topic == config.kafka.topic,
        "the snapshot is of topic {topic}, kafka.topic is {}; set it to the snapshot's",
        config.kafka.topic
    );
    let settings = config.kafka.clone();
    let bounds = tokio::task::spawn_blocking(move || topic_bounds(&settings)).await?;
    let bounds = bounds.map_err(|why| anyhow::anyhow!("cannot tell whether the topic continues where the snapshot ends: {why}, or restore without asking (--skip-broker)"))?;
    Ok(coverage::compare(&manifest.numbers, &bounds))
}

/// Does the work, and tells how far it is five times a second.
async fn telling<T>(
    progress: &Progress,
    told: &mut Told<'_>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut often = tokio::time::interval(Duration::from_millis(200));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                told(progress);
                return done;
            }
            _ = often.tick() => told(progress),
        }
    }
}
