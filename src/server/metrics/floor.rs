//! Keeps counters from falling: while the process lives, over restarts and whatever kills it.
//!
//! They derive from state, and state may be revised: a change that an operator asked for is refused when an
//! event from before it arrives late, a duplicate is found at a lower position, a gap is filled. To Prometheus a
//! counter that falls is a restart, and it would count everything once more. So the highest value
//! that anybody was told of each is on disk before it is told; nobody else knows a higher one. The rows are
//! this replica's own and no part of the digest.
//!
//! Only what a process counts from 0 may pass by here: see [`Reading::since_start`].

use super::catalogue::Family;
use super::sample::{Buckets, Labels, Reading, Samples};
use crate::store::{Batch, Durability, Store, StoreError, StoreRead, reads, totals};
use std::collections::{BTreeMap, BTreeSet};

/// Stands between family and labels in the name of a counter. No name of a family holds it, and a label of open
/// text comes first of its family's.
const BETWEEN: char = '\u{1f}';

/// The highest value told of each counter.
#[derive(Debug, Default)]
pub(super) struct Floor {
    highest: BTreeMap<String, u64>,
    /// Those that are higher than what is stored.
    risen: BTreeSet<String>,
}

impl Floor {
    /// As this process or those before it left it.
    pub(super) fn load(store: &dyn StoreRead) -> Result<Self, StoreError> {
        Ok(Self {
            highest: reads::meta_counts(store, totals::TOLD_COUNTERS)?,
            risen: BTreeSet::new(),
        })
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, family: Family, value: u64) -> Reading {
        self.counters(family, vec![(Labels::new(), value)])
    }

    /// A family of counters.
    pub(super) fn counters(&mut self, family: Family, mut values: Vec<(Labels, u64)>) -> Reading {
        for (labels, value) in &mut values {
            let labels = labels.iter().map(|(_, value)| value.as_str());
            *value = self.raise(name_of(family, labels), *value);
        }
        Reading {
            family,
            samples: Samples::Counters(values),
        }
    }

    /// A family of one histogram.
    pub(super) fn histogram(&mut self, family: Family, millis: u64, buckets: Buckets) -> Reading {
        self.histograms(family, vec![(Labels::new(), millis, buckets)])
    }

    /// Histograms of a sum of milliseconds and of counts by upper bound, not cumulative. Each is kept from
    /// falling by itself, so that the sums over them do not fall either.
    pub(super) fn histograms(&mut self, family: Family, mut values: Vec<(Labels, u64, Buckets)>) -> Reading {
        for (labels, millis, buckets) in &mut values {
            let mut raise = |part: &str, value: &mut u64| {
                let labels = labels.iter().map(|(_, value)| value.as_str());
                *value = self.raise(name_of(family, labels.chain([part])), *value);
            };
            raise("sum", millis);
            for (index, (_, count)) in buckets.iter_mut().enumerate() {
                raise(&index.to_string(), count);
            }
        }
        Reading::histograms(family, values)
    }

    /// The first labels of a family that were told before, each with the sum of its values.
    pub(super) fn told(&self, family: Family) -> BTreeMap<&str, u64> {
        let mut told = BTreeMap::new();
        for (name, value) in &self.highest {
            let labels = name
                .strip_prefix(family.name)
                .and_then(|rest| rest.strip_prefix(BETWEEN));
            let first = labels.and_then(|labels| labels.rsplitn(family.labels.len(), BETWEEN).last());
            if let Some(first) = first {
                *told.entry(first).or_default() += value;
            }
        }
        told
    }

    /// Puts on disk what has risen. To be called before anything of it is told: a power failure may take the
    /// sums back, and what they are made of is read again, but nobody takes back what was told.
    pub(super) fn keep(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if self.risen.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for name in &self.risen {
            let value = self.highest.get(name).copied().unwrap_or(0);
            reads::put_meta_count(&mut batch, totals::TOLD_COUNTERS, name, value);
        }
        store.write(&batch, Durability::Power)?;
        self.risen.clear();
        Ok(())
    }

    /// The value, or the highest one before it.
    fn raise(&mut self, name: String, value: u64) -> u64 {
        let highest = self.highest.get(&name).copied().unwrap_or(0);
        if value > highest {
            self.risen.insert(name.clone());
            self.highest.insert(name, value);
        }
        value.max(highest)
    }
}

fn name_of<'l>(family: Family, labels: impl IntoIterator<Item = &'l str>) -> String {
    let mut name = family.name.to_owned();
    for label in labels {
        name.push(BETWEEN);
        name.push_str(label);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::catalogue;
    use super::super::sample::Distribution;
    use super::*;
    use crate::store::counting::CountingStore;
    use crate::store::memory::MemoryStore;

    fn value(reading: &Reading) -> u64 {
        match &reading.samples {
            Samples::Counters(values) => values[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn of_kind(floor: &mut Floor, kind: &str, count: u64) -> u64 {
        let labels = vec![("kind", kind.to_owned())];
        value(&floor.counters(catalogue::ANOMALIES, vec![(labels, count)]))
    }

    #[test]
    fn a_counter_never_falls_and_members_are_apart() {
        let mut floor = Floor::default();
        assert_eq!(of_kind(&mut floor, "a", 3), 3);
        assert_eq!(of_kind(&mut floor, "a", 2), 3);
        assert_eq!(of_kind(&mut floor, "b", 1), 1);
        assert_eq!(value(&floor.counter(catalogue::SAGA_FAILED, 0)), 0);
        assert_eq!(of_kind(&mut floor, "a", 5), 5);
    }

    #[test]
    fn what_is_told_survives_power_loss_and_nothing_is_synced_for_nothing() {
        let store = CountingStore::new(std::sync::Arc::new(MemoryStore::new()));
        let mut floor = Floor::default();
        for (value, writes) in [(0, (0, 0)), (3, (1, 1)), (3, (1, 1)), (2, (1, 1)), (4, (2, 2))] {
            of_kind(&mut floor, "a", value);
            floor.keep(&store).unwrap();
            assert_eq!(store.writes(), writes, "{value}");
        }
    }

    #[test]
    fn what_was_told_is_known_to_the_next_process() {
        let store = MemoryStore::new();
        let mut floor = Floor::load(&store).unwrap();
        let labels =
            |step: &str, status: &str| vec![("step", step.to_owned()), ("status", status.to_owned())];
        let told = vec![
            (labels("A\u{1f}B", "FAILED"), 7),
            (labels("A\u{1f}B", "STARTED"), 2),
            (labels("C", "STARTED"), 1),
        ];
        floor.counters(catalogue::SAGA_EVENTS_PROCESSED, told);
        floor.histogram(
            catalogue::SAGA_COMPENSATION_DURATION,
            1_500,
            vec![(1.0, 2), (2.0, 3)],
        );
        floor.keep(&store).unwrap();
        drop(floor);

        let mut floor = Floor::load(&store).unwrap();
        let steps = floor.told(catalogue::SAGA_EVENTS_PROCESSED);
        assert_eq!(steps, BTreeMap::from([("A\u{1f}B", 9), ("C", 1)]));
        let fallen = vec![(labels("A\u{1f}B", "FAILED"), 1)];
        assert_eq!(
            value(&floor.counters(catalogue::SAGA_EVENTS_PROCESSED, fallen)),
            7
        );
        let histogram = floor.histogram(catalogue::SAGA_COMPENSATION_DURATION, 0, vec![(1.0, 0), (2.0, 4)]);
        let expected = Distribution::of(1_500, vec![(1.0, 2), (2.0, 4)]);
        let expected = Samples::Histograms(vec![(Labels::new(), expected)]);
        assert_eq!(histogram.samples, expected);
    }
}
