//! How fast a snapshot may go, so that consumption hardly notices.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes per second, for all who share it.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// Until when all that was granted takes.
    busy_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// 0 for as fast as can be.
    pub(super) fn mib_per_second(mib: u64) -> Self {
        Self {
            bytes_per_second: mib << 20,
            busy_until: Mutex::new(None),
        }
    }

    /// Waits until as much time has passed as everything granted before takes, then grants `bytes`.
    pub(super) async fn take(&self, bytes: u64) {
        let wait = self.grant(bytes, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn grant(&self, bytes: u64, now: Instant) -> Duration {
        if self.bytes_per_second == 0 {
            return Duration::ZERO;
        }
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = busy_until.unwrap_or(now).max(now);
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        *busy_until = Some(from + takes);
        from.duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_waited_for_by_the_next() {
        let pace = Pace::mib_per_second(2);
        let now = Instant::now();
        assert_eq!(pace.grant(1 << 20, now), Duration::ZERO);
        assert_eq!(pace.grant(4 << 20, now), Duration::from_millis(500));
        assert_eq!(
            pace.grant(1, now + Duration::from_secs(1)),
            Duration::from_millis(1500)
        );
        assert_eq!(pace.grant(1, now + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let pace = Pace::mib_per_second(0);
        for _ in 0..3 {
            assert_eq!(pace.grant(u64::MAX, Instant::now()), Duration::ZERO);
        }
    }
}
