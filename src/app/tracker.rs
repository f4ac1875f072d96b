//! A running tracker: every room started in order, and stopped in the other one.

use super::admin::RunningAdmin;
use super::settings;
use crate::api::{Context, Parts, Server, ServerHandle};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::dead_letter::{PublishSettings, Publisher};
use crate::domain::SagaDefinitions;
use crate::ingest::{Ingest, IngestSettings, IngestStatus, registry};
use crate::metrics::Metrics;
use crate::projector::{self, ProjectorHandle, rebuild};
use crate::query::Query;
use crate::store::rocks::RocksStore;
use crate::store::{SharedStore, StoreError};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

/// How often what was written is made to survive power loss too.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A tracker whose parts all run.
pub(super) struct Tracker {
    store: SharedStore,
    server: Server,
    ingest: JoinHandle<()>,
    projector: (ProjectorHandle, JoinHandle<()>),
    admin: Arc<RunningAdmin>,
    publisher: Option<Task<()>>,
    shutdown: CancellationToken,
}

impl Tracker {
    /// Starts everything. Needs neither a broker nor a registry to be there.
    pub(super) async fn start(config: &Config) -> anyhow::Result<Self> {
        let definitions = Arc::new(config.definitions()?);
        let store = open_store(config)?;
        rebuild::clear_leftovers(&store)?;
        let due = rebuild::is_due(&store, &definitions)?;
        rebuild::note_rules_once(&store, &definitions)?;
        let kafka = config.kafka.ingest();
        let status = Arc::new(IngestStatus::default());
        let shutdown = CancellationToken::new();
        let clock: SharedClock = Arc::new(SystemClock);
        let projector = projector::spawn(
            store.clone(),
            &kafka.topic,
            definitions.clone(),
            config.projector.clone(),
        )?;
        let admin = Arc::new(RunningAdmin::new(
            store.clone(),
            &kafka.topic,
            definitions.clone(),
            config.projector.clone(),
            status.clone(),
            projector.0.clone(),
        ));
        let query = Query::new(store.clone(), definitions);
        let metrics = Metrics::new(&settings::metrics(config), query.clone(), status.clone());
        let parts = Parts {
            query,
            ingest: status.clone(),
            admin: admin.clone(),
            metrics,
            clock: clock.clone(),
            data_dir: Some(config.store.data_dir.clone()),
        };
        let context = Context::new(settings::server(config), parts);
        let server = Server::bind(settings::server(config), &context).await?;
        let news = Arc::new(Notify::new());
        let publisher = start_publisher(&kafka, &store, &news, &shutdown)?;
        let ingest = Ingest {
            store: store.clone(),
            schemas: open_schemas(config).await?,
            settings: kafka,
            projector: projector.0.clone(),
            status,
            dead_letters: news,
            clock,
            shutdown: shutdown.clone(),
        };
        let ingest = ingest.spawn().context("starting the ingest thread")?;
        if due {
            tracing::info!("the saga definitions changed: rebuilding the projections beside serving");
            admin
                .start_rebuild_now()
                .map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        Ok(Self {
            store,
            server,
            ingest,
            projector,
            admin,
            publisher,
            shutdown,
        })
    }

    /// Where it serves.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.handle().address()
    }

    /// Cancelled to stop it.
    pub(super) fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs until shutdown, then drains: what was polled is written, what was written is folded and
    /// synced.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self {
            store,
            server,
            ingest,
            projector: (handle, projector),
            admin,
            publisher,
            shutdown,
        } = self;
        let syncer = tokio::spawn(sync_often(store.clone(), shutdown.clone()));
        tokio::spawn(stop_server(server.handle(), shutdown.clone()));
        server.run().await;
        shutdown.cancel();
        admin.stop_rebuild();
        drop((handle, admin));
        tokio::task::spawn_blocking(move || {
            let ended = ingest.join().and_then(|()| projector.join());
            ended.map_err(|_| anyhow::anyhow!("a thread of the tracker panicked; its message is above"))
        })
        .await??;
        if let Some(publisher) = publisher {
            publisher.await?;
        }
        syncer.await?;
        store.sync()?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn stop_server(server: ServerHandle, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    server.stop();
}

async fn sync_often(store: SharedStore, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SYNC_EVERY) => {}
        }
        let store = store.clone();
        let synced = tokio::task::spawn_blocking(move || store.sync()).await;
        if let Ok(Err(error)) = synced {
            tracing::error!(%error, "the store was not synced");
        }
    }
}

/// The client blocks, so it is made (and later used) on a thread that may.
async fn open_schemas(config: &Config) -> anyhow::Result<Arc<dyn registry::SchemaSource>> {
    let settings = config.registry.client();
    tokio::task::spawn_blocking(move || registry::open(&settings))
        .await?
        .context("schema registry")
}

fn start_publisher(
    kafka: &IngestSettings,
    store: &SharedStore,
    news: &Arc<Notify>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Task<()>>> {
    if !kafka.publish_dead_letters {
        return Ok(None);
    }
    let settings = PublishSettings {
        client: kafka.client_config(),
        topic: kafka.topic.clone(),
        dlt_topic: kafka.dlt_topic.clone(),
        group_id: kafka.group_id.clone(),
    };
    let publisher = Publisher::new(store.clone(), settings).context("dead-letter producer")?;
    Ok(Some(tokio::spawn(publisher.run(news.clone(), shutdown.clone()))))
}

/// Opens the store of the configuration.
pub(super) fn open_store(config: &Config) -> Result<SharedStore, StoreError> {
    Ok(Arc::new(RocksStore::open(
        &config.store.data_dir,
        &config.store.rocks(),
    )?))
}

/// The topic and the definitions that offline work needs too.
pub(super) fn definitions(config: &Config) -> anyhow::Result<Arc<SagaDefinitions>> {
    Ok(Arc::new(config.definitions()?))
}
