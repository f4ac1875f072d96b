//! Redrives: letters published again, one, many or all that match, or only a forecast of it.
//!
//! A redrive is asked for in one atomic write that names every letter it is about, and is worked off
//! by one thread, in the order it was asked for; but one that has a pace rests between some letters and others, and
//! meanwhile those behind it that have none are worked off. A letter is *sending* in the store before it is
//! published and *sent* after, so a crash leaves at most one chunk of letters of which nobody knows
//! whether they were published: their marks tell, once everything in the topic is consumed. Were one
//! published twice all the same, the fold would drop the second as a duplicate. Letters that nobody can tell
//! about now, because the schema registry is away, keep their turn, and the redrive waits.
//!
//! Nothing is published before this replica has, since its start, once read events and decisions to their ends: a
//! store that was restored does not know what was published, announced or discarded since its snapshot.
//!
//! A redrive can be cancelled until it has ended. That is stored with it, so it stays cancelled over a
//! crash; letters whose turn has not come then stay as they are, and what was being published is found
//! out as after a crash.

mod jobs;
mod order;
mod outcomes;
mod pace;
mod rest;
mod result;
mod rows;
mod runner;
mod tally;
#[cfg(test)]
mod tests;
mod unended;

pub use super::asking::{AskError, MAX_UNENDED};
pub use jobs::RedriveStatus;
pub use order::{Cancelled, RedriveOrder};
pub use outcomes::{ForecastTurn, RedriveOutcomes};
pub use result::{RedriveItem, RedriveResult};

use self::outcomes::Counts;
use super::consumption::Consumption;
use super::search_log::LogSearch;
use super::{DeadLetterQuery, Deciding, Sources};
use crate::domain::clock::SharedClock;
use crate::domain::{Millis, Position, SharedDefinitions};
use crate::operations::audit::{Act, Audit, Outcome};
use crate::pipeline::kafka::Outlet;
use crate::store::stoppable::{Stop, until};
use crate::store::{SharedStore, StoreError};
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// So many letters can be named by one redrive.
pub const MAX_LETTERS: usize = 100_000;

/// How long to wait until a cancelled redrive has ended.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a redrive was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is none of that number.
    #[error("this replica has no redrive {0}")]
    Unknown(u64),
    /// There was nothing left to cancel.
    #[error("redrive {0} has ended already; nothing was changed")]
    Ended(u64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What redrives need.
pub struct RedriveParts {
    /// Where letters are looked up and decoded.
    pub sources: Sources,
    /// The definitions in force, for forecasts.
    pub definitions: SharedDefinitions,
    /// Where events are published.
    pub out: Arc<dyn Outlet>,
    /// Where it is announced what changed letters will come back as.
    pub deciding: Arc<dyn Deciding>,
    /// How far the topics are read.
    pub consumption: Consumption,
    /// Where it is recorded how a redrive ended.
    pub audit: Audit,
    /// Events of the log that a replay by ids may look through.
    pub replay_events: u64,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends the thread.
    pub shutdown: CancellationToken,
}

/// Asks for redrives and tells how far they are. Cheap to clone.
#[derive(Clone)]
pub struct Redrives {
    inner: Arc<Inner>,
}

struct Inner {
    parts: RedriveParts,
    dead_letter_query: DeadLetterQuery,
    /// Held while a redrive gets its number, gets its turn, is cancelled or ends. Holds the one whose
    /// turn it is, and the one that rests meanwhile.
    turn: Mutex<BTreeSet<u64>>,
    /// Redrives that were cancelled since the start.
    cancelled: Mutex<BTreeSet<u64>>,
    /// How far the outcomes of redrives are counted.
    outcomes: Counts,
    /// Held while the log is looked through for events.
    searching: Mutex<()>,
    /// Changes whenever there is news for whoever waits.
    news: (Mutex<u64>, Condvar),
}

impl Redrives {
    /// Over these parts. Nothing is worked off before [`spawn`](Self::spawn).
    pub fn new(parts: RedriveParts) -> Self {
        let dead_letter_query = DeadLetterQuery::new(parts.sources.clone());
        Self {
            inner: Arc::new(Inner {
                parts,
                dead_letter_query,
                turn: Mutex::default(),
                cancelled: Mutex::default(),
                outcomes: Counts::default(),
                searching: Mutex::default(),
                news: (Mutex::new(0), Condvar::new()),
            }),
        }
    }

    /// Starts the thread that works redrives off, those that a crash interrupted first.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(&self) -> std::io::Result<JoinHandle<()>> {
        let redrives = self.clone();
        std::thread::Builder::new()
            .name("redrive".to_owned())
            .spawn(move || redrives.run())
    }

    /// Answers questions about letters.
    pub fn dead_letter_query(&self) -> &DeadLetterQuery {
        &self.inner.dead_letter_query
    }

    /// Asks for a redrive; it is worked off later. Its number leads to what becomes of it.
    ///
    /// # Errors
    /// [`AskError`]; then nothing was stored.
    pub fn ask(&self, order: &RedriveOrder) -> Result<RedriveStatus, AskError> {
        let (store, now) = (self.store(), self.inner.parts.clock.now());
        let status = {
            let _turn = self.turn();
            unended::list_all_once(store)?;
            if unended::are_too_many(&**store)? {
                return Err(AskError::TooMany);
            }
            jobs::create(store, order, now)?
        };
        self.tell();
        Ok(status)
    }

    /// Cancels a redrive: no letter of it is published from now on, but those of which one is being
    /// published. Waits a moment until it has ended. Cancelling it again changes nothing. Blocks.
    ///
    /// # Errors
    /// [`CancelError`]; then nothing was changed.
    pub fn cancel(&self, number: u64, by: &str, why: Option<String>) -> Result<RedriveStatus, CancelError> {
        let inner = &*self.inner;
        let cancelled = Cancelled {
            at: inner.parts.clock.now().0,
            by: by.to_owned(),
            why,
        };
        let turn = self.turn();
        match jobs::cancel(&inner.parts.sources.store, number, cancelled)? {
            jobs::Met::Nothing => return Err(CancelError::Unknown(number)),
            jobs::Met::Ended => return Err(CancelError::Ended(number)),
            jobs::Met::Cancelled => {}
        }
        // One that is still queued need not wait for its turn to end, unless a crash interrupted it: what
        // was under way then must be found out.
        let ends_now = !turn.contains(&number)
            && self
                .status(number)?
                .is_some_and(|status| status.ended_at.is_none())
            && !self.has_published(number)?;
        if ends_now {
            self.end(&turn, number)?;
        }
        drop(turn);
        if ends_now {
            self.note_end(number)?;
        }
        let mut known = inner.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(number);
        drop(known);
        self.tell();
        self.wait_for(number, CANCEL_TIMEOUT)?
            .ok_or(CancelError::Unknown(number))
    }

    /// The redrives asked for last, newest first. Reading ends early when told to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn latest(&self, limit: usize, stop: Stop) -> Result<Vec<RedriveStatus>, StoreError> {
        jobs::latest(&*until(self.store().clone(), stop).snapshot(), limit)
    }

    /// The redrives that have not ended, oldest first. Reading ends early when told to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unended(&self, stop: Stop) -> Result<Vec<RedriveStatus>, StoreError> {
        let store = until(self.store().clone(), stop);
        let snapshot = store.snapshot();
        let mut found = Vec::new();
        for number in unended::all(&*snapshot)? {
            let status = jobs::status(&*snapshot, number)?;
            found.extend(status.filter(|status| status.ended_at.is_none()));
        }
        Ok(found)
    }

    /// The number of the redrive that is being worked off, and of the one that rests meanwhile.
    pub fn running(&self) -> BTreeSet<u64> {
        self.turn().clone()
    }

    /// One redrive; `None` when there is none of that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status(&self, number: u64) -> Result<Option<RedriveStatus>, StoreError> {
        jobs::status(&*self.store().snapshot(), number)
    }

    /// One redrive, and what its letters came to, counted on from where the last question left it; `None` when there is
    /// none of that number. Reading ends early when told to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counted(
        &self,
        number: u64,
        stop: Stop,
    ) -> Result<Option<(RedriveStatus, RedriveOutcomes)>, StoreError> {
        let store = until(self.store().clone(), stop);
        self.inner.outcomes.of(&store, number)
    }

    /// Forgets the redrives that had ended by then, but for the newest; how many those are.
    ///
    /// # Errors
    /// [`StoreError`]; some may be forgotten then.
    pub fn forget_ended_before(&self, edge: Millis) -> Result<usize, StoreError> {
        jobs::forget_ended_before(&self.inner.parts.sources.store, edge)
    }

    /// What became of a redrive's letters, in order of their positions, behind one of them. Reading ends early when
    /// told to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items(
        &self,
        number: u64,
        after: Option<Position>,
        limit: usize,
        stop: Stop,
    ) -> Result<Vec<RedriveItem>, StoreError> {
        let store = until(self.store().clone(), stop);
        result::items(&*store.snapshot(), number, after, limit)
    }

    /// Waits until a redrive has ended, at most so long. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait_for(&self, number: u64, timeout: Duration) -> Result<Option<RedriveStatus>, StoreError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.seen();
            let status = self.status(number)?;
            let ended = status.as_ref().is_none_or(|status| status.ended_at.is_some());
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                return Ok(status);
            }
            self.await_news(seen, left.min(Duration::from_millis(500)));
        }
    }

    /// Looks for events that are no letters.
    pub(super) fn search<'a>(&'a self, gone: &'a CancellationToken) -> LogSearch<'a> {
        let inner = &*self.inner;
        LogSearch {
            store: &inner.parts.sources.store,
            limit: inner.parts.replay_events,
            turn: &inner.searching,
            gone,
        }
    }

    pub(super) fn store(&self) -> &SharedStore {
        &self.inner.parts.sources.store
    }

    fn is_cancelled(&self, number: u64) -> bool {
        let known = self.inner.cancelled.lock();
        known.unwrap_or_else(PoisonError::into_inner).contains(&number)
    }

    fn turn(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.inner.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores that a redrive has ended.
    fn end(&self, _turn: &MutexGuard<'_, BTreeSet<u64>>, number: u64) -> Result<(), StoreError> {
        let parts = &self.inner.parts;
        jobs::end(&parts.sources.store, number, parts.clock.now(), None)
    }

    /// Records how a redrive ended.
    fn note_end(&self, number: u64) -> Result<(), StoreError> {
        let Some(ended) = self.status(number)? else {
            return Ok(());
        };
        let act = Act {
            who: ended.by.clone(),
            origin: ended.origin.clone(),
            action: "redrive".to_owned(),
            target: format!("redrive {number}"),
            why: ended.why.clone().unwrap_or_default(),
        };
        let mut detail = format!(
            "{} dead letters: {} published, {} skipped, {} refused, {} forecast",
            ended.chosen, ended.sent, ended.skipped, ended.refused, ended.forecast
        );
        if let Some(cancelled) = &ended.cancelled {
            detail = format!("cancelled by {}; {detail}, {} left", cancelled.by, ended.left);
        }
        tracing::info!(number, detail, "redrive ended");
        self.inner.parts.audit.note(&act, Outcome::Done, &detail);
        Ok(())
    }

    fn seen(&self) -> u64 {
        *self.inner.news.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let (news, changed) = &self.inner.news;
        *news.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
    }

    fn await_news(&self, seen: u64, timeout: Duration) {
        let (news, changed) = &self.inner.news;
        // Whatever woke us, whoever waits looks again.
        drop(crate::wait::wait_while(news, changed, timeout, |now| {
            *now == seen
        }));
    }
}
