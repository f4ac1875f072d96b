//! Threads for what may wait, in shares: no kind of call can take the threads of another.
//!
//! What each kind of call does is not known here, only how many of it run at once.

use super::error::{ApiError, ErrorKind};
use super::settings::ServerSettings;
use crate::store::stoppable::Stop;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Calls that change something, and wait for Kafka meanwhile.
const CHANGES: usize = 64;
/// Probes and scrapes.
const PROBES: usize = 4;

/// The shares.
pub(super) struct Shares {
    /// Searches, timelines, lists.
    pub(super) scans: Share,
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
        Self {
            scans: Share::of(settings.max_concurrent_scans),
            full_reads: Share::of(settings.max_concurrent_full_reads),
            changes: Share::of(CHANGES),
            probes: Share::of(PROBES),
            scrapes: Share::of(PROBES),
        }
    }
}

/// So many threads at once.
pub(super) struct Share {
    places: Arc<Semaphore>,
}

impl Share {
    fn of(threads: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(threads.max(1))),
        }
    }

    /// Runs work on a thread where waiting hurts nobody, when there is a place for it. The work is told when
    /// nobody waits for it any more: the client has gone, or the time was over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Stop) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        // The semaphore is never closed. The place goes with the work, which may go on when nobody waits.
        let place = self.places.clone().acquire_owned().await;
        let stop = Stop::default();
        let _gone = StopWhenDropped(stop.clone());
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

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn work_is_told_when_nobody_waits_any_more() {
        let share = Share::of(1);
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
        tokio::task::spawn_blocking(move || has_begun.recv_timeout(PATIENCE))
            .await
            .unwrap()
            .unwrap();
        client.abort();
        tokio::task::spawn_blocking(move || has_ended.recv_timeout(PATIENCE))
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_not_told_to_stop() {
        let share = Share::of(1);
        assert!(!share.run(|stop| stop.is_stopped()).await.unwrap());
    }
}
