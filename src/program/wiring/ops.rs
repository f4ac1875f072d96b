//! The way into Kafka and back, put together: what is published, who reads it, what it does.

use crate::domain::SagaDefinitions;
use crate::domain::clock::SharedClock;
use crate::operations::decisions::{Applier, Consumer, Decisions, OpsStatus, StatusChanger};
use crate::operations::{dead_letters, retention};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::{KafkaOut, Outlet};
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::registry::SchemaSource;
use crate::store::SharedStore;
use crate::store::dead_letters::DeadLetterLock;
use anyhow::Context as _;
use saga_tracker_sdk::publishing::RandomEventIds;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What operators' wishes go through.
#[derive(Clone)]
pub(super) struct Ops {
    /// Makes decisions, on the ops topic. Its outlet is everyone's.
    pub(super) decisions: Decisions,
    /// Changes statuses, on the tracker topic. Its watch says when what is published there is applied.
    pub(super) statuses: Arc<StatusChanger>,
    /// How far the ops topic is read.
    pub(super) status: Arc<OpsStatus>,
}

/// What it is made of.
pub(super) struct OpsParts<'a> {
    pub(super) store: &'a SharedStore,
    pub(super) kafka: &'a KafkaSettings,
    pub(super) definitions: &'a Arc<SagaDefinitions>,
    pub(super) schemas: &'a Arc<dyn SchemaSource>,
    pub(super) projected: ProjectorWatch,
    pub(super) clock: &'a SharedClock,
}

impl Ops {
    pub(super) fn new(parts: OpsParts<'_>) -> anyhow::Result<Self> {
        let out: Arc<dyn Outlet> =
            Arc::new(KafkaOut::new(parts.kafka).context("producer of operators' events")?);
        let status = Arc::new(OpsStatus::default());
        let decisions = Decisions {
            out: out.clone(),
            topic: parts.kafka.ops_topic.clone(),
            status: status.clone(),
            store: parts.store.clone(),
            clock: parts.clock.clone(),
            ids: Arc::new(RandomEventIds),
        };
        let statuses = Arc::new(StatusChanger {
            store: parts.store.clone(),
            definitions: parts.definitions.clone(),
            topic: parts.kafka.topic.clone(),
            out,
            schemas: parts.schemas.clone(),
            projected: parts.projected,
            clock: parts.clock.clone(),
            ids: Arc::new(RandomEventIds),
        });
        Ok(Self {
            decisions,
            statuses,
            status,
        })
    }

    /// Starts to read decisions.
    pub(super) fn read(
        &self,
        kafka: &KafkaSettings,
        book: &DeadLetterLock,
        space: Arc<dyn FreeSpace>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<JoinHandle<()>> {
        let consumer = Consumer {
            store: self.decisions.store.clone(),
            settings: kafka.clone(),
            appliers: appliers(kafka, book),
            status: self.status.clone(),
            space,
            clock: self.decisions.clock.clone(),
            shutdown: shutdown.clone(),
        };
        consumer
            .spawn()
            .context("starting the thread that reads decisions")
    }
}

/// What decisions do, by kind.
fn appliers(kafka: &KafkaSettings, book: &DeadLetterLock) -> Vec<Box<dyn Applier>> {
    let mut all = retention::appliers(&kafka.topic);
    all.extend(dead_letters::appliers(book, &letter_topics(kafka)));
    all
}

/// The topics that dead letters lie in.
pub(super) fn letter_topics(kafka: &KafkaSettings) -> DeadLetterTopics {
    DeadLetterTopics {
        topic: kafka.topic.clone(),
        dlt_topic: kafka.dlt_topic.clone(),
    }
}
