//! Lets counters go on where they were when other projections come to serve. Under other rules a sum may
//! be smaller than it was; who reads it as a counter must not see it fall.
//!
//! A producer can make as many counters as it can invent steps. So they are gone through some at a time, and
//! only what changes is written.

use crate::failpoint;
use crate::store::{
    Batch, Durability, Generation, SharedStore, StoreError, StoreRead, carried, reads, totals,
};

/// Counters that are looked at at once.
const BATCH: usize = if cfg!(test) { 3 } else { 1_024 };

/// Makes a generation the serving one, durably, and lets counters go on where they were.
pub(super) fn activate(store: &SharedStore, generation: Generation) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    let old = reads::active_generation(&**store)?;
    put(&mut batch, &**store, old, generation)?;
    reads::put_active_generation(&mut batch, generation);
    failpoint::pass("rebuild.before_switch");
    store.write(&batch, Durability::Power)?;
    failpoint::pass("rebuild.after_switch");
    Ok(())
}

/// Adds to the batch that makes `fresh` serve what has to be carried over from `old`: so much that no counter
/// falls, and not more, so that going there and back leaves nothing.
fn put(
    batch: &mut Batch,
    store: &dyn StoreRead,
    old: Generation,
    fresh: Generation,
) -> Result<(), StoreError> {
    for name in totals::COUNTERS {
        let mut family = Family {
            batch,
            store,
            generations: (old, fresh),
            name,
            some: Vec::with_capacity(BATCH),
        };
        reads::totals_of(store, old, name, |member, _| family.member(member))?;
        // Some were carried over already and have no sum in the old ones.
        carried::each(store, name, |member, _| family.member(member))?;
        family.carry_some()?;
    }
    Ok(())
}

/// The counters of one name.
struct Family<'a> {
    batch: &'a mut Batch,
    store: &'a dyn StoreRead,
    /// The one that served, and the one that comes to.
    generations: (Generation, Generation),
    name: &'static str,
    /// Members that are next. One that is met twice comes to the same twice.
    some: Vec<Box<[u8]>>,
}

impl Family<'_> {
    fn member(&mut self, member: &[u8]) -> Result<(), StoreError> {
        self.some.push(member.into());
        if self.some.len() == BATCH {
            self.carry_some()?;
        }
        Ok(())
    }

    fn carry_some(&mut self) -> Result<(), StoreError> {
        let (old, fresh) = self.generations;
        let before = reads::totals_at(self.store, old, self.name, &self.some)?;
        let after = reads::totals_at(self.store, fresh, self.name, &self.some)?;
        let known = carried::carried_at(self.store, self.name, &self.some)?;
        let sums = before.into_iter().zip(after).zip(known);
        for (member, ((before, after), known)) in self.some.drain(..).zip(sums) {
            let carried = (before + known - after).max(0);
            if carried != known {
                carried::put_carried(self.batch, self.name, &member, carried);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaStatus;
    use crate::store::codec::Record;
    use crate::store::records::TotalRecord;
    use crate::store::{Durability, Key, ProjectionTable, Store, Table, keys};
    use crate::testkit::store;
    use std::collections::BTreeMap;

    const STEPS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    /// The sums of steps by their places in the list.
    fn write(store: &dyn Store, generation: Generation, sums: &[i64]) {
        let table = Table::Projection(generation, ProjectionTable::Totals);
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for (step, value) in STEPS.iter().zip(sums).filter(|(_, value)| **value != 0) {
            keys::total_processed(&mut key, totals::PROCESSED, SagaStatus::Failed, step);
            batch.put_with(table, &key, |bytes| TotalRecord { value: *value }.write(bytes));
        }
        keys::total(&mut key, totals::PURGED_SAGAS);
        batch.put_with(table, &key, |bytes| TotalRecord { value: sums[0] }.write(bytes));
        store.write(&batch, Durability::None).unwrap();
    }

    fn carried_over(store: &dyn StoreRead) -> BTreeMap<Vec<u8>, i64> {
        let mut all = BTreeMap::new();
        carried::each(store, totals::PROCESSED, |member, sum| {
            all.insert(member.to_vec(), sum);
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn what_a_counter_would_fall_by_is_carried_and_nothing_else_is_written() {
        let store = store();
        write(&*store, Generation::A, &[5, 5, 5, 5, 0, 5, 5, 5]);
        write(&*store, Generation::B, &[5, 3, 7, 0, 4, 5, 5, 5]);
        let go = |old: Generation, fresh: Generation| {
            let mut batch = Batch::new();
            put(&mut batch, &*store, old, fresh).unwrap();
            store.write(&batch, Durability::None).unwrap();
            (
                batch.len(),
                carried_over(&*store).into_values().collect::<Vec<_>>(),
            )
        };
        assert_eq!(go(Generation::A, Generation::B), (2, vec![2, 5]));
        // Back again: all that was told is there, and what the other ones had beyond that. Of one row the two
        // passes say the same.
        assert_eq!(go(Generation::B, Generation::A), (5, vec![2, 4]));
        assert_eq!(go(Generation::A, Generation::A), (0, vec![2, 4]));
    }

    #[test]
    fn every_sum_is_a_counter_or_is_not() {
        for name in totals::COUNTERS {
            assert!(!totals::GAUGES.contains(&name), "{name}");
        }
        let store = store();
        let events = crate::pipeline::projector::tests::sample();
        crate::testkit::project(&store, &events, &[7], 1);
        let mut seen = 0;
        reads::try_scan_table(
            &*store,
            Table::Projection(Generation::A, ProjectionTable::Totals),
            |name, _, _| {
                let name = keys::parse_text("totals", name)?;
                let told = totals::COUNTERS.contains(&name) || totals::GAUGES.contains(&name);
                assert!(told, "{name}");
                seen += 1;
                Ok(())
            },
        )
        .unwrap();
        assert!(seen > 10);
    }
}
