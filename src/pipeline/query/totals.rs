//! The sums that metrics are made of.
//!
//! Steps are open text: there may be millions. Those that a reader knows and the most frequent ones are told
//! apart, the others are summed up while they are read.

use super::{COMPENSATION_BUCKETS, QueryError, Totals};
use crate::domain::{AnomalyKind, Millis, SagaStatus};
use crate::store::{Generation, Store, StoreRead, carried, keys, reads, totals as names};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) fn totals(
    store: &dyn Store,
    is_known: &dyn Fn(&str) -> bool,
    limit: usize,
) -> Result<Totals, QueryError> {
    let snapshot = store.snapshot();
    let store = &*snapshot;
    let generation = reads::active_generation(store)?;
    let sum = |name: &str| reads::total(store, generation, name).map(unsigned);
    let counter = |name: &str| carried::counter(store, generation, name).map(unsigned);
    let mut totals = Totals {
        active: SagaStatus::ALL.into_iter().map(|status| (status, 0)).collect(),
        failed: counter(names::FAILED)?,
        compensated: counter(names::COMPENSATED)?,
        last_failed_at: last_failed_at(store, generation)?,
        compensation_buckets: vec![0; COMPENSATION_BUCKETS.len() + 1],
        compensation_millis: counter(names::COMPENSATION_MILLIS)?,
        duplicates: counter(names::DUPLICATES)?,
        conflicts: counter(names::CONFLICTS)?,
        purged_sagas: sum(names::PURGED_SAGAS)?,
        purged_events: sum(names::PURGED_EVENTS)?,
        late: counter(names::LATE)?,
        cursor: reads::cursor(store, generation)?,
        ..Totals::default()
    };
    reads::numbered_totals(store, generation, names::ACTIVE, |tag, count| {
        if let Some(status) = u8::try_from(tag).ok().and_then(SagaStatus::from_tag) {
            totals.active.insert(status, unsigned(count));
        }
    })?;
    carried::counters_of(store, generation, names::COMPENSATION_BUCKETS, |sort, count| {
        let bucket = keys::parse_partition_number(sort)?;
        if let Some(slot) = totals.compensation_buckets.get_mut(bucket as usize) {
            *slot = unsigned(count);
        }
        Ok(())
    })?;
    carried::counters_of(store, generation, names::ANOMALIES, |sort, count| {
        let tag = keys::parse_partition_number(sort)?;
        if let Some(kind) = u8::try_from(tag).ok().and_then(AnomalyKind::from_tag) {
            totals.anomalies.insert(kind.as_str(), unsigned(count));
        }
        Ok(())
    })?;
    let mut processed = Processed::new(limit, &mut totals);
    carried::counters_of(store, generation, names::PROCESSED, |sort, count| {
        let (status, step) = keys::parse_total_processed(sort)?;
        processed.add(status, step, unsigned(count), is_known(step));
        Ok(())
    })?;
    processed.done();
    Ok(totals)
}

/// Events by status and step: of known steps all, of the others those with the most.
struct Processed<'t> {
    limit: usize,
    /// The least wanted is on top.
    others: BinaryHeap<Reverse<(u64, SagaStatus, String)>>,
    totals: &'t mut Totals,
}

impl<'t> Processed<'t> {
    fn new(limit: usize, totals: &'t mut Totals) -> Self {
        Self {
            limit,
            others: BinaryHeap::new(),
            totals,
        }
    }

    fn add(&mut self, status: SagaStatus, step: &str, events: u64, known: bool) {
        if known {
            self.totals.processed.insert((status, step.to_owned()), events);
            return;
        }
        let full = self.others.len() >= self.limit;
        let least = self.others.peek().map(|Reverse((least, ..))| *least);
        if full && least.is_none_or(|least| events <= least) {
            *self.totals.processed_elsewhere.entry(status).or_default() += events;
            return;
        }
        self.others.push(Reverse((events, status, step.to_owned())));
        if full && let Some(Reverse((events, status, _))) = self.others.pop() {
            *self.totals.processed_elsewhere.entry(status).or_default() += events;
        }
    }

    fn done(self) {
        let others = self.others.into_iter();
        let rows = others.map(|Reverse((events, status, step))| ((status, step), events));
        self.totals.processed.extend(rows);
    }
}

fn last_failed_at(store: &dyn StoreRead, generation: Generation) -> Result<Option<Millis>, QueryError> {
    // Event times are never 0 (Millis::EARLIEST_EVENT), so 0 says that there was none.
    let at = reads::total(store, generation, names::LAST_FAILED_AT)?;
    Ok((at != 0).then_some(Millis(at)))
}

fn unsigned(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}
