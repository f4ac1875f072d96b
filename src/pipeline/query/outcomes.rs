//! What became of the sagas of each type: how often each status was entered, and how long it took until it first
//! was. Purged sagas count too.
//!
//! Types are open text: there may be millions. Those that a reader knows and those with the most entries are told
//! apart, the others are summed up while they are read.

use super::QueryError;
use crate::domain::{DURATION_BUCKETS, OUTCOMES, SagaStatus};
use crate::store::{Generation, Store, StoreError, StoreRead, carried, keys, reads, totals as names};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Pairs of steps that are told apart. Definitions have few; those that were measured once may be more.
const MAX_EDGES: usize = if cfg!(test) { 2 } else { 200 };

/// What became of the sagas of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeOutcomes {
    /// How often each status was entered.
    pub entered: BTreeMap<SagaStatus, u64>,
    /// From the start of a saga to its first entry into a status, for those that end a saga.
    pub durations: BTreeMap<SagaStatus, Durations>,
}

/// Times, counted in buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations {
    /// Observations per bucket of [`DURATION_BUCKETS`], the last one for all beyond. Not cumulative.
    pub buckets: Vec<u64>,
    /// Their sum, milliseconds.
    pub millis: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            buckets: vec![0; DURATION_BUCKETS.len() + 1],
            millis: 0,
        }
    }
}

/// What became of all sagas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// By type: those that were asked for, and others with the most entries.
    pub by_type: BTreeMap<String, TypeOutcomes>,
    /// All other types together.
    pub others: TypeOutcomes,
    /// How long it took between the pairs of steps that are measured, or were; of at most 200.
    pub edges: BTreeMap<String, Durations>,
    /// Between all other pairs together.
    pub other_edges: Durations,
}

impl TypeOutcomes {
    /// Entries into any status.
    pub fn entries(&self) -> u64 {
        self.entered.values().sum()
    }

    fn add_entries(&mut self, other: &Self) {
        for (status, entries) in &other.entered {
            *self.entered.entry(*status).or_default() += entries;
        }
    }
}

pub(super) fn outcomes(
    store: &dyn Store,
    is_known: &dyn Fn(&str) -> bool,
    limit: usize,
) -> Result<Outcomes, QueryError> {
    let snapshot = store.snapshot();
    let store = &*snapshot;
    let generation = reads::active_generation(store)?;
    let mut told = Told {
        is_known,
        limit,
        others: 0,
        outcomes: Outcomes::default(),
    };
    each(store, generation, names::ENTERED, |sort, entries| {
        let (saga_type, status) = keys::parse_total_of_type(sort)?;
        told.enter(saga_type, status, entries);
        Ok(())
    })?;
    let mut outcomes = told.done();
    each(store, generation, names::OUTCOME_BUCKETS, |sort, count| {
        let (saga_type, status, bucket) = keys::parse_total_of_bucket(sort)?;
        let durations = outcomes.durations(saga_type, status);
        if let Some(sum) = durations.buckets.get_mut(usize::from(bucket)) {
            *sum += count;
        }
        Ok(())
    })?;
    each(store, generation, names::OUTCOME_MILLIS, |sort, millis| {
        let (saga_type, status) = keys::parse_total_of_type(sort)?;
        let sum = &mut outcomes.durations(saga_type, status).millis;
        *sum = sum.saturating_add(millis);
        Ok(())
    })?;
    read_edges(store, generation, &mut outcomes)?;
    Ok(outcomes)
}

fn read_edges(
    store: &dyn StoreRead,
    generation: Generation,
    outcomes: &mut Outcomes,
) -> Result<(), QueryError> {
    each(store, generation, names::EDGE_BUCKETS, |sort, count| {
        let (edge, bucket) = keys::parse_total_named_bucket(sort)?;
        let sums = outcomes.edge(edge);
        if let Some(sum) = sums.buckets.get_mut(usize::from(bucket)) {
            *sum += count;
        }
        Ok(())
    })?;
    each(store, generation, names::EDGE_MILLIS, |sort, millis| {
        let sum = &mut outcomes.edge(keys::parse_text("totals", sort)?).millis;
        *sum = sum.saturating_add(millis);
        Ok(())
    })?;
    Ok(())
}

/// Visits the counters of a family.
fn each(
    store: &dyn StoreRead,
    generation: Generation,
    name: &str,
    mut visit: impl FnMut(&[u8], u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    carried::counters_of(store, generation, name, |sort, sum| {
        visit(sort, u64::try_from(sum).unwrap_or(0))
    })
}

impl Outcomes {
    fn of(&mut self, saga_type: &str) -> &mut TypeOutcomes {
        self.by_type.get_mut(saga_type).unwrap_or(&mut self.others)
    }

    fn edge(&mut self, edge: &str) -> &mut Durations {
        if self.edges.len() >= MAX_EDGES && !self.edges.contains_key(edge) {
            return &mut self.other_edges;
        }
        self.edges.entry(edge.to_owned()).or_default()
    }

    fn durations(&mut self, saga_type: &str, status: SagaStatus) -> &mut Durations {
        self.of(saga_type).durations.entry(status).or_default()
    }
}

/// The types that are told apart so far.
struct Told<'k> {
    is_known: &'k dyn Fn(&str) -> bool,
    /// So many that are not known, in the end.
    limit: usize,
    /// That many of them there are now.
    others: usize,
    outcomes: Outcomes,
}

impl Told<'_> {
    fn enter(&mut self, saga_type: &str, status: SagaStatus, entries: u64) {
        if !self.outcomes.by_type.contains_key(saga_type) {
            if !(self.is_known)(saga_type) {
                self.others += 1;
            }
            let new = TypeOutcomes::default();
            self.outcomes.by_type.insert(saga_type.to_owned(), new);
        }
        *self.outcomes.of(saga_type).entered.entry(status).or_default() += entries;
        // A type's sums come one after the other: what is let go of here is seldom met again.
        if self.others > self.limit.saturating_mul(2).saturating_add(16) {
            self.let_go();
        }
    }

    /// Sums up all but the most frequent of the types that are not known.
    fn let_go(&mut self) {
        let by_type = &mut self.outcomes.by_type;
        let unknown = by_type.iter().filter(|(name, _)| !(self.is_known)(name));
        let mut unknown: Vec<_> = unknown
            .map(|(name, of)| (Reverse(of.entries()), name.clone()))
            .collect();
        unknown.sort_unstable();
        for (_, name) in unknown.into_iter().skip(self.limit) {
            if let Some(gone) = by_type.remove(&name) {
                self.outcomes.others.add_entries(&gone);
                self.others -= 1;
            }
        }
    }

    fn done(mut self) -> Outcomes {
        self.let_go();
        let mut outcomes = self.outcomes;
        // All statuses show from the start, so that the first of a kind is a rise.
        for of in outcomes.by_type.values_mut() {
            SagaStatus::ALL.into_iter().for_each(|status| {
                of.entered.entry(status).or_default();
            });
            OUTCOMES.into_iter().for_each(|status| {
                of.durations.entry(status).or_default();
            });
        }
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, SagaStatus::*};
    use crate::testkit;

    fn event(saga: &str, offset: u64, saga_type: &str, status: SagaStatus) -> Event {
        let mut event = testkit::event_at(saga, offset, "ORDER_CONFIRMED", status);
        event.saga_type = saga_type.into();
        event
    }

    fn entered(of: &TypeOutcomes) -> Vec<u64> {
        of.entered.values().copied().collect()
    }

    #[test]
    fn entries_and_times_are_told_by_type_and_an_outcome_counts_once_for_each_saga() {
        let events = [
            event("a", 0, "X", Started),
            event("a", 1, "X", Failed),
            event("a", 2, "X", Compensated),
            event("b", 3, "X", Started),
            event("b", 4, "X", Completed),
            event("c", 5, "Y", Failed),
        ];
        let store = testkit::store();
        testkit::project(&store, &events, &[2, 3], 2);
        let told = outcomes(&*store, &|_| true, 0).unwrap();
        let x = &told.by_type["X"];
        assert_eq!(entered(x), [2, 0, 1, 1, 1]);
        assert_eq!(entered(&told.by_type["Y"]), [0, 0, 0, 1, 0]);
        let since = |to: usize, from: usize| events[to].recorded_at.since(events[from].recorded_at);
        for (status, millis) in [
            (Failed, since(1, 0)),
            (Compensated, since(2, 0)),
            (Completed, since(4, 3)),
        ] {
            let of = &x.durations[&status];
            assert_eq!(
                (of.millis, of.buckets.iter().sum::<u64>()),
                (millis, 1),
                "{status:?}"
            );
        }
    }

    #[test]
    fn types_without_end_are_summed_up_and_lose_nothing() {
        let names = |n: u64| match n % 4 {
            0 => "often".to_owned(),
            1 => "known".to_owned(),
            _ => format!("type-{n}"),
        };
        let events: Vec<Event> = (0..400)
            .map(|n| event(&format!("s{n}"), n, &names(n), Failed))
            .collect();
        let store = testkit::store();
        testkit::project(&store, &events, &[100], 1);
        let told = outcomes(&*store, &|name| name == "known", 1).unwrap();
        let by_type: Vec<_> = told
            .by_type
            .iter()
            .map(|(name, of)| (name.as_str(), of.entries()))
            .collect();
        assert_eq!(by_type, [("known", 100), ("often", 100)]);
        assert_eq!(told.others.entered[&Failed], 200);
        assert_eq!(told.others.durations[&Failed].buckets.iter().sum::<u64>(), 200);
    }

    #[test]
    fn pairs_of_steps_without_end_are_summed_up() {
        use crate::store::codec::Record;
        use crate::store::records::TotalRecord;
        use crate::store::{Batch, Durability, Key, ProjectionTable, Table};
        let store = testkit::store();
        let table = Table::Projection(Generation::A, ProjectionTable::Totals);
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for n in 0..5 {
            let edge = format!("A>B{n}");
            keys::total_named_bucket(&mut key, names::EDGE_BUCKETS, &edge, 3);
            batch.put(table, &key, &TotalRecord { value: n + 1 }.to_bytes());
            keys::total_named(&mut key, names::EDGE_MILLIS, &edge);
            batch.put(table, &key, &TotalRecord { value: 10 * (n + 1) }.to_bytes());
        }
        store.write(&batch, Durability::None).unwrap();
        let told = outcomes(&*store, &|_| true, 0).unwrap();
        let sums = |of: &Durations| (of.buckets[3], of.millis);
        let by_edge: Vec<_> = told
            .edges
            .iter()
            .map(|(edge, of)| (edge.as_str(), sums(of)))
            .collect();
        assert_eq!(by_edge, [("A>B0", (1, 10)), ("A>B1", (2, 20))]);
        assert_eq!(sums(&told.other_edges), (3 + 4 + 5, 120));
    }
}
