//! Waiting: the one place where a thread of the tracker waits for time, or for another thread.
//!
//! The simulator drives all parts on one thread. There nobody may wait: whoever would gives the
//! others a turn and looks again. What is waited for, and for how long, is each part's own business.

#[cfg(test)]
use crossbeam_channel::TryRecvError;
use crossbeam_channel::{Receiver, RecvError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Waits so long, or until somebody unparks the thread.
pub(crate) fn park(longest: Duration) {
    #[cfg(test)]
    if turns::give() {
        return;
    }
    std::thread::park_timeout(longest);
}

/// Waits for the answer of another thread.
pub(crate) fn receive<T>(answer: &Receiver<T>) -> Result<T, RecvError> {
    #[cfg(test)]
    loop {
        match answer.try_recv() {
            Ok(answer) => return Ok(answer),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) if turns::give() => {}
            Err(TryRecvError::Empty) => break,
        }
    }
    answer.recv()
}

/// Waits while that is so, at most so long; the bell rings when it may have changed.
pub(crate) fn wait_while<'m, T>(
    guarded: &'m Mutex<T>,
    bell: &Condvar,
    longest: Duration,
    mut so: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'m, T> {
    let lock = || guarded.lock().unwrap_or_else(PoisonError::into_inner);
    #[cfg(test)]
    for _ in 0..turns::PATIENCE {
        if !so(&mut lock()) || !turns::give() {
            break;
        }
    }
    #[cfg(test)]
    if turns::are_given() {
        return lock();
    }
    let waited = bell.wait_timeout_while(lock(), longest, so);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Who gets a turn while a part of a simulated tracker would wait.
#[cfg(test)]
pub(crate) mod turns {
    use std::cell::RefCell;
    use std::rc::Rc;

    /// So often somebody who would wait a bounded time looks again.
    pub(super) const PATIENCE: usize = 6;

    thread_local! {
        static OTHERS: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    }

    /// Until the guard goes, whoever would wait on this thread calls this instead.
    pub(crate) fn simulate(others: Rc<dyn Fn()>) -> Simulated {
        OTHERS.with_borrow_mut(|slot| *slot = Some(others));
        Simulated
    }

    /// While it lives, this thread does not wait.
    pub(crate) struct Simulated;

    impl Drop for Simulated {
        fn drop(&mut self) {
            OTHERS.with_borrow_mut(|slot| *slot = None);
        }
    }

    /// Whether this thread is simulated.
    pub(crate) fn are_given() -> bool {
        OTHERS.with_borrow(Option::is_some)
    }

    /// Gives the others a turn. Whether there are any.
    pub(super) fn give() -> bool {
        let Some(others) = OTHERS.with_borrow(Clone::clone) else {
            return false;
        };
        others();
        true
    }
}
