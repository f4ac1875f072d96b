//! Reading the topic again beside consuming it. What is done with a record is not known here
//! (`pipeline::ingest::topic_replay`).

use crate::operations::audit::Act;
use crate::operations::background::{Background, StartError, Work, WorkState};
use crate::pipeline::ingest::late_schemas::AskedFor;
use crate::pipeline::ingest::topic_replay::{Replay, ReplayDone, ReplayRange};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::projector::ProjectorHandle;
use crate::pipeline::registry::SchemaSource;
use crate::store::SharedStore;
use crate::store::dead_letters::DeadLetterLock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// What replays of the topic need.
pub struct TopicReplayParts {
    /// The store.
    pub store: SharedStore,
    /// How to reach Kafka, and the topic.
    pub kafka: KafkaSettings,
    /// Where writer schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// Who folds what is filled in.
    pub projector: ProjectorHandle,
    /// The account of letters and gaps.
    pub book: DeadLetterLock,
    /// Told when letters of unknown schemas are put between others.
    pub asked_for: Arc<AskedFor>,
}

/// Starts replays of the topic and tells how far they are. Cheap to clone.
#[derive(Clone)]
pub struct TopicReplays {
    parts: Arc<TopicReplayParts>,
    background: Background,
    done: Arc<Mutex<ReplayDone>>,
}

/// How far a replay of the topic is, or what the last one found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReplayStatus {
    /// Whether one runs, or how the last one ended.
    pub state: WorkState,
    /// What was read.
    pub done: ReplayDone,
}

impl TopicReplays {
    /// Replays in this background.
    pub fn new(parts: TopicReplayParts, background: Background) -> Self {
        Self {
            parts: Arc::new(parts),
            background,
            done: Arc::default(),
        }
    }

    /// Starts one; the audit log is told how it ended.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(&self, range: ReplayRange, act: Act) -> Result<TopicReplayStatus, StartError> {
        let (parts, token) = (&*self.parts, CancellationToken::new());
        let replay = Replay {
            store: parts.store.clone(),
            settings: parts.kafka.clone(),
            schemas: parts.schemas.clone(),
            projector: parts.projector.clone(),
            book: parts.book.clone(),
            asked_for: parts.asked_for.clone(),
            stop: token.clone(),
        };
        let replays = self.clone();
        let run = move || {
            let done = replay
                .run(&range, &mut |done| *replays.lock() = done)
                .map_err(|error| error.to_string())?;
            *replays.lock() = done;
            let detail = format!(
                "{} records read, {} known, {} filled in",
                done.read, done.known, done.filled
            );
            tracing::info!(detail, "replayed the topic");
            Ok(detail)
        };
        // Held until it runs: what it tells is not mixed with what the last one found.
        let mut done = self.lock();
        let stop = move || token.cancel();
        self.background.start(Work::TopicReplay, act, stop, run)?;
        *done = ReplayDone::default();
        Ok(self.describe(*done))
    }

    /// How far it is, or what the last one found.
    pub fn status(&self) -> TopicReplayStatus {
        self.describe(*self.lock())
    }

    fn describe(&self, done: ReplayDone) -> TopicReplayStatus {
        TopicReplayStatus {
            state: self.background.state(Work::TopicReplay),
            done,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReplayDone> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
