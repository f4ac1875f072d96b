//! How a part that the simulator can run waits for time, or for another thread.
//!
//! The simulator drives those parts on one thread. There nobody may wait: whoever would gives the
//! others a turn and looks again. What is waited for, and for how long, is each part's own business;
//! what the simulator leaves out (Kafka's clients, the HTTP server, commands, the engine) waits by itself.

use crossbeam_channel::{Receiver, RecvError, TryRecvError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked whether the other thread is still there.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time by which waits are measured. In the simulator it passes as the simulated world's does.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = turns::now() {
        return now;
    }
    Instant::now()
}

/// How long ago that was, by [`now`].
pub(crate) fn since(at: Instant) -> Duration {
    now().saturating_duration_since(at)
}

/// How long to gather before the next write of what keeps coming, when the last write took so long: such that writing
/// takes a tenth of the time while little comes, which shows early, and `limit` while so much comes that it pays to
/// write it together.
pub(crate) fn gathering(took: Duration, limit: Duration) -> Duration {
    const LEAST: Duration = Duration::from_millis(2);
    (took * 9).max(LEAST).min(limit)
}

/// Whether a part may have a thread of its own for what others wait for at once. In the simulator all is
/// done on one.
pub(crate) fn has_threads() -> bool {
    #[cfg(test)]
    if turns::are_given() {
        return false;
    }
    true
}

/// Waits so long, or until somebody unparks the thread.
pub(crate) fn park(timeout: Duration) {
    #[cfg(test)]
    if turns::give() {
        return;
    }
    std::thread::park_timeout(timeout);
}

/// Waits so long, or until it is over; whether it is.
pub(crate) fn unless(over: impl Fn() -> bool, timeout: Duration) -> bool {
    const STEP: Duration = Duration::from_millis(50);
    let mut left = timeout;
    while !over() && !left.is_zero() {
        park(STEP.min(left));
        left = left.saturating_sub(STEP);
    }
    over()
}

/// How long to wait before something is tried again: each time twice as long, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    wait: Duration,
    limit: Duration,
}

impl Backoff {
    /// From the first wait to the longest.
    pub(crate) const fn new(first: Duration, limit: Duration) -> Self {
        Self { wait: first, limit }
    }

    /// How long to wait now.
    pub(crate) const fn now(self) -> Duration {
        self.wait
    }

    /// How long to wait now; longer the next time.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(self.limit);
        wait
    }
}

/// Waits for the answer of another thread, until that one is gone. That it dropped its end is not
/// enough to tell: a question that nobody took lies in its channel, with the way back.
pub(crate) fn receive<T>(answer: &Receiver<T>, gone: impl Fn() -> bool) -> Result<T, RecvError> {
    loop {
        // Asked before: whoever answered and then went has answered.
        let gone = gone();
        match answer.try_recv() {
            Ok(answer) => return Ok(answer),
            Err(TryRecvError::Empty) if !gone => {}
            Err(_) => return Err(RecvError),
        }
        #[cfg(test)]
        if turns::give() {
            continue;
        }
        if let Ok(answer) = answer.recv_timeout(POLL_INTERVAL) {
            return Ok(answer);
        }
    }
}

/// Waits while that is so, at most so long; the bell rings when it may have changed.
pub(crate) fn wait_while<'m, T>(
    guarded: &'m Mutex<T>,
    bell: &Condvar,
    timeout: Duration,
    so: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'m, T> {
    #[cfg(test)]
    let mut so = so;
    let lock = || guarded.lock().unwrap_or_else(PoisonError::into_inner);
    #[cfg(test)]
    for _ in 0..turns::MAX_TURNS {
        if !so(&mut lock()) || !turns::give() {
            break;
        }
    }
    #[cfg(test)]
    if turns::are_given() {
        return lock();
    }
    let waited = bell.wait_timeout_while(lock(), timeout, so);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Who gets a turn while a part of a simulated tracker would wait.
#[cfg(test)]
pub(crate) mod turns {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    /// So often somebody who would wait a bounded time looks again.
    pub(super) const MAX_TURNS: usize = 6;

    /// What there is instead of waiting.
    #[derive(Clone)]
    struct Instead {
        others: Rc<dyn Fn()>,
        begun: Instant,
        passed: Rc<dyn Fn() -> Duration>,
    }

    thread_local! {
        static INSTEAD: RefCell<Option<Instead>> = const { RefCell::new(None) };
    }

    /// Until the guard goes, whoever would wait on this thread calls `others` instead, and time is what
    /// has `passed`.
    pub(crate) fn simulate(others: Rc<dyn Fn()>, passed: Rc<dyn Fn() -> Duration>) -> Simulated {
        let begun = Instant::now();
        let instead = Instead {
            others,
            begun,
            passed,
        };
        INSTEAD.with_borrow_mut(|slot| *slot = Some(instead));
        Simulated
    }

    /// While it lives, this thread does not wait.
    pub(crate) struct Simulated;

    impl Drop for Simulated {
        fn drop(&mut self) {
            INSTEAD.with_borrow_mut(|slot| *slot = None);
        }
    }

    /// Whether this thread is simulated.
    pub(crate) fn are_given() -> bool {
        INSTEAD.with_borrow(Option::is_some)
    }

    /// Gives the others a turn. Whether there are any.
    pub(super) fn give() -> bool {
        let Some(instead) = INSTEAD.with_borrow(Clone::clone) else {
            return false;
        };
        (instead.others)();
        true
    }

    /// The simulated time, if this thread is simulated.
    pub(super) fn now() -> Option<Instant> {
        let instead = INSTEAD.with_borrow(Clone::clone)?;
        Some(instead.begun + (instead.passed)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_gathered_shortly_and_many_as_long_as_allowed() {
        let millis = Duration::from_millis;
        let limit = millis(20);
        for (took, gathers) in [
            (Duration::ZERO, millis(2)),
            (Duration::from_micros(300), Duration::from_micros(2_700)),
            (millis(1), millis(9)),
            (millis(3), limit),
            (Duration::from_secs(5), limit),
        ] {
            assert_eq!(gathering(took, limit), gathers, "{took:?}");
        }
        assert_eq!(gathering(millis(1), Duration::ZERO), Duration::ZERO);
    }
}
