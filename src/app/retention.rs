//! Retention and its archive, put together: who decides, who applies, and what operators ask of them.

use super::ops::Ops;
use crate::api::Caller;
use crate::api::admin::AdminError;
use crate::api::removals::{Archived, Removals, Restored};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::domain::{Millis, SagaDefinitions, SagaId, fold};
use crate::ingest::space::Disk;
use crate::objects::{self, Objects};
use crate::ops::{Applier, NewDecision};
use crate::projector::ProjectorHandle;
use crate::query::Query;
use crate::retention::archived::{self, ArchiveObject};
use crate::retention::decision::{
    BringBack, EventBody, HOLD, HoldBody, Keep, LIFT, LiftBody, RESTORE, Release, Remove, RestoreBody,
};
use crate::retention::{
    Hold, Holds, Plan, RetentionError, RetentionSettings, RetentionStatus, Rules, Sweeper, Worker, plan,
};
use crate::store::{SharedStore, purged};
use anyhow::Context as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a caller waits for a restore to be applied.
const APPLIED: Duration = Duration::from_secs(20);

/// What retention does with decisions of its kinds.
pub(super) fn appliers() -> Vec<Box<dyn Applier>> {
    let news = Arc::new(Notify::new());
    vec![
        Box::new(Keep),
        Box::new(Release),
        Box::new(Remove(news.clone())),
        Box::new(BringBack(news)),
    ]
}

/// Retention of a running tracker.
#[derive(Clone)]
pub(super) struct Retention {
    settings: RetentionSettings,
    rules: Rules,
    query: Query,
    objects: Option<Objects>,
    ops: Ops,
    status: Arc<RetentionStatus>,
    clock: SharedClock,
    runtime: Handle,
}

impl Retention {
    pub(super) fn new(
        config: &Config,
        store: &SharedStore,
        definitions: &Arc<SagaDefinitions>,
        ops: &Ops,
        clock: &SharedClock,
    ) -> anyhow::Result<Self> {
        let settings = config.retention.clone();
        let room = config.objects.room();
        let objects = if room.url.is_empty() {
            None
        } else {
            Some(objects::open(&room).context("the place of the archive")?)
        };
        Ok(Self {
            rules: Rules::new(&settings, definitions.clone()),
            settings,
            query: Query::new(store.clone(), definitions.clone()),
            objects,
            ops: ops.clone(),
            status: Arc::default(),
            clock: clock.clone(),
            runtime: Handle::current(),
        })
    }

    /// What it is doing.
    pub(super) fn status(&self) -> &Arc<RetentionStatus> {
        &self.status
    }

    /// Starts applying what was decided, and deciding if this replica may.
    pub(super) fn start(
        &self,
        config: &Config,
        projector: &ProjectorHandle,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Vec<(&'static str, JoinHandle<()>)>> {
        let worker = Worker {
            store: self.query.store().clone(),
            projector: projector.clone(),
            ops: self.ops.status.clone(),
            status: self.status.clone(),
            space: Arc::new(Disk(config.store.data_dir.clone())),
            reclaim_percent: self.settings.reclaim_percent,
            shutdown: shutdown.clone(),
        };
        let removing = worker.spawn().context("starting the thread that removes")?;
        let mut threads = vec![("removals", removing)];
        if self.settings.enabled {
            let sweeper = Sweeper {
                query: self.query.clone(),
                rules: self.rules.clone(),
                settings: self.settings.clone(),
                decisions: self.ops.decisions.clone(),
                objects: self.objects.clone().filter(|_| self.settings.archive),
                runtime: self.runtime.clone(),
                status: self.status.clone(),
                clock: self.clock.clone(),
                shutdown: shutdown.clone(),
            };
            let sweeping = sweeper.spawn().context("starting retention's thread")?;
            threads.push(("retention", sweeping));
        }
        Ok(threads)
    }

    fn decide(
        &self,
        kind: &'static str,
        by: &Caller,
        reason: &str,
        body: &impl serde::Serialize,
    ) -> Result<u64, AdminError> {
        let made = self.ops.decisions.make(NewDecision {
            kind,
            by: by.who().to_owned(),
            from: by.origin(),
            reason: reason.to_owned(),
            body: serde_json::to_value(body).map_err(|error| AdminError::Failed(error.to_string()))?,
        });
        Ok(made?.offset)
    }

    fn hold(&self, id: u64) -> Result<Hold, AdminError> {
        Holds::find(&**self.query.store(), id)
            .map_err(|error| failed(error.into()))?
            .ok_or_else(|| AdminError::NotFound(format!("there is no hold {id}")))
    }
}

impl Removals for Retention {
    fn plan(&self) -> Result<Plan, AdminError> {
        plan(&self.query, &self.rules, self.clock.now()).map_err(failed)
    }

    fn holds(&self) -> Result<Vec<Hold>, AdminError> {
        let holds = Holds::read(&**self.query.store()).map_err(|error| failed(error.into()))?;
        Ok(holds.all().to_vec())
    }

    fn keep(&self, what: HoldBody, reason: &str, by: &Caller) -> Result<Hold, AdminError> {
        what.clone().scope().map_err(AdminError::Invalid)?;
        let id = self.decide(HOLD, by, reason, &what)?;
        self.hold(id)
    }

    fn lift(&self, id: u64, reason: &str, by: &Caller) -> Result<Hold, AdminError> {
        let hold = self.hold(id)?;
        if hold.lifted.is_some() {
            return Err(AdminError::Conflict(format!("hold {id} was lifted already")));
        }
        self.decide(LIFT, by, reason, &LiftBody { hold: id })?;
        self.hold(id)
    }

    fn objects(&self, from: u64, limit: usize) -> Result<Vec<ArchiveObject>, AdminError> {
        archived::list(&**self.query.store(), from, limit).map_err(|error| failed(error.into()))
    }

    fn archived(&self, saga: &SagaId) -> Result<Archived, AdminError> {
        let store = self.query.store();
        let found = self
            .runtime
            .block_on(archived::fetch(&**store, self.objects.as_ref(), saga))
            .map_err(failed)?;
        let state = fold(&found.events, self.query.definitions())
            .ok_or_else(|| AdminError::Failed(format!("the archive holds nothing of saga {saga}")))?;
        Ok(Archived {
            state,
            purged: found.purged,
            timeline: self.query.timeline_of(saga, &found.events),
            events: found.events,
        })
    }

    fn restore(&self, saga: &SagaId, reason: &str, by: &Caller) -> Result<Restored, AdminError> {
        let found = self.archived(saga)?;
        if !found.purged.is_gone() {
            return Err(AdminError::Conflict(format!("saga {saga} is not gone")));
        }
        let body = RestoreBody {
            saga: saga.as_str().to_owned(),
            purge: found.purged.decision,
            events: found.events.iter().map(EventBody::of).collect(),
        };
        let decision = self.decide(RESTORE, by, reason, &body)?;
        if !self.status.wait_for(decision, APPLIED) {
            return Err(AdminError::Unavailable(format!(
                "decision {decision} is made and will bring saga {saga} back; do not repeat it"
            )));
        }
        let record = purged::purged(&**self.query.store(), saga).map_err(|error| failed(error.into()))?;
        match record.and_then(|record| record.restored) {
            Some((by_decision, at)) if by_decision == decision => Ok(Restored {
                decision,
                at,
                events: u32::try_from(found.events.len()).unwrap_or(u32::MAX),
            }),
            _ => Err(AdminError::Failed(format!(
                "decision {decision} did not bring saga {saga} back; the log of the tracker says why"
            ))),
        }
    }

    fn pending(&self) -> u64 {
        self.ops
            .status
            .snapshot()
            .next
            .saturating_sub(self.status.snapshot().next)
    }

    fn last_sweep(&self) -> Option<Millis> {
        self.status.snapshot().last_sweep
    }

    fn trouble(&self) -> Option<String> {
        self.status.snapshot().trouble().map(str::to_owned)
    }
}

fn failed(error: RetentionError) -> AdminError {
    let words = error.to_string();
    match error {
        RetentionError::NeverPurged(_) | RetentionError::NotArchived(_) => AdminError::NotFound(words),
        RetentionError::NoObjects | RetentionError::Unread | RetentionError::Behind(_) => {
            AdminError::Unavailable(words)
        }
        RetentionError::Ops(error) => error.into(),
        RetentionError::Archive(crate::archive::ArchiveError::Objects(_)) => AdminError::Unavailable(words),
        _ => AdminError::Failed(words),
    }
}
