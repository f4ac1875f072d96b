//! At which events of a long timeline the fold up to there is written down, and how what was folded
//! behind such an event is carried over when something before it has changed.
//!
//! Whether it is at an event follows from the event's own place. So an event that comes in before
//! others does not move where theirs are. Of the place only what the broker gives decides: whatever times a
//! producer writes, no more than one record in 512 of a partition is such an event.

use super::mix::{GOLDEN, mix};
use super::said::{Said, TraceIds};
use super::{CompensationTimes, Position, SagaState, SagaStatus, TimelineKey};

/// One in so many events, as a power of two.
const ONE_IN_BITS: u32 = if cfg!(test) { 2 } else { 9 };

impl TimelineKey {
    /// Whether the fold of a long timeline is written down after the event in this place: it is after one of
    /// each block of offsets, which one follows from partition and block.
    pub fn is_checkpoint(self) -> bool {
        let Position { partition, offset } = self.position;
        let block = offset >> ONE_IN_BITS;
        let mixed = mix(mix(GOLDEN, u64::from(partition)), block).wrapping_mul(GOLDEN);
        mixed >> (64 - ONE_IN_BITS) == offset & ((1 << ONE_IN_BITS) - 1)
    }
}

/// Two folds up to the same event, before and after something changed in front of it, from which the
/// fold goes on alike: all that was folded behind it differs by what these two differ by.
pub struct Junction {
    old: SagaState,
    new: SagaState,
}

impl Junction {
    /// The junction of two folds up to the same event, the old one as it was written down, if they are one for what was folded behind it,
    /// the last of which is `last`.
    pub fn of(old: SagaState, new: &SagaState, last: &SagaState) -> Option<Self> {
        let alike = old.tail == new.tail
            && old.status == new.status
            && (old.status != SagaStatus::Failed || old.since == new.since)
            && old.saga_type == new.saga_type
            && old.order_id == new.order_id
            && old.last_trace_id == new.last_trace_id;
        // Of what is behind the event that has to be known which comes to be kept.
        let known = last.anomalies.can_exchange(&old.anomalies, &new.anomalies)
            && last.changes.can_exchange(&old.changes, &new.changes)
            && last.tally.can_exchange(&old.tally, &new.tally)
            && TraceIds::can_exchange(&old.trace_ids, &new.trace_ids);
        (alike && known).then(|| Self {
            old,
            new: new.of_timeline(),
        })
    }

    /// What the last state, which was folded behind the event before the change, is after it.
    pub fn carry(&self, last: &mut SagaState) {
        self.carry_rest(last);
        last.anomalies.exchange(&self.old.anomalies, &self.new.anomalies);
        last.changes.exchange(&self.old.changes, &self.new.changes);
    }

    /// The same of what is [written down](SagaState::at_checkpoint) behind the event.
    pub fn carry_checkpoint(&self, behind: &mut SagaState) {
        self.carry_rest(behind);
        behind
            .anomalies
            .exchange_count(&self.old.anomalies, &self.new.anomalies);
        behind
            .changes
            .exchange_count(&self.old.changes, &self.new.changes);
    }

    /// All but the logs. What only has to be exchanged where nothing was said behind the event is told by
    /// what stands there still being the old.
    fn carry_rest(&self, behind: &mut SagaState) {
        let (old, new) = (&self.old, &self.new);
        behind.started_at = new.started_at;
        if behind.changes.total == old.changes.total {
            behind.since = new.since;
        }
        behind.trace_ids.exchange(&old.trace_ids, &new.trace_ids);
        Said::exchange(&mut behind.failed_step, &old.failed_step, &new.failed_step);
        let (reason, new_reason) = (&old.failure_reason, &new.failure_reason);
        Said::exchange(&mut behind.failure_reason, reason, new_reason);
        behind
            .tally
            .exchange((&old.tally, old.step_count), (&new.tally, new.step_count));
        behind.step_count = moved(behind.step_count, old.step_count, new.step_count);
        behind.failures = moved(behind.failures, old.failures, new.failures);
        behind.compensations = moved(behind.compensations, old.compensations, new.compensations);
        behind
            .compensation_times
            .exchange(&old.compensation_times, &new.compensation_times);
    }
}

fn moved(count: u32, old: u32, new: u32) -> u32 {
    count.wrapping_sub(old).wrapping_add(new)
}

impl CompensationTimes {
    /// Takes out `old`, which is in here, and puts in `new`.
    fn exchange(&mut self, old: &Self, new: &Self) {
        let mut counts: std::collections::BTreeMap<u8, u32> = self.counts.iter().copied().collect();
        for (bucket, count) in &old.counts {
            let sum = counts.entry(*bucket).or_default();
            *sum = sum.wrapping_sub(*count);
        }
        for (bucket, count) in &new.counts {
            let sum = counts.entry(*bucket).or_default();
            *sum = sum.wrapping_add(*count);
        }
        self.counts = counts.into_iter().filter(|(_, count)| *count != 0).collect();
        self.millis = self.millis.wrapping_sub(old.millis).wrapping_add(new.millis);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;

    fn place(partition: u32, offset: u64, at: i64) -> TimelineKey {
        TimelineKey {
            recorded_at: Millis(at),
            position: Position::new(partition, offset),
        }
    }

    #[test]
    fn one_of_each_block_of_offsets_has_one_whatever_the_times_are() {
        for (partition, block) in (0..3).flat_map(|partition| (0..500).map(move |block| (partition, block))) {
            let having = |at: i64| -> Vec<u64> {
                let block = block << ONE_IN_BITS..(block + 1) << ONE_IN_BITS;
                let is_one = |offset: &u64| place(partition, *offset, at).is_checkpoint();
                block.filter(is_one).collect()
            };
            let found = having(1_763_596_800_000);
            assert_eq!(found.len(), 1, "block {block} of partition {partition}");
            assert!((0..20).all(|at| having(at) == found));
        }
    }

    #[test]
    fn sagas_whose_events_take_turns_have_them_alike() {
        // The events of each stand so many offsets apart.
        let sagas = 1 << ONE_IN_BITS;
        let mut of_saga = vec![0u32; sagas];
        for offset in (0..10_000u64).filter(|offset| place(0, *offset, 0).is_checkpoint()) {
            of_saga[offset as usize % sagas] += 1;
        }
        assert!(
            of_saga.iter().all(|number| (500..750).contains(number)),
            "{of_saga:?}"
        );
    }
}
