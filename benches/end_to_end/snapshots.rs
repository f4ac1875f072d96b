//! What snapshots cost: consumption while one is always being made, and bytes sent for new tables.

use crate::pipeline;
use crate::settings::Settings;
use anyhow::Context as _;
use saga_tracker::domain::clock::{Clock as _, SystemClock};
use saga_tracker::operations::objects::{self, ObjectsSettings};
use saga_tracker::operations::snapshot::{Create, Created, Depot, SnapshotId, SnapshotSettings};
use saga_tracker::store::SharedStore;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two snapshots. The default schedule has a day; what is written while a snapshot begins is
/// sent as write-ahead log, which is much where snapshots follow each other at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Consumes the topic into a new store, while one snapshot after the other is made of it with the
/// default settings, into a folder beside it. (A server for objects would take its own share of the
/// processors.)
pub(crate) fn ingest(settings: &Settings, topic: &str, dir: &Path) -> anyhow::Result<Value> {
    let (data, folder) = (dir.join("data"), dir.join("objects"));
    std::fs::create_dir_all(&folder)?;
    let store: SharedStore = Arc::new(pipeline::open(&data)?);
    let place = ObjectsSettings {
        url: Some(format!("file://{}", folder.display())),
        ..ObjectsSettings::default()
    };
    let job = Create {
        store: store.clone(),
        depot: Depot::new(&objects::open(&place)?),
        settings: SnapshotSettings::default(),
        scratch: data.join("checkpoint"),
        topic: topic.to_owned(),
        clock: Arc::new(SystemClock),
        progress: Arc::default(),
    };
    let stop = CancellationToken::new();
    let until = stop.clone();
    let making = std::thread::Builder::new()
        .name("snapshots".to_owned())
        .spawn(move || one_after_the_other(&job, &until))?;
    let mut found = pipeline::consume(settings, topic, &store)?;
    stop.cancel();
    let made = making
        .join()
        .map_err(|_| anyhow::anyhow!("the snapshots' thread panicked"))??;
    let (mut sent, mut new_tables) = (0, 0);
    let mut known = BTreeSet::new();
    for created in &made {
        // The progress that counts is shared by all of them.
        sent = created.manifest.sent_bytes;
        for file in &created.manifest.files {
            if known.insert(file.hash.clone()) && file.name.ends_with(".sst") {
                new_tables += file.size;
            }
        }
    }
    let manifests: usize = made.iter().map(|created| created.manifest_bytes).sum();
    found["snapshots"] = json!(made.len());
    found["sent_bytes"] = json!(sent + manifests as u64);
    found["new_table_bytes"] = json!(new_tables);
    Ok(found)
}

fn one_after_the_other(job: &Create, stop: &CancellationToken) -> anyhow::Result<Vec<Created>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut made = Vec::new();
    loop {
        // The last one begins when all is consumed, so that even a short run has made some.
        let last = stop.is_cancelled();
        let id = SnapshotId::new(SystemClock.now(), u32::try_from(made.len())?);
        made.push(runtime.block_on(job.run(id)).context("a snapshot")?);
        if last {
            return Ok(made);
        }
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
