//! How long consumption waits for a schema that the registry does not know yet. A producer registers
//! before it writes, so the registry is likely to hear of it in a moment; but anybody can write any id, and
//! what was waited for in vain must not stop the stream again and again. What becomes a dead letter all
//! the same is read again later (`late_schemas`), so a wait that is cut short costs no record.

use crate::wait::Backoff;
use std::time::{Duration, Instant};

/// After a wait in vain nothing is waited for during so long, then twice as long each time.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_secs(3_600));

/// Whether to wait for an unknown schema, and until when.
pub(super) struct SchemaWait {
    timeout: Duration,
    /// The id that is waited for now, and until when.
    waiting: Option<(u32, Instant)>,
    /// Until when nothing is waited for.
    pausing: Option<Instant>,
    pause: Backoff,
}

impl SchemaWait {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            waiting: None,
            pausing: None,
            pause: RETRY_BACKOFF,
        }
    }

    /// Whether to wait (longer) for this id.
    pub(super) fn waits_for(&mut self, id: u32, now: Instant) -> bool {
        if self.timeout.is_zero() || self.pausing.is_some_and(|until| now < until) {
            return false;
        }
        match self.waiting {
            Some((waiting, until)) if waiting == id => {
                if now < until {
                    return true;
                }
                self.waiting = None;
                self.pausing = Some(now + self.pause.next());
                false
            }
            _ => {
                self.waiting = Some((id, now + self.timeout));
                true
            }
        }
    }

    /// What was waited for has come.
    pub(super) fn has_come(&mut self, id: u32) {
        if self.waiting.take_if(|(waiting, _)| *waiting == id).is_some() {
            self.pause = RETRY_BACKOFF;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_comes_in_time_is_waited_for_and_garbage_does_not_stop_the_stream() {
        let (mut wait, begun) = (SchemaWait::new(SECOND * 5), Instant::now());
        assert!(wait.waits_for(7, begun));
        assert!(wait.waits_for(7, begun + SECOND * 4));
        wait.has_come(7);
        assert!(wait.waits_for(8, begun + SECOND * 5));
        assert!(!wait.waits_for(8, begun + SECOND * 10), "long enough");
        assert!(!wait.waits_for(8, begun + SECOND * 11));
        assert!(!wait.waits_for(9, begun + SECOND * 39), "nor for other garbage");
        assert!(wait.waits_for(9, begun + SECOND * 40));
        assert!(!wait.waits_for(9, begun + SECOND * 45));
        assert!(!wait.waits_for(9, begun + SECOND * 104), "ever less often");
        assert!(wait.waits_for(9, begun + SECOND * 105));
    }

    #[test]
    fn without_a_timeout_nobody_waits() {
        assert!(!SchemaWait::new(Duration::ZERO).waits_for(7, Instant::now()));
    }
}
