//! What the surface is put on top of: the services of a tracker.

use super::options::OptionInForce;
use super::settings::HealthSettings;
use crate::domain::clock::SharedClock;
use crate::operations::audit::Audit;
use crate::operations::dead_letters::redrive::Redrives;
use crate::operations::decisions::{Decisions, StatusChanger};
use crate::operations::definitions::Definitions;
use crate::operations::incidents::Incidents;
use crate::operations::rebuild::Rebuilds;
use crate::operations::retention::Retention;
use crate::operations::snapshot::Snapshots;
use crate::operations::topic_replay::TopicReplays;
use crate::operations::webhooks::WebhookStatus;
use crate::pipeline::ingest::status::IngestStatus;
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::query::Query;
use crate::pipeline::verify::Digests;
use crate::server::metrics::Metrics;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the surface is put on top of.
pub struct Parts {
    /// Answers questions about sagas.
    pub query: Query,
    /// What ingest is doing.
    pub ingest: Arc<IngestStatus>,
    /// How far projections are.
    pub projected: ProjectorWatch,
    /// Makes digests.
    pub digests: Digests,
    /// Redrives dead letters, and answers questions about them.
    pub redrives: Redrives,
    /// Makes operators' decisions.
    pub decisions: Decisions,
    /// Tells which saga definitions are in force, and changes that.
    pub definitions: Definitions,
    /// Changes statuses of sagas.
    pub statuses: StatusChanger,
    /// Removes, holds, archives and restores; none where nothing does.
    pub retention: Option<Retention>,
    /// Makes projections anew.
    pub rebuilds: Rebuilds,
    /// Reads the topic again.
    pub topic_replays: TopicReplays,
    /// Makes snapshots.
    pub snapshots: Snapshots,
    /// Alerts that came in.
    pub incidents: Incidents,
    /// How webhooks are told.
    pub webhooks: Arc<WebhookStatus>,
    /// Which threads and tasks of the tracker ended unasked.
    pub ended: Arc<EndedParts>,
    /// Where calls that change something are recorded.
    pub audit: Audit,
    /// Counts requests, and is scraped.
    pub metrics: Metrics,
    /// Tells the time of errors and of health.
    pub clock: SharedClock,
    /// When health says DOWN.
    pub health: HealthSettings,
    /// What the tracker was told.
    pub options: Vec<OptionInForce>,
    /// Where the store lives; none for a store in memory.
    pub data_dir: Option<PathBuf>,
}

/// A thread or task of the tracker that ended unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedPart {
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub reason: String,
    /// Whether it panicked: then a restart helps.
    pub panicked: bool,
}

/// All of them. Written by whoever watches the threads, read by health.
#[derive(Default)]
pub struct EndedParts(Mutex<Vec<EndedPart>>);

impl EndedParts {
    /// In the order in which it was found.
    pub fn all(&self) -> Vec<EndedPart> {
        self.lock().clone()
    }

    /// One more.
    pub fn add(&self, part: EndedPart) {
        self.lock().push(part);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EndedPart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
