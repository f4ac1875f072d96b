//! Counts the snapshots that are being read. What a snapshot sees must stay for as long as somebody reads
//! it, and RocksDB itself does not ask when whole files are dropped.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The readers of a store's snapshots, by the turn in which they came.
#[derive(Default)]
pub(super) struct Readers {
    turns: Mutex<Turns>,
    left: Condvar,
}

#[derive(Default)]
struct Turns {
    now: u64,
    reading: BTreeMap<u64, u64>,
}

/// One reader, as long as it reads.
pub(super) struct Reader<'r> {
    readers: &'r Readers,
    turn: u64,
}

impl Readers {
    /// Counts one more. To be called before the snapshot is taken: then whoever came after a call of
    /// [`Readers::wait_for_earlier`] also took its snapshot after it.
    pub(super) fn enter(&self) -> Reader<'_> {
        let mut turns = self.turns();
        let turn = turns.now;
        *turns.reading.entry(turn).or_default() += 1;
        Reader { readers: self, turn }
    }

    /// Waits until everyone who came before this call has left, at most so long. Whether they have.
    pub(super) fn wait_for_earlier(&self, timeout: Duration) -> bool {
        let mut turns = self.turns();
        let last = turns.now;
        turns.now += 1;
        let earlier = |turns: &Turns| turns.reading.keys().next().is_some_and(|turn| *turn <= last);
        let waited = self
            .left
            .wait_timeout_while(turns, timeout, |turns| earlier(turns));
        let (turns, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !earlier(&turns)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut turns = self.readers.turns();
        if let Some(count) = turns.reading.get_mut(&self.turn) {
            *count -= 1;
            if *count == 0 {
                turns.reading.remove(&self.turn);
                self.readers.left.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn those_who_come_later_are_not_waited_for() {
        let readers = Readers::default();
        assert!(readers.wait_for_earlier(LONG));
        let earlier = readers.enter();
        assert!(!readers.wait_for_earlier(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| readers.wait_for_earlier(LONG));
            // The waiting one has its turn when the next reader gets a later one.
            let later = loop {
                let later = readers.enter();
                if later.turn > earlier.turn + 1 {
                    break later;
                }
                std::thread::yield_now();
            };
            drop(earlier);
            assert!(waiting.join().unwrap());
            drop(later);
        });
        assert!(readers.wait_for_earlier(LONG));
    }
}
