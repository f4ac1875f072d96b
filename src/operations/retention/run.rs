//! Finds what is due, archives it, and decides that it is purged; on the one replica that may.
//!
//! A search begins, and each decision is made, only when this replica has read and folded all that both
//! topics hold, and did all that was decided before ([`Edge`]); what is due is due by the time of what
//! it has read ([`Claim`](super::claim::Claim)), never by a clock that is ahead of that.
//!
//! ```text
//! due sagas → a batch of one type and day → archive object, confirmed → decision → applied everywhere
//! ```
//!
//! A crash between any two of these loses nothing: what is not decided is found again. An object that
//! no decision names is removed at the next start, so that nobody counts its sagas twice.

use super::batch::{Entry, Group, hash_of, write_all};
use super::body::{ObjectBody, PURGE, PurgeBody, PurgeSagaBody};
use super::claim::{Claim, came_back};
use super::contents::Contents;
use super::edge::Edge;
use super::holds::Holds;
use super::pending::Pending;
use super::rules::Rules;
use super::status::RetentionStatus;
use super::sweep::{Due, each_due};
use super::waiting::{Readable, waiting_dead_letters};
use super::{RetentionError, RetentionSettings};
use crate::domain::clock::SharedClock;
use crate::domain::text::hex;
use crate::domain::{Cut, Millis, RowGroups, SagaId};
use crate::failpoint;
use crate::operations::archive::{self, Upload};
use crate::operations::decisions::{Decisions, NewDecision, OpsError};
use crate::operations::objects::Objects;
use crate::pipeline::query::Query;
use crate::store::{StoreError, StoreRead, purged, reads};
use crate::wait;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Bytes of deliveries in one batch, about: so that archive files are not large.
const BATCH_BYTES: u64 = 8 << 20;
/// How long to wait for a decision to be applied here before the next one.
const APPLIED_TIMEOUT: Duration = Duration::from_secs(60);
/// How soon to look again whether the end is reached.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Sagas that are remembered because a decision of ours did not remove them, at most.
const MAX_LEFT: usize = 100_000;
/// How long they are left alone.
const LEFT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon after a sweep that failed the next one comes.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Everything that sweeping needs.
pub struct Sweeper {
    /// Answers what is due.
    pub query: Query,
    /// The rules.
    pub rules: Rules,
    /// How fast.
    pub settings: RetentionSettings,
    /// Where decisions are made.
    pub decisions: Decisions,
    /// Whether all that there is has been read and folded.
    pub edge: Edge,
    /// Sagas that a decision of ours did not remove, and since when: they are not decided about again
    /// and again.
    pub left: Mutex<HashMap<SagaId, Instant>>,
    /// Where to archive first; `None` when the archive is off.
    pub objects: Option<Objects>,
    /// The runtime that object storage is talked to on.
    pub runtime: Handle,
    /// Where to tell what is done, and to see how far the worker is.
    pub status: Arc<RetentionStatus>,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sagas that were due.
    pub due: u64,
    /// Those that went into decisions.
    pub decided: u64,
}

impl Sweeper {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("retention".to_owned())
            .spawn(move || self.run())
    }

    fn run(&self) {
        let mut tidy = false;
        while !self.shutdown.is_cancelled() {
            failpoint::pass("thread.retention");
            let started = wait::now();
            let swept = if tidy {
                self.sweep()
            } else {
                self.remove_orphans().and_then(|()| {
                    tidy = true;
                    self.sweep()
                })
            };
            let wait = match swept {
                Ok(Swept { due, decided }) => {
                    let (now, took) = (self.clock.now(), wait::since(started));
                    self.status.update(|status| {
                        status.last_sweep = Some(now);
                        status.last_sweep_took = took;
                        status.due = due.saturating_sub(decided);
                        status.sweeps += 1;
                        (status.problem, status.waiting) = (None, None);
                    });
                    tracing::info!(decided, "retention: nothing more is due");
                    Duration::from_secs(self.settings.pause_seconds)
                }
                // Nothing went wrong: it is too early.
                Err(RetentionError::NotAtTheEnd(why)) => {
                    self.status.update(|status| status.waiting = Some(why));
                    POLL_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(%error, "retention: the search for due sagas did not finish");
                    let now = self.clock.now();
                    self.status.update(|status| {
                        status.waiting = None;
                        status.failed_sweeps += 1;
                        status.problem = Some(error.to_string());
                        status.problem_at = Some(now);
                    });
                    RETRY_INTERVAL
                }
            };
            self.sleep(wait);
        }
    }

    /// Decides about everything that is due now.
    ///
    /// # Errors
    /// [`RetentionError`]; what was decided stands, the rest is found again.
    pub fn sweep(&self) -> Result<Swept, RetentionError> {
        self.prove()?;
        self.tell_unreadable()?;
        let asked = self.edge.asked_for.within();
        let Some(now) = latest(&*self.query.store().snapshot(), self.clock.now(), &asked)? else {
            return Ok(Swept::default());
        };
        let mut swept = Swept::default();
        let mut group: Option<Group> = None;
        let mut failed = None;
        each_due(&self.query, &self.rules, now, |due| {
            swept.due += 1;
            if self.was_left(&due.saga.saga_id) {
                return ControlFlow::Continue(());
            }
            let result = self.add(&mut group, due);
            match result {
                Ok(sagas) => swept.decided += sagas,
                Err(error) => failed = Some(error),
            }
            if failed.is_some() || self.shutdown.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(last) = group.take()
            && !self.shutdown.is_cancelled()
        {
            swept.decided += self.decide(&last)?;
        }
        Ok(swept)
    }

    /// Tells where nothing is due because dead letters wait for their schemas.
    fn tell_unreadable(&self) -> Result<(), RetentionError> {
        let asked = self.edge.asked_for.within();
        let snapshot = self.query.store().snapshot();
        let cut = reads::cursor(&*snapshot, reads::active_generation(&*snapshot)?)?;
        let waiting = waiting_dead_letters(&*snapshot, &cut.into(), &asked)?;
        let words = (!waiting.is_empty()).then(|| {
            format!(
                "nothing is due in partitions {waiting:?} of {}: dead letters of unknown schemas lie there, which may be \
                 deliveries of any saga; register their schemas, or discard them",
                self.edge.topic
            )
        });
        self.status.update(|status| status.unreadable = words);
        Ok(())
    }

    /// Puts a saga into the group; decides about the group before it when it does not belong there.
    fn add(&self, group: &mut Option<Group>, due: Due) -> Result<u64, RetentionError> {
        let mut decided = 0;
        let fits = |group: &Group| group.has_room_for(&due, self.settings.batch_sagas);
        if !group.as_ref().is_some_and(fits)
            && let Some(full) = group.replace(Group::of(&due))
        {
            decided = self.decide(&full)?;
        }
        if let Some(group) = group {
            group.add(due.saga.saga_id);
        }
        Ok(decided)
    }

    /// Whatever the search found is looked at anew, at the end of both topics as they are now.
    fn decide(&self, group: &Group) -> Result<u64, RetentionError> {
        let started = wait::now();
        self.prove()?;
        let asked = self.edge.asked_for.within();
        let snapshot = self.query.store().snapshot();
        let (readable, mut entries) = self.gather(&*snapshot, &asked, group)?;
        if entries.is_empty() {
            return Ok(0);
        }
        entries.sort_by(|a, b| a.saga.cmp(&b.saga));
        let (object, row_groups) = self.archive(&*snapshot, &readable.extent.cut, group, &entries)?;
        drop(snapshot);
        let body = PurgeBody {
            topic: self.edge.topic.clone(),
            cut: readable.cut(),
            seen: readable.seen(),
            unread: readable.unread(),
            days: group.rule.days,
            quiet_hours: self.settings.quiet_hours,
            rule: group.rule.to_string(),
            saga_type: group.saga_type.clone(),
            day: group.day.clone(),
            object,
            sagas: (0..)
                .zip(&entries)
                .map(|(index, entry): (usize, _)| PurgeSagaBody {
                    id: entry.saga.as_str().to_owned(),
                    events: u32::try_from(entry.contents.deliveries.count()).unwrap_or(u32::MAX),
                    hash: hex(&entry.contents.hash),
                    row_group: row_groups.get(index).map(|groups| groups.first),
                    row_groups: row_groups.get(index).map_or(1, |groups| groups.count),
                })
                .collect(),
        };
        let sagas: Vec<SagaId> = entries.into_iter().map(|entry| entry.saga).collect();
        let decided = sagas.len() as u64;
        if let Err(error) = self.publish(&body) {
            // What Kafka does not take comes first again the next time, and must not keep all else waiting.
            if matches!(error, RetentionError::Ops(OpsError::Failed(_))) {
                self.leave_alone(&group.due);
            }
            return Err(error);
        }
        self.status.update(|status| status.decided += decided);
        self.remember_left(&sagas)?;
        // So many a second, however fast they went.
        let due_time = Duration::from_millis(decided * 1000 / self.settings.sagas_per_second.max(1));
        self.sleep(due_time.saturating_sub(wait::since(started)));
        Ok(decided)
    }

    /// That all is read and folded, and that the days of the definitions in force are known.
    fn prove(&self) -> Result<(), RetentionError> {
        if let Some(unread) = self.query.unreadable_version() {
            return Err(RetentionError::NotAtTheEnd(unread.to_string()));
        }
        self.edge.prove().map_err(RetentionError::NotAtTheEnd)
    }

    /// The sagas of a group that are due at this moment, with what can be read. A saga that is due has no delivery
    /// elsewhere.
    fn gather(
        &self,
        snapshot: &dyn StoreRead,
        asked: &Cut,
        group: &Group,
    ) -> Result<(Readable, Vec<Entry>), RetentionError> {
        let cut = reads::cursor(snapshot, reads::active_generation(snapshot)?)?;
        let readable = Readable::within(snapshot, &cut, asked)?;
        let quiet_hours = self.settings.quiet_hours;
        let claim = Claim::new(group.rule.days, quiet_hours, &readable.seen, self.clock.now());
        let holds = Holds::read(snapshot)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for saga in &group.due {
            let Some(entry) = self.look_again(snapshot, (group, &claim), saga, &cut, &holds)? else {
                continue;
            };
            bytes += entry.contents.bytes;
            entries.push(entry);
            if bytes > BATCH_BYTES {
                // The rest is found again by the next sweep.
                break;
            }
        }
        Ok((readable, entries))
    }

    /// What there is of a saga, if it is due by the group's rule, nobody keeps it and nothing came
    /// lately. The state is what the projections have: they are the fold of just what the cut holds.
    fn look_again(
        &self,
        snapshot: &dyn StoreRead,
        (group, claim): (&Group, &Claim),
        saga: &SagaId,
        cut: &Cut,
        holds: &Holds,
    ) -> Result<Option<Entry>, RetentionError> {
        let Some(state) = reads::instance(snapshot, reads::active_generation(snapshot)?, saga)? else {
            return Ok(None);
        };
        if self.rules.of(&state.saga_type, state.status) != group.rule
            || holds.keeping(u64::MAX, saga, &state).is_some()
        {
            return Ok(None);
        }
        let came_back = came_back(snapshot, saga)?;
        let contents = Contents::read(snapshot, saga, cut)?;
        let contents = contents.filter(|contents| claim.is_due(&contents.deliveries, came_back));
        Ok(contents.map(|contents| Entry {
            saga: saga.clone(),
            state,
            contents,
        }))
    }

    /// Remembers which sagas of a decision that is done are still there.
    fn remember_left(&self, sagas: &[SagaId]) -> Result<(), RetentionError> {
        let gone = purged::gone(&**self.query.store(), sagas)?;
        self.leave_alone(
            sagas
                .iter()
                .zip(gone)
                .filter(|(_, gone)| !gone)
                .map(|(saga, _)| saga),
        );
        Ok(())
    }

    fn leave_alone<'s>(&self, sagas: impl IntoIterator<Item = &'s SagaId>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|_, since| wait::since(*since) < LEFT_FOR);
        for saga in sagas {
            if left.len() < MAX_LEFT {
                left.insert(saga.clone(), wait::now());
            }
        }
    }

    fn was_left(&self, saga: &SagaId) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(saga).is_some_and(|since| wait::since(*since) < LEFT_FOR)
    }

    /// Archives the sagas, if they are to be, and makes sure that they are.
    fn archive(
        &self,
        snapshot: &dyn StoreRead,
        cut: &Cut,
        group: &Group,
        entries: &[Entry],
    ) -> Result<(Option<ObjectBody>, Vec<RowGroups>), RetentionError> {
        let Some(objects) = &self.objects else {
            return Ok((None, Vec::new()));
        };
        let name = archive::object_name(&group.saga_type, &group.day, &hash_of(entries));
        self.pending().add(&name)?;
        failpoint::pass("retention.before_upload");
        let upload = Upload::new(objects, self.runtime.clone(), &name);
        let (upload, row_groups) = write_all(snapshot, cut, entries, upload)?;
        let stored = upload.finish()?;
        failpoint::pass("retention.after_upload");
        let object = ObjectBody {
            name,
            size: stored.size,
            hash: hex(&stored.hash),
        };
        Ok((Some(object), row_groups))
    }

    fn publish(&self, body: &PurgeBody) -> Result<(), RetentionError> {
        let made = self.decisions.make(NewDecision {
            kind: PURGE,
            by: "retention".to_owned(),
            from: "this process".to_owned(),
            reason: body.rule.clone(),
            body: serde_json::to_value(body)?,
        })?;
        failpoint::pass("retention.after_publish");
        if let Some(object) = &body.object {
            self.pending().forget(&object.name)?;
        }
        if !self.status.wait_for(made.offset, APPLIED_TIMEOUT) && !self.shutdown.is_cancelled() {
            return Err(RetentionError::Behind(made.offset));
        }
        Ok(())
    }

    fn pending(&self) -> Pending<'_> {
        Pending(&**self.query.store())
    }

    fn remove_orphans(&self) -> Result<(), RetentionError> {
        let objects = self.objects.as_ref();
        self.pending()
            .remove_orphans(&self.decisions.status, objects, &self.runtime)
    }

    fn sleep(&self, timeout: Duration) {
        let until = wait::now() + timeout;
        while !self.shutdown.is_cancelled() {
            let left = until.saturating_duration_since(wait::now());
            if left.is_zero() {
                return;
            }
            wait::park(left.min(Duration::from_millis(100)));
        }
    }
}

/// The latest time that anything can be due by.
fn latest(snapshot: &dyn StoreRead, now: Millis, asked: &Cut) -> Result<Option<Millis>, StoreError> {
    let generation = reads::active_generation(snapshot)?;
    let readable = Readable::within(snapshot, &reads::cursor(snapshot, generation)?, asked)?;
    Ok(Claim::new(0, 0, &readable.seen, now).latest())
}
