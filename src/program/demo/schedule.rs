//! When each record of each saga is due, so that records come at a steady rate however long their
//! sagas last. Counts time from the run's start and reads no clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::record::PlannedRecord;
use super::workload::Sagas;

/// The same instant twice: on the run's own scale and on the wall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) elapsed: Duration,
    pub(super) wall: Timestamp,
}

/// A record and the time for it.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) at: Duration,
    /// When its saga began. The same for all of the saga's records, so that a retry repeats its bytes.
    pub(super) saga_start: Timestamp,
    pub(super) record: PlannedRecord,
    planned: u64,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.planned).cmp(&(other.at, other.planned))
    }
}

/// Sagas that have begun and are not yet told, and those after them. What it holds is bounded by the
/// rate and the longest saga, not by how long it runs.
pub(super) struct Schedule {
    sagas: Sagas,
    pause: Duration,
    next_start: Duration,
    planned: u64,
    waiting: BinaryHeap<Reverse<Due>>,
}

impl Schedule {
    /// `pause` is the time from one record to the next, on average.
    pub(super) fn new(sagas: Sagas, pause: Duration) -> Self {
        Self {
            sagas,
            pause,
            next_start: Duration::ZERO,
            planned: 0,
            waiting: BinaryHeap::new(),
        }
    }

    /// Adds a record of a saga that began before the run.
    pub(super) fn add(&mut self, at: Duration, saga_start: Timestamp, record: PlannedRecord) {
        self.planned += 1;
        self.waiting.push(Reverse(Due {
            at,
            saga_start,
            record,
            planned: self.planned,
        }));
    }

    /// When the next record is due.
    pub(super) fn next_due(&mut self, now: Now) -> Duration {
        loop {
            match self.waiting.peek() {
                Some(Reverse(first)) if first.at < self.next_start => return first.at,
                _ => self.begin_saga(now),
            }
        }
    }

    /// The record that [`next_due`](Self::next_due) spoke of.
    pub(super) fn pop(&mut self) -> Option<Due> {
        self.waiting.pop().map(|Reverse(due)| due)
    }

    fn begin_saga(&mut self, now: Now) {
        let Some(records) = self.sagas.next() else { return };
        let saga_start = wall_at(now, self.next_start);
        let begun = self.next_start;
        for record in records {
            self.next_start += self.pause;
            self.add(begun + record.delay, saga_start, record);
        }
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

fn wall_at(now: Now, at: Duration) -> Timestamp {
    let ahead = SignedDuration::try_from(at).and_then(|at| Ok(at - SignedDuration::try_from(now.elapsed)?));
    ahead
        .ok()
        .and_then(|ahead| now.wall.checked_add(ahead).ok())
        .unwrap_or(now.wall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::demo::sagas;

    fn now(elapsed: Duration) -> Now {
        let origin: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        Now {
            elapsed,
            wall: origin + elapsed,
        }
    }

    /// Runs the schedule as fast as it goes up to `end`, and says what was due when.
    fn run(schedule: &mut Schedule, end: Duration, mut each: impl FnMut(&Schedule, Due)) {
        let mut elapsed = Duration::ZERO;
        loop {
            elapsed = schedule.next_due(now(elapsed));
            if elapsed > end {
                return;
            }
            let due = schedule.pop().unwrap();
            each(schedule, due);
        }
    }

    #[test]
    fn records_come_at_the_rate_asked_for_and_never_before_their_time() {
        let mut schedule = Schedule::new(sagas(7), Duration::from_millis(50));
        let mut last = Duration::ZERO;
        let mut count = 0_u32;
        run(&mut schedule, Duration::from_secs(3600), |_, due| {
            assert!(due.at >= last, "{:?} after {last:?}", due.at);
            last = due.at;
            count += 1;
        });
        assert!(
            (71_500..72_100).contains(&count),
            "{count} records in an hour at 20 per second"
        );
    }

    #[test]
    fn what_waits_does_not_grow_with_the_hours() {
        let mut schedule = Schedule::new(sagas(7), Duration::from_millis(50));
        let mut limit = 0;
        run(&mut schedule, Duration::from_secs(6 * 3600), |schedule, _| {
            limit = limit.max(schedule.waiting());
        });
        assert!(limit < 500, "{limit} records waited at once");
    }

    #[test]
    fn all_records_of_a_saga_know_the_same_start() {
        let mut schedule = Schedule::new(sagas(7), Duration::from_millis(50));
        let mut starts = std::collections::HashMap::new();
        run(&mut schedule, Duration::from_secs(600), |_, due| {
            let Some(event) = due.record.planned_event() else {
                return;
            };
            let known = *starts.entry(event.saga_id.clone()).or_insert(due.saga_start);
            assert_eq!(due.saga_start, known, "{}", event.saga_id);
            assert_eq!(
                due.saga_start + due.record.delay,
                now(due.at).wall,
                "{}",
                event.saga_id
            );
        });
        assert!(starts.len() > 1000, "{} sagas in ten minutes", starts.len());
    }
}
