//! What a running tracker and work on a store that nobody serves both open.

use crate::domain::{InForce, SagaDefinitions};
use crate::operations::definitions::{self, Configured};
use crate::operations::snapshot;
use crate::pipeline::ingest::space::Disk;
use crate::program::config::Config;
use crate::store::rocks::RocksStore;
use crate::store::{SharedStore, dead_letters};
use anyhow::Context as _;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Opens the store of the configuration.
pub(super) fn open_store(config: &Config) -> anyhow::Result<SharedStore> {
    let data_dir = &config.store.data_dir;
    anyhow::ensure!(
        !snapshot::is_unfinished(data_dir),
        "a restore into {} was interrupted; give the same `saga-tracker restore` again, or empty the directory",
        data_dir.display()
    );
    let store = RocksStore::open(data_dir, &config.store)?;
    dead_letters::list_all_once(&store)?;
    Ok(Arc::new(store))
}

/// The disk under the store of the configuration.
pub(super) fn disk(config: &Config) -> Disk {
    Disk {
        directory: config.store.data_dir.clone(),
        min_free_bytes: config.store.min_free_bytes,
    }
}

/// The definitions that are configured.
pub(super) fn configured(config: &Config) -> anyhow::Result<Configured> {
    Ok(Configured {
        definitions: Arc::new(config.definitions()?),
        by_file: config.definitions_file.is_some(),
    })
}

/// The definitions in force in a store, as far as they can be read here. What cannot is told.
pub(super) fn in_force(store: &SharedStore, configured: &Configured) -> anyhow::Result<InForce> {
    let in_force = definitions::in_force(&**store, configured)?;
    if let Some(unreadable) = &in_force.unreadable {
        tracing::error!("{unreadable}");
    }
    Ok(in_force)
}

/// The same, by the configuration.
pub(super) fn definitions(config: &Config, store: &SharedStore) -> anyhow::Result<Arc<SagaDefinitions>> {
    Ok(in_force(store, &configured(config)?)?.definitions)
}

/// Where what waits runs.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("async")
        .build()
        .context("starting the async runtime")
}
