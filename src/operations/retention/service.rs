//! Retention of a running tracker, for those who want to see, hold or restore. Who decides what is purged is the
//! [`Sweeper`], who does it the [`Worker`]; both are started here.

use super::archived::{self, ArchiveObject, FromArchive};
use super::body::{HOLD, HoldBody, LIFT, LiftBody, RESTORE, RESTORE_PART, RestoreBody, RestorePartBody};
use super::parts::{self, Cutting};
use super::restoring::Restoring;
use super::{
    Edge, Hold, Holds, Plan, RetentionError, RetentionSettings, RetentionStatus, Rules, Sweeper, Worker, plan,
};
use crate::domain::clock::SharedClock;
use crate::domain::{Millis, SagaDefinitions, SagaId, SagaState, SharedDefinitions, fold};
use crate::operations::audit::Act;
use crate::operations::decisions::{Decisions, NewDecision};
use crate::operations::objects::Objects;
use crate::pipeline::ingest::late_schemas::AskedFor;
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::kafka::{KafkaSettings, KafkaTopics};
use crate::pipeline::projector::ProjectorHandle;
use crate::pipeline::query::{Query, QueryError, Timeline};
use crate::store::stoppable::Stop;
use crate::store::{SharedStore, purged};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long a caller waits for a restore to be applied.
const APPLIED_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the tracker topic must be the same before a cut beyond its end counts as one that is never
/// reached.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a search for due sagas waits for what is under way to be read and folded.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a decision waits for dead letters whose schemas are unknown here, before it is skipped.
const DEAD_LETTERS_TIMEOUT: Duration = Duration::from_secs(600);
/// Most bytes of deliveries that are held for the state of a removed saga.
const HELD_BYTES: usize = 64 << 20;

/// What retention needs.
pub struct RetentionParts {
    /// The store.
    pub store: SharedStore,
    /// The definitions in force.
    pub definitions: SharedDefinitions,
    /// Those in force before any were decided.
    pub configured: Arc<SagaDefinitions>,
    /// What is purged, and how fast.
    pub settings: RetentionSettings,
    /// Where the archive is; none when nobody said.
    pub objects: Option<Objects>,
    /// Where decisions are made.
    pub decisions: Decisions,
    /// How to reach Kafka, and the topics.
    pub kafka: KafkaSettings,
    /// Which dead letters of unknown schemas the registry was asked for.
    pub asked_for: Arc<AskedFor>,
    /// Tells the time.
    pub clock: SharedClock,
}

/// Answers, holds and restores. Cheap to clone.
#[derive(Clone)]
pub struct Retention {
    inner: Arc<Inner>,
}

struct Inner {
    parts: RetentionParts,
    rules: Rules,
    query: Query,
    restoring: Restoring,
    status: Arc<RetentionStatus>,
    runtime: Handle,
}

/// A saga that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The decision.
    pub decision: u64,
    /// When it was made.
    pub at: Millis,
    /// Deliveries that came back.
    pub events: u32,
}

impl Retention {
    /// On the runtime that this is called on.
    pub fn new(parts: RetentionParts) -> Self {
        Self {
            inner: Arc::new(Inner {
                rules: Rules::new(&parts.settings, parts.definitions.clone()),
                query: Query::new(parts.store.clone(), parts.definitions.clone()),
                restoring: Restoring::default(),
                status: Arc::default(),
                runtime: Handle::current(),
                parts,
            }),
        }
    }

    /// What it is doing.
    pub fn status(&self) -> &Arc<RetentionStatus> {
        &self.inner.status
    }

    /// Starts to apply what was decided, and to decide if this replica may; by name, the threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn spawn(
        &self,
        projector: &ProjectorHandle,
        space: Arc<dyn FreeSpace>,
        shutdown: &CancellationToken,
    ) -> std::io::Result<Vec<(&'static str, JoinHandle<()>)>> {
        let Inner {
            parts,
            rules,
            query,
            status,
            runtime,
            ..
        } = &*self.inner;
        let edge = Edge {
            topics: Arc::new(KafkaTopics::new(&parts.kafka)),
            topic: parts.kafka.topic.clone(),
            ops_topic: parts.kafka.ops_topic.clone(),
            projector: projector.clone(),
            ops: parts.decisions.status.clone(),
            status: status.clone(),
            settle: SETTLE_TIMEOUT,
            timeout: READ_TIMEOUT,
            letters: DEAD_LETTERS_TIMEOUT,
            asked_for: parts.asked_for.clone(),
            asked: Arc::default(),
        };
        let worker = Worker {
            store: parts.store.clone(),
            projector: projector.clone(),
            configured: parts.configured.clone(),
            definitions: parts.definitions.clone(),
            ops: parts.decisions.status.clone(),
            edge: edge.clone(),
            status: status.clone(),
            space,
            reclaim_percent: parts.settings.reclaim_percent,
            shutdown: shutdown.clone(),
        };
        let mut threads = vec![("removals", worker.spawn()?)];
        if parts.settings.enabled {
            let sweeper = Sweeper {
                query: query.clone(),
                rules: rules.clone(),
                settings: parts.settings.clone(),
                decisions: parts.decisions.clone(),
                edge,
                left: Mutex::default(),
                objects: parts.objects.clone().filter(|_| parts.settings.archive),
                runtime: runtime.clone(),
                status: status.clone(),
                clock: parts.clock.clone(),
                shutdown: shutdown.clone(),
            };
            threads.push(("retention", sweeper.spawn()?));
        }
        Ok(threads)
    }

    /// What would be purged if retention ran now. Ends early when told to.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn plan(&self, stop: Stop) -> Result<Plan, RetentionError> {
        let Inner {
            parts, rules, query, ..
        } = &*self.inner;
        plan(&query.until(stop), rules, parts.clock.now(), &parts.asked_for)
    }

    /// Decisions that are read and not done.
    pub fn pending(&self) -> u64 {
        let read = self.inner.parts.decisions.status.snapshot().next;
        read.saturating_sub(self.inner.status.snapshot().next)
    }

    /// All holds there ever were.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn holds(&self) -> Result<Vec<Hold>, RetentionError> {
        Ok(Holds::read(&*self.inner.parts.store)?.all().to_vec())
    }

    /// Those in force that keep a saga as it stands; of one that was removed, those that name it.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn holds_of(&self, saga: &SagaId) -> Result<Vec<Hold>, RetentionError> {
        let state = self.inner.query.saga(saga)?.map(|found| found.state);
        Ok(Holds::read(&*self.inner.parts.store)?.now_keeping(saga, state.as_ref()))
    }

    /// Sets a hold, everywhere. Blocks.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn hold(&self, what: &HoldBody, by: &Act) -> Result<Hold, RetentionError> {
        what.clone().scope().map_err(RetentionError::BadHold)?;
        let id = self.decide(HOLD, by, what)?;
        self.find_hold(id)
    }

    /// Ends a hold, everywhere. Blocks.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn lift(&self, id: u64, by: &Act) -> Result<Hold, RetentionError> {
        if self.find_hold(id)?.lifted.is_some() {
            return Err(RetentionError::AlreadyLifted(id));
        }
        self.decide(LIFT, by, &LiftBody { hold: id })?;
        self.find_hold(id)
    }

    fn find_hold(&self, id: u64) -> Result<Hold, RetentionError> {
        Holds::find(&*self.inner.parts.store, id)?.ok_or(RetentionError::NoHold(id))
    }

    /// Archive objects from a decision on.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn objects(&self, from: u64, limit: usize) -> Result<Vec<ArchiveObject>, RetentionError> {
        Ok(archived::list(&*self.inner.parts.store, from, limit)?)
    }

    /// A removed saga, from the archive. Waits for the object store.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn archived(&self, saga: &SagaId) -> Result<SagaState, RetentionError> {
        let Inner { query, runtime, .. } = &*self.inner;
        let events = self.find(saga)?.all(runtime, HELD_BYTES)?;
        let state = fold(&events, &query.definitions());
        state.ok_or_else(|| RetentionError::EmptyArchive(saga.clone()))
    }

    /// Asks about the timeline of a removed saga, from the archive. Nothing is told before it is certain that its
    /// deliveries are what was removed. Waits for the object store.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn archived_timeline<T>(
        &self,
        saga: &SagaId,
        ask: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError>,
    ) -> Result<T, RetentionError> {
        let Inner { query, runtime, .. } = &*self.inner;
        let found = self.find(saga)?;
        let mut deliveries = found.deliveries(runtime)?;
        let purged = &found.purged;
        let known = (saga, purged.started_at, purged.remains.duplicates > 0);
        let answer = query.timeline_of(known, &mut deliveries, ask);
        answer.map_err(|error| deliveries.failure().unwrap_or_else(|| error.into()))
    }

    /// Restores a purged saga, everywhere. Blocks; one restore of a saga at a time, because each publishes
    /// all of its deliveries.
    ///
    /// # Errors
    /// [`RetentionError`].
    pub fn restore(&self, saga: &SagaId, by: &Act) -> Result<Restored, RetentionError> {
        let Inner {
            parts,
            restoring,
            status,
            runtime,
            ..
        } = &*self.inner;
        let _alone = restoring.begin(saga)?;
        let found = self.find(saga)?;
        if !found.purged.is_gone() {
            return Err(RetentionError::NotGone(saga.clone()));
        }
        // Read once before anything is published.
        found.each(runtime, &mut |_| Ok::<_, RetentionError>(()))?;
        let decision = self.publish_restore(&found, saga, by)?;
        let saga = saga.clone();
        if !status.wait_for(decision, APPLIED_TIMEOUT) {
            return Err(RetentionError::NotAppliedYet { decision, saga });
        }
        let record = purged::purged(&*parts.store, &saga)?;
        match record.and_then(|record| record.restored) {
            Some((by_decision, at)) if by_decision == decision => Ok(Restored {
                decision,
                at,
                events: found.purged.events,
            }),
            _ => Err(RetentionError::NotRestored { decision, saga }),
        }
    }

    /// Publishes the deliveries in as many messages as it takes; the last one is the decision. Until it
    /// is there those before it do nothing.
    fn publish_restore(
        &self,
        found: &FromArchive<'_>,
        saga: &SagaId,
        by: &Act,
    ) -> Result<u64, RetentionError> {
        let Inner { parts, runtime, .. } = &*self.inner;
        let (saga, purge) = (saga.as_str().to_owned(), found.purged.decision);
        let (mut cutting, mut numbers) = (Cutting::new(parts::PIECE_BYTES), Vec::new());
        let mut publish = |data| {
            let saga = saga.clone();
            numbers.push(self.decide(RESTORE_PART, by, &RestorePartBody { saga, purge, data })?);
            Ok::<_, RetentionError>(())
        };
        found.each(runtime, &mut |event| cutting.add(&event, &mut publish))?;
        let body = RestoreBody {
            topic: parts.kafka.topic.clone(),
            saga,
            purge,
            events: found.purged.events,
            parts: numbers,
            data: cutting.finish(),
        };
        self.decide(RESTORE, by, &body)
    }

    fn decide(
        &self,
        kind: &'static str,
        by: &Act,
        body: &impl serde::Serialize,
    ) -> Result<u64, RetentionError> {
        let body = serde_json::to_value(body)?;
        let decision = NewDecision {
            kind,
            by: by.who.clone(),
            from: by.origin.clone(),
            reason: by.why.clone(),
            body,
        };
        Ok(self.inner.parts.decisions.make(decision)?.offset)
    }

    fn find<'r>(&'r self, saga: &'r SagaId) -> Result<FromArchive<'r>, RetentionError> {
        let parts = &self.inner.parts;
        archived::find(&*parts.store, parts.objects.as_ref(), saga)
    }
}
