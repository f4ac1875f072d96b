//! What the log holds of a saga, as far as a decision about it says so: found in one pass, in memory that
//! does not grow with the saga. Whether it is due is not decided here (`claim`).

use super::claim::{Deliveries, with};
use crate::domain::{Cut, Evidence, SagaId};
use crate::store::{StoreError, StoreRead, timelines};
use std::ops::ControlFlow;

/// Bytes that a delivery takes beside its metadata, about.
const DELIVERY_BYTES: u64 = 64;

/// What the log holds of a saga inside a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// When they are of, and how many.
    pub(super) deliveries: Deliveries,
    /// The evidence of them.
    pub(super) hash: [u8; 32],
    /// Their bytes, about.
    pub(super) bytes: u64,
}

impl Contents {
    /// None when there is nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read.
    pub(super) fn read(store: &dyn StoreRead, saga: &SagaId, cut: &Cut) -> Result<Option<Self>, StoreError> {
        let (mut deliveries, mut evidence, mut bytes) = (None, Evidence::default(), 0);
        timelines::each_delivery(store, saga, cut, |event| {
            deliveries = Some(with(deliveries.take(), event.place, event.arrived_at));
            evidence.add(saga, event);
            bytes += DELIVERY_BYTES + event.metadata.map_or(0, |text| text.len() as u64);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(deliveries.map(|deliveries| Self {
            deliveries,
            hash: evidence.hash(),
            bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, evidence};
    use crate::testkit::{append, behind, store, traffic};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn one_pass_says_what_all_deliveries_together_say(events in traffic(60), read in 0usize..60) {
            let store = store();
            append(&store, &events);
            let cut = behind(&events[..read.min(events.len())], Cut::default());
            for saga in events.iter().map(|event| &event.saga_id) {
                let own = |event: &&Event| event.saga_id == *saga && cut.contains(event.position);
                let all: Vec<Event> = events.iter().filter(own).cloned().collect();
                let contents = Contents::read(&*store, saga, &cut).unwrap();
                prop_assert_eq!(contents.as_ref().map(|one| one.deliveries.clone()), Deliveries::of(&all));
                if let Some(contents) = contents {
                    prop_assert_eq!(contents.deliveries.count(), all.len() as u64);
                    prop_assert_eq!(contents.hash, evidence(&all));
                }
            }
        }
    }
}
