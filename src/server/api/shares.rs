//! Threads for what may wait, in shares: no kind of call can take the threads of another.
//!
//! What each kind of call does is not known here, only how many of it run at once, how many may wait for
//! that, and for how long.

use super::error::{ApiError, ErrorKind};
use super::gone;
use super::places::Peer;
use super::settings::ServerSettings;
use crate::store::stoppable::Stop;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that change something, and wait for Kafka meanwhile.
const CHANGES: usize = 64;
/// Timelines, which wait for the client that reads them.
const TIMELINES: usize = 8;
/// Dead letters with their bytes, which wait for a schema registry and for the client that reads them.
const LETTERS: usize = 8;
/// Exports, which read much and wait for the client that takes them away.
const EXPORTS: usize = 4;
/// Questions that wait for others than the disk: an object store.
const OTHERS: usize = 8;
/// Probes and scrapes.
const PROBES: usize = 4;
/// The frame of a live stream that is computed.
const LIVE: usize = 1;
/// Overviews, each for all who ask the same.
const OVERVIEWS: usize = 2;
/// Questions for the events behind a place.
const EVENTS: usize = 4;
/// The reading of events for all who wait for them.
const WAITERS: usize = 1;
/// Views of the page that are drawn.
const DRAWING: usize = 4;
/// So many calls may wait for each place.
const MAX_WAITING_PER_THREAD: usize = 8;

/// The shares.
pub(super) struct Shares {
    /// Searches and lists.
    pub(super) scans: Share,
    /// Timelines.
    pub(super) timelines: Share,
    /// Dead letters with their bytes.
    pub(super) letters: Share,
    /// Exports.
    pub(super) exports: Share,
    /// What asks an object store.
    pub(super) others: Share,
    /// What reads all of something.
    pub(super) full_reads: Share,
    /// What changes something.
    pub(super) changes: Share,
    /// Probes.
    pub(super) probes: Share,
    /// Scrapes of metrics.
    pub(super) scrapes: Share,
    /// Frames of live streams.
    pub(super) live: Share,
    /// Overviews.
    pub(super) overviews: Share,
    /// Events behind a place.
    pub(super) events: Share,
    /// Events for all who wait for them.
    pub(super) waiters: Share,
    /// Views of the page that are drawn.
    pub(super) drawing: Share,
}

impl Shares {
    pub(super) fn of(settings: &ServerSettings) -> Self {
        let timeout = settings.request_timeout();
        let share = |places| Share::of(places, timeout);
        Self {
            scans: share(settings.max_concurrent_scans),
            timelines: share(TIMELINES).by_peer(),
            letters: share(LETTERS).by_peer(),
            exports: share(EXPORTS).by_peer(),
            others: share(OTHERS),
            full_reads: share(settings.max_concurrent_full_reads),
            changes: share(CHANGES),
            // Whoever is refused a probe takes the tracker for dead.
            probes: share(PROBES).of_any_number(),
            scrapes: share(PROBES),
            live: share(LIVE),
            overviews: share(OVERVIEWS).by_peer(),
            events: share(EVENTS).by_peer(),
            waiters: share(WAITERS),
            drawing: share(DRAWING).by_peer(),
        }
    }
}

/// So many threads at once.
pub(super) struct Share {
    places: Arc<Queue>,
    by_peer: Option<Peers>,
    timeout: Duration,
}

impl Share {
    fn of(threads: usize, timeout: Duration) -> Self {
        Self {
            places: Arc::new(Queue::of(threads)),
            by_peer: None,
            timeout,
        }
    }

    /// Any number may wait.
    fn of_any_number(self) -> Self {
        let places = Queue {
            most_waiting: usize::MAX,
            places: self.places.places.clone(),
            waiting: AtomicUsize::new(0),
        };
        Self {
            places: Arc::new(places),
            ..self
        }
    }

    /// At most half of the places, and of those who wait for one, are one peer's.
    fn by_peer(self) -> Self {
        let half = self.places.places.available_permits().div_ceil(2);
        Self {
            by_peer: Some(Peers::of(half)),
            ..self
        }
    }

    /// Runs work on a thread where waiting hurts nobody, when there is a place for it. The work is told when
    /// nobody waits for it any more: the client has gone, or the time was over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_for(None, work).await
    }

    /// Runs work of a peer, as [`run`](Self::run) does.
    pub(super) async fn run_for<T: Send + 'static>(
        &self,
        peer: Option<Peer>,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place(peer).await?;
        let stop = Stop::default();
        let _gone = StopWhenDropped(stop.clone());
        // The place goes with the work, which may go on when nobody waits.
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(stop)
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a question to the store panicked");
            ApiError::new(
                ErrorKind::InternalError,
                "the tracker failed to answer; its log says why",
            )
        })
    }

    /// Runs work that only reads, as [`run`](Self::run) does, and stops it when the client goes away, also in calls that
    /// otherwise finish without their client.
    pub(super) async fn run_while_asked<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        tokio::select! {
            biased;
            done = self.run(work) => done,
            () = gone::gone() => Err(nobody_waits()),
        }
    }

    /// A place, unless too many wait for one, it takes too long, or the client goes away meanwhile.
    async fn place(&self, peer: Option<Peer>) -> Result<Place, ApiError> {
        tokio::select! {
            biased;
            place = tokio::time::timeout(self.timeout, self.next_place(peer)) => place.unwrap_or_else(|_| {
                let ms = self.timeout.as_millis();
                Err(not_begun(format!("no room for the call within {ms} ms; ask later")))
            }),
            () = gone::gone() => Err(nobody_waits()),
        }
    }

    /// Who waits for a place of its own peer's keeps nobody else waiting.
    async fn next_place(&self, peer: Option<Peer>) -> Result<Place, ApiError> {
        let own = match self.by_peer.as_ref().zip(peer) {
            Some((peers, peer)) => Some(peers.of_peer(peer).place().await?),
            None => None,
        };
        let of_all = self.places.clone().place().await?;
        Ok(Place {
            _of_all: of_all,
            _own: own,
        })
    }
}

/// A right to a thread.
struct Place {
    _of_all: Taken,
    _own: Option<Taken>,
}

/// A place of a queue, which lives at least as long.
struct Taken {
    _permit: OwnedSemaphorePermit,
    _queue: Arc<Queue>,
}

/// Places, and those who wait for one.
struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Queue {
    fn of(places: usize) -> Self {
        let places = places.max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            most_waiting: places.saturating_mul(MAX_WAITING_PER_THREAD),
        }
    }

    /// The next place that is free, unless too many wait for one.
    async fn place(self: Arc<Self>) -> Result<Taken, ApiError> {
        let permit = match self.places.clone().try_acquire_owned() {
            Ok(free) => Ok(free),
            Err(_) => {
                let _waiting = self.wait()?;
                self.places.clone().acquire_owned().await
            }
        };
        // The semaphore is never closed.
        let permit = permit.map_err(|_| not_begun("no room for the call; ask later".to_owned()))?;
        Ok(Taken {
            _permit: permit,
            _queue: self,
        })
    }

    /// Counts one that waits, until what is returned is dropped.
    fn wait(&self) -> Result<Waiting<'_>, ApiError> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most_waiting {
            return Ok(waiting);
        }
        let message = format!("{} calls of this kind wait already; ask later", self.most_waiting);
        Err(ApiError::new(ErrorKind::TooManyRequests, message).retry_after(Duration::from_secs(1)))
    }
}

/// What each peer may have of a share.
struct Peers {
    each: usize,
    queues: Mutex<HashMap<Peer, Arc<Queue>>>,
}

impl Peers {
    fn of(each: usize) -> Self {
        Self {
            each,
            queues: Mutex::default(),
        }
    }

    /// The peer's own queue. Those of peers that have left are forgotten.
    fn of_peer(&self, peer: Peer) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        let new = || Arc::new(Queue::of(self.each));
        queues.entry(peer).or_insert_with(new).clone()
    }
}

/// The client went away.
fn nobody_waits() -> ApiError {
    not_begun("nobody waits for the answer any more".to_owned())
}

/// What did not get a place was not begun.
fn not_begun(message: String) -> ApiError {
    ApiError::new(ErrorKind::ServiceUnavailable, message)
        .nothing_changed()
        .retry_after(Duration::from_secs(1))
}

struct Waiting<'s>(&'s AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct StopWhenDropped(Stop);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests;
