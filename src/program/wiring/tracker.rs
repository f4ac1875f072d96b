//! A running tracker: every room started in order, and stopped in the other one.

use super::open::{configured, disk, in_force, open_store};
use super::ops::{self, letter_topics};
use super::supervise::{Supervisor, panicked};
use super::{operator, page, snapshots};
use crate::domain::SharedDefinitions;
use crate::domain::clock::{SharedClock, SystemClock};
use crate::failpoint;
use crate::operations::audit::Audit;
use crate::operations::background::Background;
use crate::operations::dead_letters::redrive::{RedriveParts, Redrives};
use crate::operations::dead_letters::{
    Consumption, DeadLetterRetention, ExternalDeadLetters, Publisher, Sources,
};
use crate::operations::definitions::{self, Configured, Definitions, Renewer};
use crate::operations::incidents::{Incidents, Token};
use crate::operations::objects::{self, Objects};
use crate::operations::rebuild::{RebuildParts, Rebuilds};
use crate::operations::retention::{Retention, RetentionParts};
use crate::operations::snapshot;
use crate::operations::topic_replay::{TopicReplayParts, TopicReplays};
use crate::operations::webhooks::{WebhookStatus, Webhooks};
use crate::pipeline::ingest::late_schemas::{AskedFor, LateSchemas};
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::ingest::{Ingest, IngestStatus};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::projector::{self, ProjectorHandle, rebuild};
use crate::pipeline::query::Query;
use crate::pipeline::registry;
use crate::pipeline::verify::Digests;
use crate::program::config::{Config, Effective};
use crate::server::api::{Context, EndedParts, OptionInForce, Parts, Server, ServerHandle};
use crate::server::metrics::Metrics;
use crate::store::SharedStore;
use crate::store::dead_letters::DeadLetterLock;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

/// How often what was written is made to survive power loss too.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How long the parts have to end once the server has.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A tracker whose parts all run.
pub(super) struct Tracker {
    store: SharedStore,
    server: Server,
    supervisor: Supervisor,
    ended: Arc<EndedParts>,
    projector: ProjectorHandle,
    background: Background,
    schemas: Arc<dyn registry::SchemaSource>,
    incidents: Incidents,
    shutdown: CancellationToken,
}

impl Tracker {
    /// Starts everything. Needs neither a broker nor a registry to be there.
    pub(super) async fn start(config: &Config, effective: &[Effective]) -> anyhow::Result<Self> {
        let configured = configured(config)?;
        let store = open_store(config)?;
        snapshot::clear_leftovers(
            &config.store.data_dir,
            &snapshots::scratch(&config.store.data_dir),
        )?;
        rebuild::clear_leftovers(&store)?;
        let definitions = SharedDefinitions::from(in_force(&store, &configured)?);
        tell_of_unused_file(&store, &configured)?;
        let kafka = config.kafka.clone();
        let status = Arc::new(IngestStatus::default());
        let shutdown = CancellationToken::new();
        let clock: SharedClock = Arc::new(SystemClock);
        let ended = Arc::new(EndedParts::default());
        let (projector, folding) = projector::spawn(
            store.clone(),
            &kafka.topic,
            definitions.get(),
            config.projector.clone(),
        )?;
        let schemas = open_schemas(config).await?;
        let audit = Audit::new(store.clone(), clock.clone());
        let decisions = ops::decisions(&store, &kafka, &clock)?;
        let book = DeadLetterLock::default();
        let consumption = Consumption::new(status.clone(), decisions.status.clone());
        let redrives = Redrives::new(RedriveParts {
            sources: Sources {
                store: store.clone(),
                schemas: schemas.clone(),
                topics: letter_topics(&kafka),
            },
            definitions: definitions.clone(),
            out: decisions.out.clone(),
            deciding: Arc::new(decisions.clone()),
            consumption: consumption.clone(),
            audit: audit.clone(),
            replay_events: config.dead_letters.replay_events,
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        });
        let snapshots = snapshots::of_tracker(config, store.clone(), audit.clone(), shutdown.clone());
        let asked_for = Arc::<AskedFor>::default();
        let retention = Retention::new(RetentionParts {
            store: store.clone(),
            definitions: definitions.clone(),
            configured: configured.definitions.clone(),
            settings: config.retention.clone(),
            objects: open_objects(config)?,
            decisions: decisions.clone(),
            kafka: kafka.clone(),
            asked_for: asked_for.clone(),
            clock: clock.clone(),
        });
        let background = Background::new(audit.clone());
        let space: Arc<dyn FreeSpace> = Arc::new(disk(config));
        let rebuilds = Rebuilds::new(
            RebuildParts {
                store: store.clone(),
                topic: kafka.topic.clone(),
                definitions: definitions.clone(),
                settings: config.projector.clone(),
                projector: projector.clone(),
                space: space.clone(),
            },
            background.clone(),
        );
        let topic_replays = TopicReplays::new(
            TopicReplayParts {
                store: store.clone(),
                kafka: kafka.clone(),
                schemas: schemas.clone(),
                projector: projector.clone(),
                book: book.clone(),
                asked_for: asked_for.clone(),
            },
            background.clone(),
        );
        let query = Query::new(store.clone(), definitions.clone()).of_topic(&kafka.topic);
        let metrics = Metrics::new(&config.metrics, query.clone(), status.clone(), clock.clone());
        metrics.follow_snapshots(snapshots.status().clone());
        metrics.follow_decisions(decisions.status.clone());
        metrics.follow_retention(retention.status().clone());
        let incidents = open_incidents(config, &store)?;
        let told = Arc::new(WebhookStatus::default());
        metrics.follow_webhooks(told.clone());
        let webhooks = Webhooks {
            query: query.clone(),
            topics: [kafka.topic.clone(), kafka.dlt_topic.clone()],
            ingest: status.clone(),
            settings: config.webhooks.clone(),
            status: told.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        projector.watch().time_deliveries(clock.clone());
        metrics.follow_projector(projector.watch());
        let parts = Parts {
            query,
            ingest: status.clone(),
            projected: projector.watch(),
            digests: Digests {
                store: store.clone(),
                projector: projector.clone(),
                topic: kafka.topic.clone(),
                settings: config.projector.clone(),
            },
            redrives: redrives.clone(),
            decisions: decisions.clone(),
            definitions: Definitions {
                configured: configured.clone(),
                default_days: config.retention.default_days(),
                decisions: decisions.clone(),
            },
            statuses: ops::statuses(&decisions, &kafka, &definitions, &schemas, projector.watch()),
            retention: Some(retention.clone()),
            rebuilds: rebuilds.clone(),
            topic_replays,
            snapshots: snapshots.clone(),
            incidents: incidents.clone(),
            webhooks: told.clone(),
            ended: ended.clone(),
            audit: audit.clone(),
            metrics,
            clock: clock.clone(),
            health: config.health.clone(),
            options: effective.iter().map(OptionInForce::from).collect(),
            data_dir: Some(config.store.data_dir.clone()),
        };
        let context = Context::new(config.server.clone(), parts);
        let router = page::router(config, &context)?;
        let server = Server::bind(config.server.clone(), &context, router).await?;
        let news = Arc::new(Notify::new());
        let publisher = start_publisher(&kafka, &store, &news, &shutdown)?;
        let mut supervisor = Supervisor::new(ended.clone(), shutdown.clone());
        // Before anything is read: what becomes known after the start is told.
        for thread in webhooks.spawn()? {
            supervisor.thread("webhooks", thread);
        }
        if let Some(publisher) = publisher {
            supervisor.task("dead-letters", publisher);
        }
        supervisor.task("snapshots", tokio::spawn(snapshots.run()));
        supervisor.task("sync", tokio::spawn(sync_often(store.clone(), shutdown.clone())));
        supervisor.thread(
            "ops",
            ops::read(
                &decisions,
                &kafka,
                (&book, &definitions),
                space.clone(),
                &shutdown,
            )?,
        );
        let redriver = redrives.spawn();
        supervisor.thread(
            "redrive",
            redriver.context("starting the thread that redrives dead letters")?,
        );
        if let Some(external) = start_external(&kafka, &store, &schemas, (&book, &space, &status), &shutdown)?
        {
            supervisor.thread("foreign-letters", external);
        }
        let threads = retention.spawn(&projector, space.clone(), &shutdown);
        for (name, thread) in threads.context("starting retention's threads")? {
            supervisor.thread(name, thread);
        }
        let reread = LateSchemas {
            store: store.clone(),
            schemas: schemas.clone(),
            projector: projector.clone(),
            book: book.clone(),
            topics: letter_topics(&kafka),
            asked_for,
            shutdown: shutdown.clone(),
        };
        supervisor.thread(
            "reread",
            reread
                .spawn()
                .context("starting the thread that reads dead letters again")?,
        );
        let letters = DeadLetterRetention {
            store: store.clone(),
            settings: config.dead_letters.clone(),
            topics: letter_topics(&kafka),
            deciding: Arc::new(decisions),
            ops_topic: kafka.ops_topic.clone(),
            consumption,
            publishes: kafka.publish_dead_letters,
            redrives: redrives.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        let letters = letters.spawn();
        supervisor.thread(
            "letter-retention",
            letters.context("starting the thread that removes settled dead letters")?,
        );
        let ingest = Ingest {
            store: store.clone(),
            schemas: schemas.clone(),
            settings: kafka,
            projector: projector.clone(),
            status,
            dead_letters: news,
            space,
            book,
            clock,
            shutdown: shutdown.clone(),
        };
        supervisor.thread("ingest", ingest.spawn().context("starting the ingest thread")?);
        let renewer = Renewer {
            definitions,
            rebuilds,
            audit,
            act: operator::act("rebuild", "projections", "the saga definitions changed"),
            shutdown: shutdown.clone(),
        };
        supervisor.thread(
            "definitions",
            renewer
                .spawn()
                .context("starting the thread that follows the saga definitions")?,
        );
        // It ends when nobody can reach it any more: last.
        supervisor.thread("projector", folding);
        Ok(Self {
            store,
            server,
            supervisor,
            ended,
            projector,
            background,
            schemas,
            incidents,
            shutdown,
        })
    }

    /// Where it serves.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.handle().address()
    }

    /// The alerts that came in.
    pub(super) fn incidents(&self) -> Incidents {
        self.incidents.clone()
    }

    /// Cancelled to stop it.
    pub(super) fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs until shutdown, then drains: what was polled is written, what was written is folded and
    /// synced.
    ///
    /// # Errors
    /// When a part panicked, or the store cannot be synced.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self {
            store,
            server,
            supervisor,
            ended,
            projector,
            background,
            schemas,
            incidents: _,
            shutdown,
        } = self;
        let watching = tokio::spawn(supervisor.watch());
        tokio::spawn(stop_server(server.handle(), shutdown.clone()));
        server.run().await;
        shutdown.cancel();
        let supervisor = watching.await?;
        let stopping = async {
            // A rebuild or a replay under way holds on to the projector.
            tokio::task::spawn_blocking(move || {
                background.stop();
                drop((projector, background));
            })
            .await?;
            supervisor.join().await;
            // The registry's client waits for its thread when the last of its users lets go of it.
            tokio::task::spawn_blocking(move || drop(schemas)).await
        };
        // A Kafka client that lost its broker a moment ago may wait for it without a bound. Everything
        // consumed is in the store by then, so the process may go.
        let stopped = tokio::time::timeout(STOP_TIMEOUT, stopping).await;
        tokio::task::spawn_blocking(move || store.sync()).await??;
        if let Some(why) = panicked(&ended) {
            anyhow::bail!("a part of the tracker panicked, start it again: {why}");
        }
        match stopped {
            Ok(ended) => {
                ended?;
                tracing::info!("stopped");
            }
            Err(_) => {
                tracing::warn!("stopped without waiting longer for a Kafka client that waits for its broker");
            }
        }
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
            () = tokio::time::sleep(SYNC_INTERVAL) => {}
        }
        failpoint::pass("thread.sync");
        let store = store.clone();
        let synced = tokio::task::spawn_blocking(move || store.sync()).await;
        if let Ok(Err(error)) = synced {
            tracing::error!(%error, "the store was not synced");
        }
    }
}

/// A file that says something else than what was decided is not used, which is told once.
fn tell_of_unused_file(store: &SharedStore, configured: &Configured) -> anyhow::Result<()> {
    let last = definitions::versions_before(&**store, None, 1)?.pop();
    if let Some(last) = last
        && configured.is_other_file_than(&last)
    {
        tracing::warn!(
            version = last.number,
            by = last.by,
            "the file of definitions_file says something else than the version of the saga definitions that was \
             applied last, and is not used; `saga-tracker definitions apply` brings it into force"
        );
    }
    Ok(())
}

/// The alerts that came in, and who may send more.
fn open_incidents(config: &Config, store: &SharedStore) -> anyhow::Result<Incidents> {
    let settings = config.incidents.clone();
    let token = settings.token_file.as_deref().map(Token::of).transpose()?;
    Incidents::open(store.clone(), settings, token).context("reading the incidents of the store")
}

/// Where the archive is, if anybody said.
fn open_objects(config: &Config) -> anyhow::Result<Option<Objects>> {
    match config.objects.url {
        Some(_) => Ok(Some(
            objects::open(&config.objects).context("the place of the archive")?,
        )),
        None => Ok(None),
    }
}

/// The client blocks, so it is made (and later used) on a thread that may.
async fn open_schemas(config: &Config) -> anyhow::Result<Arc<dyn registry::SchemaSource>> {
    let settings = config.registry.clone();
    tokio::task::spawn_blocking(move || registry::open(&settings))
        .await?
        .context("schema registry")
}

fn start_external(
    kafka: &KafkaSettings,
    store: &SharedStore,
    schemas: &Arc<dyn registry::SchemaSource>,
    (book, space, status): (&DeadLetterLock, &Arc<dyn FreeSpace>, &Arc<IngestStatus>),
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    if !kafka.consume_dead_letters {
        return Ok(None);
    }
    let external = ExternalDeadLetters {
        store: store.clone(),
        settings: kafka.clone(),
        schemas: schemas.clone(),
        book: book.clone(),
        space: space.clone(),
        status: status.clone(),
        shutdown: shutdown.clone(),
    };
    let thread = external.spawn();
    Ok(Some(thread.context(
        "starting the thread that reads the dead-letter topic",
    )?))
}

fn start_publisher(
    kafka: &KafkaSettings,
    store: &SharedStore,
    news: &Arc<Notify>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Task<()>>> {
    if !kafka.publish_dead_letters {
        return Ok(None);
    }
    let publisher = Publisher::new(store.clone(), kafka).context("dead-letter producer")?;
    Ok(Some(tokio::spawn(publisher.run(news.clone(), shutdown.clone()))))
}
