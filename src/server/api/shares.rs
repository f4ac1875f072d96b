//! Threads for what may wait, in shares: no kind of call can take the threads of another.
//!
//! What each kind of call does is not known here, only how many of it run at once, how many may wait for
//! that, and for how long.

use super::error::{ApiError, ErrorKind};
use super::gone;
use super::settings::ServerSettings;
use crate::store::stoppable::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that change something, and wait for Kafka meanwhile.
const CHANGES: usize = 64;
/// Timelines, which wait for the client that reads them.
const TIMELINES: usize = 8;
/// Questions that wait for others than the disk: an object store, a schema registry.
const OTHERS: usize = 8;
/// Probes and scrapes.
const PROBES: usize = 4;
/// So many calls may wait for each place.
const WAITING_FOR_EACH: usize = 8;

/// The shares.
pub(super) struct Shares {
    /// Searches and lists.
    pub(super) scans: Share,
    /// Timelines.
    pub(super) timelines: Share,
    /// What asks an object store or a schema registry.
    pub(super) others: Share,
    /// What reads all of something.
    pub(super) full_reads: Share,
    /// What changes something.
    pub(super) changes: Share,
    /// Probes.
    pub(super) probes: Share,
    /// Scrapes of metrics.
    pub(super) scrapes: Share,
}

impl Shares {
    pub(super) fn of(settings: &ServerSettings) -> Self {
        let patience = settings.request_timeout();
        let share = |places| Share::of(places, patience);
        Self {
            scans: share(settings.max_concurrent_scans),
            timelines: share(TIMELINES),
            others: share(OTHERS),
            full_reads: share(settings.max_concurrent_full_reads),
            changes: share(CHANGES),
            // Whoever is refused a probe takes the tracker for dead.
            probes: share(PROBES).of_any_number(),
            scrapes: share(PROBES),
        }
    }
}

/// So many threads at once.
pub(super) struct Share {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    patience: Duration,
}

impl Share {
    fn of(threads: usize, patience: Duration) -> Self {
        let threads = threads.max(1);
        Self {
            places: Arc::new(Semaphore::new(threads)),
            waiting: AtomicUsize::new(0),
            most_waiting: threads.saturating_mul(WAITING_FOR_EACH),
            patience,
        }
    }

    /// Any number may wait.
    fn of_any_number(self) -> Self {
        Self {
            most_waiting: usize::MAX,
            ..self
        }
    }

    /// Runs work on a thread where waiting hurts nobody, when there is a place for it. The work is told when
    /// nobody waits for it any more: the client has gone, or the time was over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place().await?;
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

    /// A place, unless too many wait for one, it takes too long, or the client goes away meanwhile.
    async fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Ok(free) = self.places.clone().try_acquire_owned() {
            return Ok(free);
        }
        let _waiting = self.wait()?;
        let place = tokio::select! {
            place = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()) => place,
            () = gone::gone() => return Err(not_begun("nobody waits for the answer any more".to_owned())),
        };
        // The semaphore is never closed.
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let ms = self.patience.as_millis();
            not_begun(format!("no room for the call within {ms} ms; ask later"))
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
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const TIMEOUT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn work_is_told_when_nobody_waits_any_more() {
        let share = Share::of(1, TIMEOUT);
        let (begun, has_begun) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let asked = async move {
            let work = share.run(move |stop| {
                begun.send(()).unwrap();
                while !stop.is_stopped() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
            });
            work.await
        };
        let client = tokio::spawn(asked);
        tokio::task::spawn_blocking(move || has_begun.recv_timeout(TIMEOUT))
            .await
            .unwrap()
            .unwrap();
        client.abort();
        tokio::task::spawn_blocking(move || has_ended.recv_timeout(TIMEOUT))
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_not_told_to_stop() {
        let share = Share::of(1, TIMEOUT);
        assert!(!share.run(|stop| stop.is_stopped()).await.unwrap());
    }

    /// Work that takes the one place until the other end is dropped.
    async fn occupied(share: &Arc<Share>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
        let (end, ended) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let share = share.clone();
        let work = tokio::spawn(async move {
            let work = move |_| {
                begun.send(()).unwrap();
                let _ended = ended.recv();
            };
            share.run(work).await.unwrap();
        });
        has_begun.await.unwrap();
        (end, work)
    }

    #[tokio::test]
    async fn only_so_many_wait_and_further_ones_are_refused_at_once() {
        let share = Arc::new(Share::of(1, TIMEOUT));
        let (end, work) = occupied(&share).await;
        let waiting: Vec<_> = (0..WAITING_FOR_EACH)
            .map(|_| {
                let share = share.clone();
                tokio::spawn(async move { share.run(|_| ()).await })
            })
            .collect();
        while share.waiting.load(Ordering::Relaxed) < WAITING_FOR_EACH {
            tokio::task::yield_now().await;
        }
        let refused = share.run(|_| ()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
        drop(end);
        work.await.unwrap();
        for waited in waiting {
            waited.await.unwrap().unwrap();
        }
        assert_eq!(share.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_wait_for_a_place_is_bounded_and_ends_when_the_client_goes() {
        let share = Arc::new(Share::of(1, Duration::from_millis(1)));
        let (end, work) = occupied(&share).await;
        let late = share.run(|_| ()).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ServiceUnavailable);
        assert!(late.changed_nothing());
        drop(end);
        work.await.unwrap();

        let share = Arc::new(Share::of(1, Duration::from_hours(1)));
        let (end, work) = occupied(&share).await;
        let client = tokio_util::sync::CancellationToken::new();
        client.cancel();
        let left = gone::told(client, share.run(|_| ())).await.unwrap_err();
        assert!(left.changed_nothing());
        drop(end);
        work.await.unwrap();
    }
}
