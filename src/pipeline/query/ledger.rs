//! The ledger: what every offset of the topic came to, from the first on. Of each partition the sums over all days,
//! and over single days; each read from rows that do not grow with the topic.
//!
//! What no sum accounts for is unexplained, so the classes of a partition always add up to its offsets.

use super::QueryError;
use super::trees::Trees;
use crate::domain::Cut;
use crate::store::ledger;
use crate::store::records::{OffsetClass, OffsetCountsRecord, OffsetRecord};
use crate::store::{Generation, KeptTables, ProjectionTable, Store, StoreRead, Table, reads};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Which part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LedgerRequest {
    /// Only this partition.
    pub partition: Option<u32>,
    /// Of which days of arrival, counted from 1970-01-01, the sums are asked for too.
    pub days: Option<RangeInclusive<i64>>,
}

/// What offsets came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Each partition that is consumed.
    pub partitions: Vec<PartitionLedger>,
    /// The cut that the projections are the fold of.
    pub cursor: Cut,
}

/// What the offsets of one partition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLedger {
    /// Its number.
    pub partition: u32,
    /// The first offset that is accounted for.
    pub start: u64,
    /// The next offset to consume.
    pub next: u64,
    /// All of them.
    pub offsets: OffsetsByClass,
    /// Those that arrived on the days that were asked for, of days on which any did.
    pub days: BTreeMap<i64, OffsetsByClass>,
}

/// How many offsets are in which class. Each offset is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OffsetsByClass {
    /// Deliveries that stand in their saga's timeline.
    pub applied: u64,
    /// Deliveries of events of which another delivery stands.
    pub duplicate: u64,
    /// Operators' changes of a status that stand.
    pub operator: u64,
    /// Of sagas that were purged: removed with them, or arrived later.
    pub purged: u64,
    /// In the log, and not folded yet.
    pub pending: u64,
    /// Dead letters.
    pub dead_letter: u64,
    /// Not delivered: what brokers write at the end of transactions.
    pub transaction_marker: u64,
    /// Not delivered: compacted away.
    pub compaction: u64,
    /// Not delivered: removed by retention before they were read.
    pub expired: u64,
    /// Nobody knows what became of them.
    pub unexplained: u64,
}

impl OffsetsByClass {
    /// Of what ingest said, and of what the fold says of what was logged.
    fn of(accounted: &OffsetCountsRecord, folded: &OffsetCountsRecord) -> Self {
        let accounted = |class| unsigned(accounted.of(class));
        let logged = accounted(OffsetClass::Logged);
        let folded_sum = unsigned(folded.sum(&OffsetClass::FOLDED));
        let folded = |class| unsigned(folded.of(class));
        Self {
            applied: folded(OffsetClass::Applied),
            duplicate: folded(OffsetClass::Duplicate),
            operator: folded(OffsetClass::Operator),
            purged: folded(OffsetClass::Purged),
            pending: logged.saturating_sub(folded_sum),
            dead_letter: accounted(OffsetClass::DeadLetter),
            transaction_marker: accounted(OffsetClass::TransactionMarker),
            compaction: accounted(OffsetClass::Compaction),
            expired: accounted(OffsetClass::Expired),
            unexplained: accounted(OffsetClass::Unexplained),
        }
    }

    /// Each class by its label, and how many are in it.
    pub fn by_label(&self) -> [(&'static str, u64); 10] {
        [
            ("applied", self.applied),
            ("duplicate", self.duplicate),
            ("operator", self.operator),
            ("purged", self.purged),
            ("pending", self.pending),
            ("dead_letter", self.dead_letter),
            ("transaction_marker", self.transaction_marker),
            ("compaction", self.compaction),
            ("expired", self.expired),
            ("unexplained", self.unexplained),
        ]
    }

    /// All classes together.
    pub fn sum(&self) -> u64 {
        let classes = self.by_label();
        classes
            .iter()
            .fold(0, |sum, (_, offsets)| sum.saturating_add(*offsets))
    }

    /// Adds those of another partition.
    fn add(&mut self, other: &Self) {
        self.each_with(other, u64::saturating_add);
    }

    /// Takes away those that are among them.
    pub fn subtract(&mut self, other: &Self) {
        self.each_with(other, u64::saturating_sub);
    }

    fn each_with(&mut self, other: &Self, change: fn(u64, u64) -> u64) {
        let pairs = [
            (&mut self.applied, other.applied),
            (&mut self.duplicate, other.duplicate),
            (&mut self.operator, other.operator),
            (&mut self.purged, other.purged),
            (&mut self.pending, other.pending),
            (&mut self.dead_letter, other.dead_letter),
            (&mut self.transaction_marker, other.transaction_marker),
            (&mut self.compaction, other.compaction),
            (&mut self.expired, other.expired),
            (&mut self.unexplained, other.unexplained),
        ];
        for (sum, by) in pairs {
            *sum = change(*sum, by);
        }
    }
}

impl PartitionLedger {
    /// How many offsets there are.
    pub fn len(&self) -> u64 {
        self.next.saturating_sub(self.start)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether each offset is in exactly one class, and it is known in which.
    pub fn is_complete(&self) -> bool {
        self.offsets.unexplained == 0 && self.offsets.sum() == self.len()
    }
}

impl Ledger {
    /// All partitions together.
    pub fn all(&self) -> OffsetsByClass {
        let mut all = OffsetsByClass::default();
        self.partitions
            .iter()
            .for_each(|partition| all.add(&partition.offsets));
        all
    }

    /// Whether it is known of every offset what became of it.
    pub fn is_complete(&self) -> bool {
        self.partitions.iter().all(PartitionLedger::is_complete)
    }
}

pub(super) fn ledger(store: &dyn Store, topic: &str, request: &LedgerRequest) -> Result<Ledger, QueryError> {
    let snapshot = store.snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let store = &*snapshot;
    of(Trees { store, generation }, topic, request)
}

/// The same, of one snapshot.
pub(super) fn of(trees: Trees<'_>, topic: &str, request: &LedgerRequest) -> Result<Ledger, QueryError> {
    let Trees { store, generation } = trees;
    if !KeptTables::of(store, generation)?.has(ProjectionTable::Ledger) {
        return Err(QueryError::SwitchedOff { option: "ledger" });
    }
    let wanted = |partition| request.partition.is_none_or(|only| only == partition);
    let mut partitions = Vec::new();
    for (partition, row) in reads::offsets(store, topic)? {
        if wanted(partition) {
            let tables = Tables {
                store,
                generation,
                partition,
            };
            partitions.push(tables.ledger(&row, request.days.clone())?);
        }
    }
    Ok(Ledger {
        partitions,
        cursor: reads::cursor(store, generation)?,
    })
}

/// The sums of one partition.
struct Tables<'s> {
    store: &'s dyn StoreRead,
    generation: Generation,
    partition: u32,
}

impl Tables<'_> {
    fn folded(&self) -> Table {
        Table::Projection(self.generation, ProjectionTable::Ledger)
    }

    fn ledger(
        &self,
        row: &OffsetRecord,
        days: Option<RangeInclusive<i64>>,
    ) -> Result<PartitionLedger, QueryError> {
        let accounted = ledger::counts(self.store, Table::Accounted, self.partition, None)?;
        let folded = ledger::counts(self.store, self.folded(), self.partition, None)?;
        let mut found = PartitionLedger {
            partition: self.partition,
            start: row.start,
            next: row.next,
            offsets: OffsetsByClass::of(&accounted, &folded),
            days: days.map_or_else(|| Ok(BTreeMap::new()), |days| self.days(days))?,
        };
        // What no sum knows: of a store that was filled before there were any, or that is damaged.
        let lacking = found.len().saturating_sub(found.offsets.sum());
        found.offsets.unexplained = found.offsets.unexplained.saturating_add(lacking);
        Ok(found)
    }

    fn days(&self, days: RangeInclusive<i64>) -> Result<BTreeMap<i64, OffsetsByClass>, QueryError> {
        let mut both: BTreeMap<i64, (OffsetCountsRecord, OffsetCountsRecord)> = BTreeMap::new();
        ledger::each_day(
            self.store,
            Table::Accounted,
            self.partition,
            days.clone(),
            |day, counts| {
                both.entry(day).or_default().0 = counts;
            },
        )?;
        ledger::each_day(self.store, self.folded(), self.partition, days, |day, counts| {
            both.entry(day).or_default().1 = counts;
        })?;
        let by_class = |(accounted, folded): &(_, _)| OffsetsByClass::of(accounted, folded);
        Ok(both.iter().map(|(day, both)| (*day, by_class(both))).collect())
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
