//! Every metric of the tracker: declared in one list ([`catalogue`]), gathered at scrape time, and
//! written in the classic text format.
//!
//! What is counted about sagas derives from stored state, so it survives restarts and counts nothing
//! twice, and never falls for a scraper ([`floor`]); only what happens at the HTTP surface is counted in the
//! process's memory. Nobody else
//! invents a name, and no label ever holds a saga, an order or an event.

pub mod catalogue;
mod classic;
mod floor;
mod outcomes;
mod process;
mod requests;
mod rules;
mod sample;
mod state;
mod steps;

pub use requests::{Answered, Asked};

use crate::domain::clock::SharedClock;
use crate::operations::decisions::OpsStatus;
use crate::operations::retention::RetentionStatus;
use crate::operations::snapshot::SnapshotStatus;
use crate::operations::webhooks::WebhookStatus;
use crate::pipeline::ingest::status::IngestStatus;
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::query::Query;
use crate::settings::settings;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use requests::Requests;
use sample::Readings;
use state::Remembered;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What a scrape answers with; [`Metrics::render`] writes exactly this format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

settings! {
    /// How metrics are bounded.
    #[derive(Debug)]
    pub struct MetricsSettings of [metrics] {
        /// Distinct steps that saga_events_processed_total tells apart; further ones are counted as "other".
        #[option(Integer(1, 10_000))]
        pub max_steps: usize = 200,
    }
}

/// A handle to count with and to scrape from. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    query: Query,
    clock: SharedClock,
    ingest: Arc<IngestStatus>,
    snapshots: OnceLock<Arc<SnapshotStatus>>,
    decisions: OnceLock<Arc<OpsStatus>>,
    retention: OnceLock<Arc<RetentionStatus>>,
    webhooks: OnceLock<Arc<WebhookStatus>>,
    projector: OnceLock<ProjectorWatch>,
    requests: Requests,
    registry: Registry,
    scraped: Mutex<Remembered>,
}

impl Metrics {
    /// Reads state through `query` and consumption from `ingest`; what is late is so by `clock`.
    pub fn new(
        settings: &MetricsSettings,
        query: Query,
        ingest: Arc<IngestStatus>,
        clock: SharedClock,
    ) -> Self {
        let mut registry = Registry::default();
        let requests = Requests::default();
        requests.register(&mut registry);
        let scraped = Mutex::new(Remembered::new(settings.max_steps));
        Self {
            inner: Arc::new(Inner {
                query,
                clock,
                ingest,
                snapshots: OnceLock::new(),
                decisions: OnceLock::new(),
                retention: OnceLock::new(),
                webhooks: OnceLock::new(),
                projector: OnceLock::new(),
                requests,
                registry,
                scraped,
            }),
        }
    }

    /// Tells of these snapshots too. Without, their families are left out.
    pub fn follow_snapshots(&self, status: Arc<SnapshotStatus>) {
        self.inner.snapshots.get_or_init(|| status);
    }

    /// Tells how far decisions are read too. Without, their families are left out.
    pub fn follow_decisions(&self, status: Arc<OpsStatus>) {
        self.inner.decisions.get_or_init(|| status);
    }

    /// Tells what retention does too. Without, its families are left out.
    pub fn follow_retention(&self, status: Arc<RetentionStatus>) {
        self.inner.retention.get_or_init(|| status);
    }

    /// Tells how webhooks are told too. Without, their family is left out.
    pub fn follow_webhooks(&self, status: Arc<WebhookStatus>) {
        self.inner.webhooks.get_or_init(|| status);
    }

    /// Tells how long deliveries take until this projector has folded them too. Without, their family is left out.
    pub fn follow_projector(&self, watch: ProjectorWatch) {
        self.inner.projector.get_or_init(|| watch);
    }

    /// Counts one answered request.
    pub fn answered(&self, answered: &Answered, took: Duration) {
        self.inner.requests.answered(answered, took);
    }

    /// Counts one question to the store.
    pub fn asked(&self, asked: Asked, took: Duration) {
        self.inner.requests.asked(asked, took);
    }

    /// Everything, in the format that [`CONTENT_TYPE`] names. Reads the store: not for a thread
    /// that must not wait.
    ///
    /// # Errors
    /// Writing to a string does not fail; the type says it could.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let inner = &*self.inner;
        let readings = {
            // A panic elsewhere leaves high-water marks behind, which stay true.
            let mut scraped = inner.scraped.lock().unwrap_or_else(PoisonError::into_inner);
            let mut readings = Vec::new();
            state::read(&inner.query, inner.clock.now(), &mut scraped, &mut readings);
            state::read_ingest(&inner.ingest.snapshot(), &mut readings);
            if let Some(projector) = inner.projector.get() {
                outcomes::read_delays(&projector.delays(), &mut readings);
            }
            if let Some(snapshots) = inner.snapshots.get() {
                state::read_snapshots(&snapshots.known(), &mut readings);
            }
            if let Some(decisions) = inner.decisions.get() {
                let ops = decisions.snapshot();
                state::read_ops(&ops, &mut readings);
                if let Some(retention) = inner.retention.get() {
                    state::read_retention(&retention.snapshot(), ops.next, &mut readings);
                }
            }
            if let Some(webhooks) = inner.webhooks.get() {
                state::read_webhooks(&webhooks.known(), &mut readings);
            }
            process::read(&inner.query.store().usage(), &mut readings);
            readings
        };
        let mut now = Registry::default();
        now.register_collector(Box::new(Readings(readings)));
        let mut openmetrics = String::with_capacity(16 << 10);
        text::encode_registry(&mut openmetrics, &now)?;
        text::encode_registry(&mut openmetrics, &inner.registry)?;
        Ok(classic::from_openmetrics(&openmetrics))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
