//! Counts, rates and durations of the sagas that match.

use super::order::{each_of_order, matches};
use super::trees::{Span, Trees};
use super::{Filter, QueryError, Statistics, search};
use crate::domain::SagaStatus;
use crate::store::{Store, StoreError, keys, reads, totals};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Types that are told apart: those that have the most sagas of all times. All others are summed up.
const TYPES: usize = 1_000;

pub(super) fn statistics(store: &dyn Store, filter: &Filter) -> Result<Statistics, QueryError> {
    statistics_by(store, filter, TYPES)
}

fn statistics_by(store: &dyn Store, filter: &Filter, types: usize) -> Result<Statistics, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let told = match &filter.saga_type {
        Some(one) => Told::one(one.as_str()),
        None => Told::most_frequent(trees, types)?,
    };
    let mut sums = Sums::new(told);
    if let Some(order) = &filter.order_id {
        each_of_order(trees, order, |_, state| {
            if matches(filter, state) {
                let millis = state.updated_at.since(state.started_at);
                sums.add(state.status, state.saga_type.as_str(), 1, millis);
            }
        })?;
    } else {
        let span = Span::of(filter.from, filter.to);
        for stream in search::streams(filter) {
            let durations = stream.status == SagaStatus::Completed;
            trees.count(&stream, span, durations, &mut |saga_type, count| {
                let unsigned = |sum: i64| u64::try_from(sum).unwrap_or(0);
                sums.add(
                    stream.status,
                    saga_type,
                    unsigned(count.sagas),
                    unsigned(count.duration_millis),
                );
            })?;
        }
    }
    Ok(sums.done())
}

/// The types that are told apart.
struct Told {
    names: BTreeSet<String>,
    /// How many others there are.
    others: u64,
}

impl Told {
    fn one(name: &str) -> Self {
        Self {
            names: BTreeSet::from([name.to_owned()]),
            others: 0,
        }
    }

    /// So many of those that have the most sagas; of equals, the first by name.
    fn most_frequent(trees: Trees<'_>, limit: usize) -> Result<Self, StoreError> {
        let mut heap = BinaryHeap::new();
        let mut types: u64 = 0;
        reads::totals_of(trees.store, trees.generation, totals::TYPES, |name, sagas| {
            types += 1;
            // The least wanted is on top.
            heap.push(Reverse((
                sagas,
                Reverse(keys::parse_text("totals", name)?.to_owned()),
            )));
            if heap.len() > limit {
                heap.pop();
            }
            Ok(())
        })?;
        let names: BTreeSet<String> = heap.into_iter().map(|Reverse((_, Reverse(name)))| name).collect();
        Ok(Self {
            others: types - names.len() as u64,
            names,
        })
    }
}

struct Sums {
    told: Told,
    sums: Statistics,
}

impl Sums {
    fn new(told: Told) -> Self {
        let sums = Statistics {
            by_status: SagaStatus::ALL.into_iter().map(|status| (status, 0)).collect(),
            other_types: told.others,
            ..Statistics::default()
        };
        Self { told, sums }
    }

    fn add(&mut self, status: SagaStatus, saga_type: &str, sagas: u64, millis: u64) {
        *self.sums.by_status.entry(status).or_default() += sagas;
        if status == SagaStatus::Completed {
            self.sums.completed_millis += millis;
        }
        if sagas == 0 {
            return;
        }
        if let Some(sum) = self.sums.by_type.get_mut(saga_type) {
            *sum += sagas;
        } else if self.told.names.contains(saga_type) {
            self.sums.by_type.insert(saga_type.to_owned(), sagas);
        } else {
            self.sums.sagas_of_other_types += sagas;
        }
    }

    fn done(self) -> Statistics {
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::testkit;

    #[test]
    fn types_beyond_the_most_frequent_are_summed_up() {
        let names = ["often", "often", "often", "some", "some", "b", "a"];
        let events: Vec<Event> = (0u64..)
            .zip(names)
            .map(|(n, name)| {
                let mut event = testkit::event_at(&format!("s{n}"), n, "ORDER_CREATED", SagaStatus::Started);
                event.saga_type = name.into();
                event
            })
            .collect();
        let store = testkit::store();
        testkit::project(&store, &events, &[3], 1);
        let told = |limit| {
            let found = statistics_by(&*store, &Filter::default(), limit).unwrap();
            assert_eq!(found.total(), 7);
            let by_type: Vec<(String, u64)> = found.by_type.into_iter().collect();
            (by_type, found.other_types, found.sagas_of_other_types)
        };
        let pairs = |of: &[(&str, u64)]| of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(
            told(4),
            (pairs(&[("a", 1), ("b", 1), ("often", 3), ("some", 2)]), 0, 0)
        );
        assert_eq!(told(3), (pairs(&[("a", 1), ("often", 3), ("some", 2)]), 1, 1));
        assert_eq!(told(1), (pairs(&[("often", 3)]), 3, 4));
    }
}
