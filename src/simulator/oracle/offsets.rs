//! Promise 1, told in numbers: the ledger says of every offset what it came to.

use super::account::Account;
use super::ledger::gaps;
use super::sagas::Sagas;
use crate::domain::{Event, Position};
use crate::pipeline::query::{LedgerRequest, OffsetsByClass, Query};
use crate::store::StoreRead;
use crate::store::records::GapKind;
use std::collections::{BTreeMap, BTreeSet};

/// Every difference between the ledger and what happened.
pub(crate) fn differences(
    query: &Query,
    store: &dyn StoreRead,
    (account, sagas): (&Account, &Sagas),
    found: &mut Vec<String>,
) {
    let request = LedgerRequest {
        partition: None,
        days: Some(i64::MIN + 1..=i64::MAX),
    };
    let ledger = query.ledger(&request).unwrap();
    let mut wanted = Wanted::of(account, sagas);
    wanted.gaps(store);
    for partition in &ledger.partitions {
        let number = partition.partition;
        let span = account.next.next(number) - account.start[&number];
        if partition.len() != span || partition.offsets.sum() != span {
            found.push(format!(
                "the ledger has {:?} of partition {number}: that are {}, there are {span} offsets",
                partition.offsets,
                partition.offsets.sum()
            ));
        }
        let whole = wanted.whole.get(&number).copied().unwrap_or_default();
        if partition.offsets != whole {
            found.push(format!(
                "the ledger has {:?} of partition {number}, it should have {whole:?}",
                partition.offsets
            ));
        }
        let mut days: BTreeMap<i64, OffsetsByClass> = BTreeMap::new();
        for ((_, day), offsets) in wanted.days.range((number, i64::MIN)..=(number, i64::MAX)) {
            days.insert(*day, *offsets);
        }
        let answered = partition
            .days
            .iter()
            .map(|(day, offsets)| (*day, folded(offsets)));
        let answered: BTreeMap<i64, OffsetsByClass> = answered
            .filter(|(_, offsets)| *offsets != OffsetsByClass::default())
            .collect();
        if answered != days {
            found.push(format!(
                "the ledger has {answered:?} of the days of partition {number}, it should have {days:?}"
            ));
        }
    }
    if ledger.partitions.len() != account.start.len() {
        found.push(format!("the ledger has {} partitions", ledger.partitions.len()));
    }
}

/// The classes of what was logged: of nothing else it is known here when it arrived.
fn folded(offsets: &OffsetsByClass) -> OffsetsByClass {
    OffsetsByClass {
        applied: offsets.applied,
        duplicate: offsets.duplicate,
        operator: offsets.operator,
        purged: offsets.purged,
        pending: offsets.pending,
        ..OffsetsByClass::default()
    }
}

#[derive(Default)]
struct Wanted {
    whole: BTreeMap<u32, OffsetsByClass>,
    /// Of what was logged.
    days: BTreeMap<(u32, i64), OffsetsByClass>,
}

impl Wanted {
    fn of(account: &Account, sagas: &Sagas) -> Self {
        let mut wanted = Self::default();
        let standing: BTreeSet<Position> = sagas
            .live
            .values()
            .flat_map(|known| &known.timeline)
            .map(|event| event.position)
            .collect();
        for (at, seen) in &account.seen {
            let Ok(event) = &seen.outcome else {
                wanted.whole.entry(at.partition).or_default().dead_letter += 1;
                continue;
            };
            let class: fn(&mut OffsetsByClass) -> &mut u64 = if sagas.gone.contains_key(&event.saga_id) {
                |offsets| &mut offsets.purged
            } else if !standing.contains(at) {
                |offsets| &mut offsets.duplicate
            } else if event.step.as_str() == "OPERATOR_STATUS_CHANGE" {
                |offsets| &mut offsets.operator
            } else {
                |offsets| &mut offsets.applied
            };
            wanted.count(event, class);
        }
        wanted
    }

    fn count(&mut self, event: &Event, class: fn(&mut OffsetsByClass) -> &mut u64) {
        let partition = event.position.partition;
        let day = event.arrived_at.0.div_euclid(86_400_000);
        *class(self.whole.entry(partition).or_default()) += 1;
        *class(self.days.entry((partition, day)).or_default()) += 1;
    }

    /// What gaps there must be, and of which kind, is checked with the feed.
    fn gaps(&mut self, store: &dyn StoreRead) {
        for (at, gap) in gaps(store) {
            let whole = self.whole.entry(at.partition).or_default();
            let class = match gap.known_kind().unwrap() {
                GapKind::Expired => &mut whole.expired,
                GapKind::Undelivered => &mut whole.unexplained,
                GapKind::TransactionMarker => &mut whole.transaction_marker,
                GapKind::Compaction => &mut whole.compaction,
            };
            *class += gap.next - at.offset;
        }
    }
}
