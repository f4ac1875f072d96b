//! Retention and its archive, put together: who decides, who applies, and what operators ask of them.

use super::ops::Ops;
use super::restoring::Restoring;
use crate::api::Caller;
use crate::api::admin::AdminError;
use crate::api::removals::{Archived, Removals, Restored, Standing};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::domain::{Millis, SagaDefinitions, SagaId, fold};
use crate::ingest::IngestSettings;
use crate::ingest::space::Disk;
use crate::objects::{self, Objects};
use crate::ops::{Applier, KafkaTopics, NewDecision};
use crate::projector::ProjectorHandle;
use crate::query::{Query, TimelineStep};
use crate::retention::archived::{self, ArchiveObject, FromArchive};
use crate::retention::body::{
    HOLD, HoldBody, LIFT, LiftBody, RESTORE, RESTORE_PART, RestoreBody, RestorePartBody,
};
use crate::retention::decision::{BringBack, CarryPart, Keep, Release, Remove};
use crate::retention::parts::Cutting;
use crate::retention::{
    Edge, Hold, Holds, Plan, RetentionError, RetentionSettings, RetentionStatus, Rules, Sweeper, Worker,
    parts, plan,
};
use crate::store::stoppable::Stop;
use crate::store::{SharedStore, purged};
use anyhow::Context as _;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long a caller waits for a restore to be applied.
const APPLIED: Duration = Duration::from_secs(20);

/// How long the tracker topic must be the same before a cut beyond its end counts as one that is never
/// reached.
const SETTLE: Duration = Duration::from_secs(5);

/// How long a search for due sagas waits for what is under way to be read and folded.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a decision waits for letters whose schemas are unknown here, before it is left.
const LETTERS: Duration = Duration::from_secs(600);

/// Most bytes of deliveries that are held for the state of a removed saga.
const HELD_BYTES: usize = 64 << 20;

/// What retention does with decisions of its kinds.
pub(super) fn appliers(topic: &str) -> Vec<Box<dyn Applier>> {
    vec![
        Box::new(Keep),
        Box::new(Release),
        Box::new(Remove {
            topic: topic.to_owned(),
        }),
        Box::new(BringBack {
            topic: topic.to_owned(),
        }),
        Box::new(CarryPart),
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
    restoring: Restoring,
    status: Arc<RetentionStatus>,
    clock: SharedClock,
    runtime: Handle,
    kafka: IngestSettings,
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
            restoring: Restoring::default(),
            status: Arc::default(),
            clock: clock.clone(),
            runtime: Handle::current(),
            kafka: config.ingest(),
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
        let edge = Edge {
            topics: Arc::new(KafkaTopics::new(&self.kafka)),
            topic: self.kafka.topic.clone(),
            ops_topic: self.kafka.ops_topic.clone(),
            projector: projector.clone(),
            ops: self.ops.status.clone(),
            status: self.status.clone(),
            settle: SETTLE,
            patience: PATIENCE,
            letters: LETTERS,
            asked: Arc::default(),
        };
        let worker = Worker {
            store: self.query.store().clone(),
            projector: projector.clone(),
            ops: self.ops.status.clone(),
            edge: edge.clone(),
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
                edge,
                left: Mutex::default(),
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

    /// Publishes the deliveries in as many messages as it takes; the last one is the decision. Until it
    /// is there those before it do nothing.
    fn publish_restore(
        &self,
        found: &FromArchive<'_>,
        saga: &SagaId,
        reason: &str,
        by: &Caller,
    ) -> Result<u64, AdminError> {
        let (saga, purge) = (saga.as_str().to_owned(), found.purged.decision);
        let (mut cutting, mut numbers) = (Cutting::new(parts::PIECE_BYTES), Vec::new());
        let mut publish = |data| {
            let saga = saga.clone();
            let part = RestorePartBody { saga, purge, data };
            numbers.push(self.decide(RESTORE_PART, by, reason, &part)?);
            Ok::<_, Refused>(())
        };
        found.each(&self.runtime, &mut |event| cutting.add(&event, &mut publish))?;
        let body = RestoreBody {
            topic: self.kafka.topic.clone(),
            saga,
            purge,
            events: found.purged.events,
            parts: numbers,
            data: cutting.finish(),
        };
        self.decide(RESTORE, by, reason, &body)
    }

    fn find<'r>(&'r self, saga: &'r SagaId) -> Result<FromArchive<'r>, AdminError> {
        let store = self.query.store();
        archived::find(&**store, self.objects.as_ref(), saga).map_err(failed)
    }

    fn hold(&self, id: u64) -> Result<Hold, AdminError> {
        Holds::find(&**self.query.store(), id)
            .map_err(|error| failed(error.into()))?
            .ok_or_else(|| AdminError::NotFound(format!("there is no hold {id}")))
    }
}

impl Removals for Retention {
    fn plan(&self, stop: Stop) -> Result<Plan, AdminError> {
        plan(&self.query.until(stop), &self.rules, self.clock.now()).map_err(failed)
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
        let found = self.find(saga)?;
        let events = found.all(&self.runtime, HELD_BYTES).map_err(failed)?;
        let state = fold(&events, self.query.definitions())
            .ok_or_else(|| AdminError::Failed(format!("the archive holds nothing of saga {saga}")))?;
        Ok(Archived {
            state,
            purged: found.purged,
        })
    }

    fn archived_steps(
        &self,
        saga: &SagaId,
        visit: &mut dyn FnMut(&TimelineStep<'_>) -> ControlFlow<()>,
    ) -> Result<(), AdminError> {
        let (found, mut steps) = (self.find(saga)?, self.query.steps_of_timeline());
        let visited = found.each_standing(&self.runtime, &mut |event| visit(&steps.next(event.view())));
        visited.map_err(failed)
    }

    fn restore(&self, saga: &SagaId, reason: &str, by: &Caller) -> Result<Restored, AdminError> {
        let _alone = self.restoring.begin(saga)?;
        let found = self.find(saga)?;
        if !found.purged.is_gone() {
            return Err(AdminError::Conflict(format!("saga {saga} is not gone")));
        }
        // Read once before anything is published.
        found.each(&self.runtime, &mut |_| Ok::<_, Refused>(()))?;
        let decision = self.publish_restore(&found, saga, reason, by)?;
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
                events: found.purged.events,
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

    fn standing(&self) -> Standing {
        let known = self.status.snapshot();
        Standing {
            stopped: known.failed,
            skipped: known.skipped.values().sum(),
            last_skipped: known.last_skipped,
            waiting: known.held_up.or(known.waiting).or(known.unreadable),
        }
    }
}

/// What a caller is told, of whatever went wrong while a saga was read from the archive.
struct Refused(AdminError);

impl From<RetentionError> for Refused {
    fn from(error: RetentionError) -> Self {
        Self(failed(error))
    }
}

impl From<AdminError> for Refused {
    fn from(error: AdminError) -> Self {
        Self(error)
    }
}

impl From<String> for Refused {
    fn from(words: String) -> Self {
        Self(AdminError::Failed(words))
    }
}

impl From<Refused> for AdminError {
    fn from(Refused(error): Refused) -> Self {
        error
    }
}

fn failed(error: RetentionError) -> AdminError {
    let words = error.to_string();
    match error {
        RetentionError::NeverPurged(_) | RetentionError::NotArchived(_) => AdminError::NotFound(words),
        RetentionError::TooLarge { .. } => AdminError::Conflict(words),
        RetentionError::NoObjects
        | RetentionError::Unread
        | RetentionError::Behind(_)
        | RetentionError::NotAtTheEnd(_) => AdminError::Unavailable(words),
        RetentionError::Ops(error) => error.into(),
        RetentionError::Archive(crate::archive::ArchiveError::Objects(_)) => AdminError::Unavailable(words),
        _ => AdminError::Failed(words),
    }
}
