//! Who waits for events: all of them are asked for together, so that what comes is read once however many wait.
//!
//! How it is read is not known here, only that one reads for all while anybody waits.

use crate::domain::Cut;
use crate::pipeline::query::{EventsAfter, EventsRequest};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Everybody who waits for events. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Waiters {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiter>,
    /// Whether somebody reads for them.
    reading: bool,
}

/// One who waits.
pub(super) struct Waiter {
    /// For what.
    pub(super) request: EventsRequest,
    /// Where the answer goes.
    pub(super) answer: oneshot::Sender<EventsAfter>,
}

impl Waiter {
    /// Whether there is anything before that cut that it has not seen.
    fn is_behind(&self, cursor: &Cut) -> bool {
        let reached = |partition| {
            self.request
                .after
                .as_ref()
                .map_or(0, |after| after.next(partition))
        };
        cursor.iter().any(|(partition, next)| reached(partition) < next)
    }
}

impl Waiters {
    /// Waits for what a request asks for. The answer fails when whoever read for all could not.
    pub(super) fn wait(&self, request: EventsRequest) -> oneshot::Receiver<EventsAfter> {
        let (answer, comes) = oneshot::channel();
        lock(&self.state).waiting.push(Waiter { request, answer });
        comes
    }

    /// The right to read for all, if nobody reads.
    pub(super) fn read(&self) -> Option<Reader> {
        let mut state = lock(&self.state);
        if state.reading {
            return None;
        }
        state.reading = true;
        Some(Reader {
            state: self.state.clone(),
            is_over: false,
        })
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Each change leaves the list whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to read for all who wait.
pub(super) struct Reader {
    state: Arc<Mutex<State>>,
    is_over: bool,
}

impl Reader {
    /// Those for whom there may be something before that cut; `None` when nobody waits any more: then nothing more is
    /// to be read.
    pub(super) fn behind(&mut self, cursor: &Cut) -> Option<Vec<Waiter>> {
        let mut state = lock(&self.state);
        state.waiting.retain(|waiter| !waiter.answer.is_closed());
        if state.waiting.is_empty() {
            state.reading = false;
            self.is_over = true;
            return None;
        }
        let all = std::mem::take(&mut state.waiting);
        let (behind, others) = all.into_iter().partition(|waiter| waiter.is_behind(cursor));
        state.waiting = others;
        Some(behind)
    }

    /// Waits on with that one.
    pub(super) fn put_back(&self, waiter: Waiter) {
        lock(&self.state).waiting.push(waiter);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = lock(&self.state);
            state.reading = false;
            // They ask for themselves.
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(offset: u64) -> EventsRequest {
        EventsRequest {
            after: Some([(0, offset)].into_iter().collect()),
            ..EventsRequest::default()
        }
    }

    #[test]
    fn one_reads_for_all_who_are_behind_and_ends_when_nobody_waits() {
        let waiters = Waiters::default();
        let answers: Vec<_> = [3, 3, 9].map(|offset| waiters.wait(behind(offset))).into();
        let mut reader = waiters.read().unwrap();
        assert!(waiters.read().is_none());
        let cursor: Cut = [(0, 5)].into_iter().collect();
        let some = reader.behind(&cursor).unwrap();
        assert_eq!(some.len(), 2);
        assert!(
            reader.behind(&cursor).unwrap().is_empty(),
            "the third has seen more"
        );
        for waiter in some {
            reader.put_back(waiter);
        }
        assert_eq!(reader.behind(&cursor).unwrap().len(), 2);
        drop(answers);
        assert!(reader.behind(&cursor).is_none());
        assert!(waiters.read().is_some());
    }

    #[tokio::test]
    async fn when_reading_fails_all_are_told() {
        let waiters = Waiters::default();
        let answer = waiters.wait(behind(0));
        drop(waiters.read());
        assert!(answer.await.is_err());
    }
}
