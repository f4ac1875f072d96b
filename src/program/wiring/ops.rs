//! The way into Kafka and back, put together: what is published, who reads it, what it does.

use crate::domain::SharedDefinitions;
use crate::domain::clock::SharedClock;
use crate::operations::decisions::{Consumer, Decisions, OpsStatus, StatusChanger};
use crate::operations::{dead_letters, definitions, retention};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::kafka::{KafkaOut, KafkaSettings};
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::registry::SchemaSource;
use crate::store::SharedStore;
use crate::store::dead_letters::DeadLetterLock;
use anyhow::Context as _;
use saga_tracker_sdk::publishing::RandomEventIds;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who makes decisions, on the ops topic.
pub(super) fn decisions(
    store: &SharedStore,
    kafka: &KafkaSettings,
    clock: &SharedClock,
) -> anyhow::Result<Decisions> {
    Ok(Decisions {
        out: Arc::new(KafkaOut::new(kafka).context("producer of operators' events")?),
        topic: kafka.ops_topic.clone(),
        status: Arc::new(OpsStatus::default()),
        store: store.clone(),
        clock: clock.clone(),
        ids: Arc::new(RandomEventIds),
    })
}

/// Who changes statuses, on the tracker topic. Publishes where decisions do.
pub(super) fn statuses(
    decisions: &Decisions,
    kafka: &KafkaSettings,
    definitions: &SharedDefinitions,
    schemas: &Arc<dyn SchemaSource>,
    projected: ProjectorWatch,
) -> StatusChanger {
    StatusChanger {
        store: decisions.store.clone(),
        definitions: definitions.clone(),
        topic: kafka.topic.clone(),
        out: decisions.out.clone(),
        schemas: schemas.clone(),
        projected,
        clock: decisions.clock.clone(),
        ids: decisions.ids.clone(),
    }
}

/// Starts to read decisions.
pub(super) fn read(
    decisions: &Decisions,
    kafka: &KafkaSettings,
    (book, shared): (&DeadLetterLock, &SharedDefinitions),
    space: Arc<dyn FreeSpace>,
    shutdown: &CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let mut appliers = retention::appliers(&kafka.topic);
    appliers.extend(dead_letters::appliers(book, &letter_topics(kafka)));
    appliers.push(definitions::applier(shared));
    let consumer = Consumer {
        store: decisions.store.clone(),
        settings: kafka.clone(),
        appliers,
        status: decisions.status.clone(),
        space,
        clock: decisions.clock.clone(),
        shutdown: shutdown.clone(),
    };
    consumer
        .spawn()
        .context("starting the thread that reads decisions")
}

/// The topics that dead letters lie in.
pub(super) fn letter_topics(kafka: &KafkaSettings) -> DeadLetterTopics {
    DeadLetterTopics {
        topic: kafka.topic.clone(),
        dlt_topic: kafka.dlt_topic.clone(),
    }
}
