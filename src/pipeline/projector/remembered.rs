//! The states of sagas that were touched lately, so that the next event need not read them: bounded by their
//! number and by their weight, for what is odd about a saga can weigh a hundred times what the rest does.

use crate::domain::{Anomaly, Listed, Reports, SagaId, SagaState};
use foldhash::fast::FixedState;
use lru::LruCache;
use std::num::NonZeroUsize;

/// What a state may weigh on average when there are as many as are remembered.
const BYTES_EACH: usize = 4 << 10;

/// States by saga.
pub(super) struct Remembered {
    states: LruCache<SagaId, Weighed, FixedState>,
    bytes: usize,
    max_bytes: usize,
}

struct Weighed {
    state: SagaState,
    bytes: usize,
}

impl Remembered {
    /// At most so many.
    pub(super) fn new(limit: NonZeroUsize) -> Self {
        Self {
            states: LruCache::with_hasher(limit, FixedState::default()),
            bytes: 0,
            max_bytes: limit.get().saturating_mul(BYTES_EACH),
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.bytes = 0;
    }

    /// Takes one out.
    pub(super) fn take(&mut self, saga: &SagaId) -> Option<(SagaId, SagaState)> {
        let (saga, found) = self.states.pop_entry(saga)?;
        self.bytes -= found.bytes;
        Some((saga, found.state))
    }

    /// Remembers one. Those that were touched longest ago are forgotten for it.
    pub(super) fn put(&mut self, saga: SagaId, state: SagaState) {
        let bytes = weight(&state);
        if let Some((_, gone)) = self.states.push(saga, Weighed { state, bytes }) {
            self.bytes -= gone.bytes;
        }
        self.bytes += bytes;
        while self.bytes > self.max_bytes {
            let Some((_, gone)) = self.states.pop_lru() else {
                return;
            };
            self.bytes -= gone.bytes;
        }
    }
}

/// About what a state takes up in memory.
fn weight(state: &SagaState) -> usize {
    let of = |anomaly: &Anomaly| size_of::<Anomaly>() + anomaly.event_id.as_str().len();
    let anomalies = state.anomalies.kept.iter().chain(state.conflicts.anomalies());
    let listed = state.listed.as_ref().map_or(0, Vec::capacity);
    size_of::<SagaState>()
        + state.saga_type.as_str().len()
        + state.order_id.as_str().len()
        + state.last_step.as_str().len()
        + state.last_trace_id.as_ref().map_or(0, |id| id.len())
        + listed * size_of::<Listed>()
        + state.tally.reports.capacity() * size_of::<Reports>()
        + anomalies.map(of).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AnomalyKind, Millis, SagaDefinitions};

    fn state(anomalies: usize) -> SagaState {
        let event = crate::pipeline::projector::tests::sample().remove(0);
        let mut state = SagaState::begin(&event, &SagaDefinitions::default());
        let anomaly = Anomaly {
            kind: AnomalyKind::OrderIdChanged,
            event_id: "x".repeat(255).as_str().into(),
            at: Millis(0),
        };
        state.anomalies.kept = vec![anomaly; anomalies];
        state
    }

    #[test]
    fn heavy_states_make_room_by_weight_and_light_ones_by_number() {
        let saga = |number: usize| SagaId::from(format!("s{number}"));
        let limit = NonZeroUsize::new(100).unwrap();
        for (anomalies, fewest, all) in [(0, 100, 100), (64, 10, 30)] {
            let mut remembered = Remembered::new(limit);
            for number in 0..1_000 {
                // Twice: what it weighed before does not count.
                remembered.put(saga(number), state(64));
                remembered.put(saga(number), state(anomalies));
                assert!(remembered.bytes <= 100 * BYTES_EACH);
            }
            let kept = (0..1_000).filter(|number| remembered.take(&saga(*number)).is_some());
            let kept: Vec<usize> = kept.collect();
            assert!((fewest..=all).contains(&kept.len()), "{}", kept.len());
            assert_eq!(kept.last(), Some(&999), "the latest");
            assert_eq!(remembered.bytes, 0);
        }
    }
}
