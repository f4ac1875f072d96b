//! How long deliveries took until answers showed them, since the process began: the producer's part, from the event
//! to its arrival at the broker, and the tracker's, from there until it was folded. A clock of ours is in it, so
//! none of it is stored.

use crate::domain::clock::SharedClock;
use crate::domain::{Event, Millis, bucket_in};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Upper bounds of the buckets, seconds.
pub const DELAY_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0,
];

/// Times in buckets, the last one for all beyond the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Deliveries in each bucket, not cumulative.
    pub buckets: [u64; DELAY_BUCKETS.len() + 1],
    /// Sum of their times, milliseconds.
    pub millis: u64,
}

/// Both parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// From the event's time to its arrival.
    pub producer: Delay,
    /// From its arrival until it was folded.
    pub tracker: Delay,
}

impl Delay {
    /// A clock that is behind the other one counts as no delay.
    fn add(&mut self, from: Millis, to: Millis) {
        let millis = to.since(from);
        if let Some(count) = self
            .buckets
            .get_mut(usize::from(bucket_in(&DELAY_BUCKETS, millis)))
        {
            *count += 1;
        }
        self.millis = self.millis.saturating_add(millis);
    }
}

/// Takes the times of what was folded, once there is a clock.
#[derive(Default)]
pub(super) struct DelayCounter {
    clock: OnceLock<SharedClock>,
    delays: Mutex<Delays>,
}

impl DelayCounter {
    pub(super) fn begin(&self, clock: SharedClock) {
        self.clock.get_or_init(|| clock);
    }

    /// Counts deliveries that answers show from now on.
    pub(super) fn folded(&self, events: &[Event]) {
        let Some(clock) = self.clock.get() else {
            return;
        };
        let now = clock.now();
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            delays.producer.add(event.recorded_at, event.arrived_at);
            delays.tracker.add(event.arrived_at, now);
        }
    }

    pub(super) fn read(&self) -> Delays {
        *self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaStatus;
    use crate::domain::clock::Clock;
    use crate::testkit;
    use std::sync::Arc;

    struct At(Millis);

    impl Clock for At {
        fn now(&self) -> Millis {
            self.0
        }
    }

    #[test]
    fn both_parts_are_counted_once_there_is_a_clock_and_none_is_negative() {
        let mut event = testkit::event_at("s", 1, "ORDER_CREATED", SagaStatus::Started);
        let counter = DelayCounter::default();
        counter.folded(std::slice::from_ref(&event));
        assert_eq!(counter.read(), Delays::default());

        event.arrived_at = Millis(event.recorded_at.0 + 40);
        counter.begin(Arc::new(At(Millis(event.arrived_at.0 + 7))));
        let mut ahead = event.clone();
        ahead.recorded_at = Millis(event.arrived_at.0 + 1_000);
        counter.folded(&[event, ahead]);
        let read = counter.read();
        assert_eq!((read.producer.millis, read.tracker.millis), (40, 14));
        assert_eq!((read.producer.buckets[0], read.producer.buckets[3]), (1, 1));
        assert_eq!(read.tracker.buckets[1], 2);
    }
}
