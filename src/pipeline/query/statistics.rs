//! Counts, rates and durations of the sagas that match.

use super::details::{Details, details};
use super::order::{each_of_order, matches};
use super::past_state::Past;
use super::trees::{Span, Trees};
use super::{Basis, Filter, QueryError, broken_rules, by_time, past, search};
use crate::domain::{InForce, SagaStatus};
use crate::store::keys::Condition;
use crate::store::records::CensusRecord;
use crate::store::{Store, StoreError, keys, reads, totals};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Numbers about the sagas that match.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Statistics {
    /// Sagas by status; all five are there.
    pub by_status: BTreeMap<SagaStatus, u64>,
    /// Sagas by type: of the types that have the most sagas of all times, a thousand.
    pub by_type: BTreeMap<String, u64>,
    /// How many types there are beside those, at all times.
    pub other_types: u64,
    /// Sagas of those.
    pub sagas_of_other_types: u64,
    /// Sum of the durations (last event minus first; of the past, until they were completed) of the completed
    /// ones, milliseconds.
    pub completed_millis: u64,
    /// Sagas that failed before anything was done that can be undone. Not known of a past moment: it follows from
    /// the steps of each.
    pub nothing_to_compensate: Option<u64>,
    /// Whether it is not kept how sagas stood before: then nobody knows what they ever were.
    pub without_past: bool,
    /// Sagas that were ever in FAILED, whatever they are in now; the status of the filter does not count.
    pub ever_failed: u64,
    /// Those of them that were in COMPENSATED afterwards.
    pub ever_compensated: u64,
    /// What they were counted in.
    pub basis: Basis,
}

impl Statistics {
    /// All that match.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many are in that status.
    pub fn in_status(&self, status: SagaStatus) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// FAILED ÷ all; 0 when there are none.
    pub fn failure_rate(&self) -> f64 {
        ratio(self.in_status(SagaStatus::Failed), self.total())
    }

    /// COMPENSATED ÷ FAILED; 0 when none failed.
    pub fn compensation_rate(&self) -> f64 {
        ratio(
            self.in_status(SagaStatus::Compensated),
            self.in_status(SagaStatus::Failed),
        )
    }

    /// Ever FAILED ÷ all; 0 when there are none.
    pub fn ever_failed_rate(&self) -> f64 {
        ratio(self.ever_failed, self.total())
    }

    /// Of those that were ever FAILED, the part that was COMPENSATED afterwards; 0 when none failed.
    pub fn compensated_of_failed(&self) -> f64 {
        ratio(self.ever_compensated, self.ever_failed)
    }

    /// COMPLETED ÷ COMPLETED, FAILED and COMPENSATED; 0 when none of them ended.
    pub fn success_rate(&self) -> f64 {
        let ended = [SagaStatus::Completed, SagaStatus::Failed, SagaStatus::Compensated];
        let ended = ended.map(|status| self.in_status(status));
        ratio(ended[0], ended.into_iter().sum())
    }

    /// Mean duration of the completed ones; 0 when there are none.
    pub fn average_duration_seconds(&self) -> f64 {
        ratio(self.completed_millis, self.in_status(SagaStatus::Completed)) / 1000.0
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Types that are told apart: those that have the most sagas of all times. All others are summed up.
const TYPES: usize = 1_000;

pub(super) fn statistics(
    store: &dyn Store,
    in_force: &InForce,
    filter: &Filter,
) -> Result<Statistics, QueryError> {
    asked(store, in_force, filter, |past| statistics_by(past, filter, TYPES))
}

/// The same, and what happened inside of the sagas.
pub(super) fn detailed(
    store: &dyn Store,
    in_force: &InForce,
    filter: &Filter,
) -> Result<(Statistics, Details), QueryError> {
    asked(store, in_force, filter, |past| {
        Ok((statistics_by(past, filter, TYPES)?, details(past, filter)?))
    })
}

/// Asks one snapshot about the moment of a filter.
fn asked<T>(
    store: &dyn Store,
    in_force: &InForce,
    filter: &Filter,
    ask: impl FnOnce(&Past<'_>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let trees = Trees {
        store: &*snapshot,
        generation,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    ask(&Past {
        trees,
        definitions: &rules,
        cursor: &cursor,
        moment: filter.moment,
    })
}

fn statistics_by(past: &Past<'_>, filter: &Filter, types: usize) -> Result<Statistics, QueryError> {
    let trees = past.trees;
    let told = match &filter.saga_type {
        Some(one) => Told::one(one.as_str()),
        None => Told::most_frequent(trees, types)?,
    };
    let mut sums = Sums::new(told, Basis::of(past.cursor.clone(), past.definitions));
    let is_now = filter.moment.is_now();
    sums.sums.without_past = is_now && !past.is_kept()?;
    if !sums.sums.without_past {
        past::sums(past, filter, |saga_type, of| {
            if !is_now {
                sums.add_past(filter, saga_type, of);
            }
            sums.add_ever(of);
        })?;
    }
    if !is_now {
        return Ok(sums.done());
    }
    let mut nothing_to_compensate = 0;
    if let Some(order) = &filter.order_id {
        each_of_order(trees, order, |_, state| {
            if matches(filter, state) {
                nothing_to_compensate += u64::from(past.definitions.nothing_to_compensate(state));
                let millis = state.updated_at.since(state.started_at);
                sums.add(state.status, state.saga_type.as_str(), 1, millis);
            }
        })?;
    } else {
        let span = Span::of(filter.from, filter.to);
        if filter.status.is_none_or(|status| status == SagaStatus::Failed) {
            let stream = broken_rules::stream(filter.saga_type.as_ref(), Condition::NothingToCompensate);
            nothing_to_compensate = trees.sagas_in(&stream, span)?;
        }
        for stream in by_time::streams(filter) {
            let Condition::In(status) = stream.condition else {
                continue;
            };
            let durations = status == SagaStatus::Completed;
            trees.count(&stream, span, durations, &mut |saga_type, count| {
                let unsigned = |sum: i64| u64::try_from(sum).unwrap_or(0);
                sums.add(
                    status,
                    saga_type,
                    unsigned(count.sagas),
                    unsigned(count.duration_millis),
                );
            })?;
        }
    }
    sums.sums.nothing_to_compensate = Some(nothing_to_compensate);
    Ok(sums.done())
}

/// The types that are told apart.
pub(super) struct Told {
    /// Those that are told apart.
    pub(super) names: BTreeSet<String>,
    /// At most so many are.
    limit: usize,
    /// How many others there are.
    pub(super) others: u64,
}

impl Told {
    pub(super) fn one(name: &str) -> Self {
        Self {
            names: BTreeSet::from([name.to_owned()]),
            limit: 1,
            others: 0,
        }
    }

    /// Whether a type is told apart. Sagas may have been known to be of one that no saga is of now: it is, if there
    /// is room.
    pub(super) fn tells(&mut self, saga_type: &str) -> bool {
        if self.names.contains(saga_type) {
            return true;
        }
        let has_room = self.others == 0 && self.names.len() < self.limit;
        if has_room {
            self.names.insert(saga_type.to_owned());
        } else {
            self.others = self.others.max(1);
        }
        has_room
    }

    /// So many of those that have the most sagas; of equals, the first by name.
    pub(super) fn most_frequent(trees: Trees<'_>, limit: usize) -> Result<Self, StoreError> {
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
            limit,
        })
    }
}

struct Sums {
    told: Told,
    sums: Statistics,
}

impl Sums {
    fn new(told: Told, basis: Basis) -> Self {
        let sums = Statistics {
            by_status: SagaStatus::ALL.into_iter().map(|status| (status, 0)).collect(),
            basis,
            ..Statistics::default()
        };
        Self { told, sums }
    }

    fn add(&mut self, status: SagaStatus, saga_type: &str, sagas: u64, millis: u64) {
        *self.sums.by_status.entry(status).or_default() += sagas;
        if status == SagaStatus::Completed {
            self.sums.completed_millis += millis;
        }
        if sagas > 0 {
            self.add_to_type(saga_type, sagas as i64);
        }
    }

    /// Sums of the past come in parts, some of which only take away.
    fn add_past(&mut self, filter: &Filter, saga_type: &str, sums: &CensusRecord) {
        let mut all = 0;
        for status in SagaStatus::ALL {
            if filter.status.is_none_or(|wanted| wanted == status) {
                let standing = sums.standing(status);
                let sum = self.sums.by_status.entry(status).or_default();
                *sum = sum.wrapping_add_signed(standing);
                all += standing;
            }
        }
        let completed = &mut self.sums.completed_millis;
        *completed = completed.wrapping_add_signed(sums.completed_millis);
        if all != 0 {
            self.add_to_type(saga_type, all);
        }
    }

    /// What sagas ever were is not in the trees of what they are now.
    fn add_ever(&mut self, sums: &CensusRecord) {
        let statistics = &mut self.sums;
        statistics.ever_failed = statistics.ever_failed.wrapping_add_signed(sums.ever_failed);
        statistics.ever_compensated = statistics
            .ever_compensated
            .wrapping_add_signed(sums.ever_compensated);
    }

    fn add_to_type(&mut self, saga_type: &str, sagas: i64) {
        let sum = if self.told.tells(saga_type) {
            self.sums.by_type.entry(saga_type.to_owned()).or_default()
        } else {
            &mut self.sums.sagas_of_other_types
        };
        *sum = sum.wrapping_add_signed(sagas);
    }

    fn done(mut self) -> Statistics {
        self.sums.by_type.retain(|_, sagas| *sagas > 0);
        self.sums.other_types = self.told.others;
        self.sums
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, SharedDefinitions};
    use crate::testkit;

    #[test]
    fn a_type_of_the_past_is_told_apart_where_there_is_room() {
        let mut told = Told {
            names: BTreeSet::from(["now".to_owned()]),
            limit: 2,
            others: 0,
        };
        assert_eq!(
            ["now", "then", "once"].map(|name| told.tells(name)),
            [true, true, false]
        );
        assert_eq!(told.others, 1);
    }

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
            let found = asked(
                &*store,
                &SharedDefinitions::default().in_force(),
                &Filter::default(),
                |past| statistics_by(past, &Filter::default(), limit),
            )
            .unwrap();
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
